/** What mktuntap says where it can't, word for word: one sentence and what helps. */
import { describe, expect, it } from "vitest";
import { isRoot, otherUid } from "../integration/fake-user.ts";
import { canMakeInterfaces, failed, inNetwork, sh } from "./mktuntap.ts";

describe.runIf(canMakeInterfaces())("mktuntap says what helps where", () => {
	const device = "/dev/net/tun can't be opened";
	const refusedKind = (name: string) =>
		`${name} is not a name for the kernel, or not a tap with one queue. Try: ip -d link show dev '${name}'`;

	it.each([
		[
			"there is no such program",
			'PATH=/usr/bin "$mktuntap" -p 7 nothing-here',
			127,
			"there is no program nothing-here, or not its interpreter. Try: command -v 'nothing-here'",
		],
		[
			"there is none, and stderr is the interface",
			'PATH=/usr/bin "$mktuntap" -p 2 nothing-here',
			127,
			"there is no program nothing-here, or not its interpreter. Try: command -v 'nothing-here'",
		],
		[
			"there is none, and the copy of stderr would be in the way",
			'PATH=/usr/bin "$mktuntap" -p 3 nothing-here',
			127,
			"there is no program nothing-here, or not its interpreter. Try: command -v 'nothing-here'",
		],
		[
			"its program can't be executed",
			'"$mktuntap" -p 7 /etc/passwd',
			126,
			"/etc/passwd can't be executed: Permission denied. Try: ls -l '/etc/passwd'",
		],
		[
			"its program is a directory",
			'"$mktuntap" -p 7 /tmp',
			126,
			"/tmp can't be executed: Permission denied. Try: ls -l '/tmp'",
		],
		[
			"PATH leads to what can't be executed",
			'PATH=/etc "$mktuntap" -p 7 passwd',
			126,
			"passwd can't be executed: Permission denied. Try: command -v 'passwd'",
		],
		[
			"the descriptor is beyond the limit",
			'ulimit -n 1024; "$mktuntap" -p 999999 true',
			71,
			"nothing can be opened on descriptor 999999: Bad file descriptor. Try: a smaller one, or ulimit -n 1000000",
		],
		[
			"the descriptor is the last that a number can be",
			'"$mktuntap" -p 2147483647 true',
			71,
			"nothing can be opened on descriptor 2147483647: Bad file descriptor. Try: a smaller one, or ulimit -n 2147483648",
		],
		[
			"no descriptor is free",
			'ulimit -n 4; "$mktuntap" -p 2 true',
			71,
			`${device}: Too many open files. Try: ls -l /dev/net/tun; ulimit -n`,
		],
		[
			"the interface is open",
			'"$mktuntap" -p -i ql-a 7 "$mktuntap" -p -i ql-a 8 true',
			71,
			"ql-a is open elsewhere. Try: another -i, or to find who has it: sudo grep -w 'ql-a' /proc/[0-9]*/fdinfo/*",
		],
		[
			"the interface is a TUN",
			'ip tuntap add dev ql-a mode tun; "$mktuntap" -p -i ql-a 7 true',
			71,
			refusedKind("ql-a"),
		],
		[
			"the interface has several queues",
			'ip tuntap add dev ql-a mode tap multi_queue; "$mktuntap" -p -i ql-a 7 true',
			71,
			refusedKind("ql-a"),
		],
		["the interface is none of the kind", '"$mktuntap" -p -i lo 7 true', 71, refusedKind("lo")],
		["the name has what a name may not have", '"$mktuntap" -p -i a/b 7 true', 71, refusedKind("a/b")],
		["the name has another pattern", '"$mktuntap" -p -i %s 7 true', 71, refusedKind("%s")],
		["the name has two patterns", '"$mktuntap" -p -i %d%d 7 true', 71, refusedKind("%d%d")],
		[
			"there is no device",
			'mount -t tmpfs none /dev/net; "$mktuntap" -p 7 true',
			71,
			`${device}: No such file or directory. Try: as root, modprobe tun`,
		],
		[
			"the device is a file",
			'mount -t tmpfs none /dev/net; : >/dev/net/tun; "$mktuntap" -p 7 true',
			71,
			"/dev/net/tun is not the tun device. Try: as root, rm /dev/net/tun && mknod -m 666 /dev/net/tun c 10 200",
		],
	])("%s", (_, script, status, sentence) => {
		expect(inNetwork(script)).toEqual(failed(status, sentence));
	});

	it("the network is not the caller's own", () => {
		const remedy = (name: string, kind: string) =>
			`needs CAP_NET_ADMIN, or an interface that is yours. Try: sudo ip tuntap add dev '${name}' mode ${kind} user "$(id -un)"`;
		const inOurs = (words: string) => sh(`"$mktuntap" ${words} 7 true`, ["unshare", "--map-root-user"]);
		expect(inOurs("-p -i ql-none")).toEqual(failed(77, `ql-none ${remedy("ql-none", "tap")}`));
		expect(inOurs("-n")).toEqual(failed(77, `tun%d ${remedy("NAME", "tun")}`));
	});

	it.each(["7 nothing-here 2>&-", "2 nothing-here", "2 /etc/passwd"])(
		"stderr is not there, and nothing goes into the interface: -p %s",
		(words) => {
			const { stdout } = inNetwork(`ip tuntap add dev ql-a mode tap && ip link set ql-a up
"$mktuntap" -p -i ql-a ${words}; echo $?; ip -s -j link show dev ql-a`);
			const [status, link = ""] = stdout.split("\n");
			expect(status).toMatch(/^12[67]$/);
			// What is written onto its descriptor, the interface receives.
			expect(JSON.parse(link)[0].stats64.rx).toMatchObject({ packets: 0, errors: 0, dropped: 0 });
		},
	);
});

describe.runIf(isRoot && canMakeInterfaces())("to nobody", () => {
	const become = `setpriv --reuid=${otherUid} --regid=${otherUid} --clear-groups`;
	/** Where the device's mode is `mode`. */
	const asNobody = (mode: string, before: string, words: string) => {
		const seed = `mount -t tmpfs none /dev/net && mknod -m ${mode} /dev/net/tun c 10 200 && chmod ${mode} /dev/net/tun`;
		return sh(`${seed} && ${before} && exec ${become} "$mktuntap" ${words}`, ["unshare", "--net", "--mount"]);
	};
	const name = "printenv TUNTAP_NAME";

	it("a TAP that is nobody's is open without any rights", () => {
		const make = `ip tuntap add dev ql-own mode tap user ${otherUid}`;
		expect(asNobody("666", make, `-pv -i ql-own 7 ${name}`)).toEqual({ status: 0, stdout: "ql-own\n", stderr: "" });
	});

	it("one that is another's, or a new one, is not", () => {
		const make = "ip tuntap add dev ql-other mode tap user 0";
		for (const tap of ["ql-other", "ql-new"]) {
			expect(asNobody("666", make, `-p -i ${tap} 7 ${name}`)).toEqual(
				failed(
					77,
					`${tap} needs CAP_NET_ADMIN, or an interface that is yours. Try: sudo ip tuntap add dev '${tap}' mode tap user "$(id -un)"`,
				),
			);
		}
	});

	it("nothing is open where the device is root's alone", () => {
		expect(asNobody("600", ":", `-p 7 ${name}`)).toEqual(
			failed(77, "/dev/net/tun can't be opened: Permission denied. Try: as root, chmod 666 /dev/net/tun"),
		);
	});
});

describe("mktuntap refuses, before it opens anything,", () => {
	const which = "Try: -n for a TUN, -p for a TAP";
	const help = "Try: mktuntap --help";

	it.each([
		["7 true", `neither -n nor -p was given. ${which}`],
		["-np 7 true", `both -n and -p were given. ${which}`],
		["", `neither -n nor -p was given. ${which}`],
		["-p", `fd is missing. ${help}`],
		["-p 7", `prog is missing. ${help}`],
		["-px 7 true", `there is no option -x. ${help}`],
		["--tap 7 true", `there is no option --tap. ${help}`],
		["-p -i", "-i needs a name. Try: -i tap%d"],
		["-p -i '' 7 true", "the name of -i is empty. Try: without -i, for tun%d or tap%d"],
		["-p -i a234567890123456 7 true", "the name a234567890123456 has 16 bytes. Try: one of 15 at most"],
		["-p -i öööööööö 7 true", "the name öööööööö has 16 bytes. Try: one of 15 at most"],
	])("mktuntap %s", (words, sentence) => {
		expect(sh(`exec "$mktuntap" ${words}`)).toEqual(failed(64, sentence));
	});

	it.each(["7x", "x", "", " 7", "7 ", "+7", "-1", "0x7", "7.0", "2147483648", "99999999999999999999"])(
		"mktuntap -p -- '%s' true",
		(word) => {
			const sentence = `"${word}" is not a descriptor. Try: a number from 0 to 2147483647`;
			expect(sh(`exec "$mktuntap" -p -- '${word}' true`)).toEqual(failed(64, sentence));
		},
	);

	it("nothing that asks for help, which names every option", () => {
		const { status, stdout, stderr } = sh('exec "$mktuntap" --help');
		expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
		expect(stdout).toMatch(/^usage: mktuntap \(-n\|-p\) \[-v\] \[-B\] \[-P\] \[-E\] \[-i ifr_name\] fd prog\.\.\.\n/);
		expect(sh('exec "$mktuntap" -h').stdout).toBe(stdout);
		expect(sh('exec "$mktuntap" -h >/dev/full')).toEqual(
			failed(71, "the usage can't be written: No space left on device. Try: with another stdout"),
		);
	});
});
