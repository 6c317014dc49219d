/** mktuntap makes real interfaces in networks of their own; each one goes with its last program. */
import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { canMakeInterfaces, directory, inNetwork, make } from "./mktuntap.ts";

/** What the kernel says of an interface, and of a descriptor that it is open on. */
interface Look {
	readonly link: { readonly type: string; readonly pi: boolean; readonly vnet_hdr: boolean; readonly persist: boolean };
	readonly iff: string;
	readonly flags: number;
}

/** Runs mktuntap with these words and `fd`; the program that it becomes tells what it has, on a descriptor of its own. */
function look(words: string, fd: number, before = ":"): Look & { readonly name: string } {
	const tell = `(echo "$TUNTAP_NAME"; cat /proc/$$/fdinfo/${fd}; ip -j -d link show) >&9 2>&8; exit`;
	const { stdout, ...rest } = inNetwork(`exec 8>&2 9>&1; ${before}; exec "$mktuntap" ${words} ${fd} sh -c '${tell}'`);
	expect(rest).toEqual({ status: 0, stderr: "" });
	const [name = "", ...lines] = stdout.trimEnd().split("\n");
	const links = JSON.parse(lines.pop() ?? "") as { ifname: string; linkinfo?: { info_data: Look["link"] } }[];
	const fdinfo = Object.fromEntries(lines.map((line) => line.split(":\t")));
	const link = links.find(({ ifname }) => ifname === fdinfo.iff)?.linkinfo?.info_data;
	if (link === undefined) throw new Error(`${fdinfo.iff} is not among the links: ${stdout}`);
	return { name, link, iff: fdinfo.iff, flags: Number.parseInt(fdinfo.flags, 8) };
}

describe.runIf(canMakeInterfaces())("mktuntap makes", () => {
	it.each([
		["-p", "tap0", { type: "tap", pi: false, vnet_hdr: false }],
		["-n", "tun0", { type: "tun", pi: false, vnet_hdr: false }],
		["-pv", "tap0", { type: "tap", pi: false, vnet_hdr: true }],
		["-pP", "tap0", { type: "tap", pi: true, vnet_hdr: false }],
		["-n -v -P", "tun0", { type: "tun", pi: true, vnet_hdr: true }],
		["-pv -i ql-shopping", "ql-shopping", { type: "tap", pi: false, vnet_hdr: true }],
		["-p -iql-%d-x", "ql-0-x", { type: "tap", pi: false, vnet_hdr: false }],
		["-p -i a23456789012345", "a23456789012345", { type: "tap", pi: false, vnet_hdr: false }],
		["-p -i 'q;$(x)'", "q;$(x)", { type: "tap", pi: false, vnet_hdr: false }],
	])("with %s the interface %s, and its program has it open and knows its name", (words, name, link) => {
		expect(look(words, 7)).toMatchObject({ name, iff: name, link: { ...link, persist: false } });
	});

	it.each([0, 1, 2, 3, 4, 7, 500])("one on descriptor %d, which exec leaves open", (fd) => {
		const { iff, flags } = look("-p", fd);
		expect({ iff, isClosedByExec: (flags & 0o2000000) !== 0 }).toEqual({ iff: "tap0", isClosedByExec: false });
	});

	it("one on the very descriptor that open(2) gave", () => {
		for (const closed of ["0<&-", "1>&-", "2>&-"]) {
			const fd = Number(closed[0]);
			expect(look("-p", fd, `exec ${closed}`).iff).toBe("tap0");
		}
	});

	it("one whose descriptor does not block, with -B only", () => {
		const isNonBlocking = (words: string) => (look(words, 3).flags & constants.O_NONBLOCK) !== 0;
		expect([isNonBlocking("-p"), isNonBlocking("-pB")]).toEqual([false, true]);
	});

	it("no other descriptor, and closes none", () => {
		const list = (words: string) =>
			inNetwork(`exec ${words}`)
				.stdout.trim()
				.split("\n")
				.map(Number)
				.sort((a, b) => a - b);
		const ls = "ls /proc/self/fd";
		// Of those who started the tests.
		const inherited = list(ls).filter((fd) => fd > 9);
		expect(list(`"$mktuntap" -p 7 ${ls}`)).toEqual([0, 1, 2, 3, 7, ...inherited]);
		expect(list(`"$mktuntap" -p 3 ${ls}`)).toEqual([0, 1, 2, 3, 4, ...inherited]);
		expect(list(`"$mktuntap" -p 7 ${ls} 5</dev/null`)).toEqual([0, 1, 2, 3, 5, 7, ...inherited]);
		expect(list(`"$mktuntap" -p 7 ${ls} <&-`)).toEqual([0, 1, 2, 7, ...inherited]);
		const both = `"$mktuntap" -p 7 "$mktuntap" -n 8`;
		expect(list(`${both} ${ls}`)).toEqual([0, 1, 2, 3, 7, 8, ...inherited]);
	});

	it("several in a row, each with the next free number", () => {
		const script = `"$mktuntap" -p 7 "$mktuntap" -p 8 "$mktuntap" -n 9 sh -c 'grep -h iff /proc/$$/fdinfo/[789]; exit'`;
		expect(inNetwork(script)).toEqual({ status: 0, stdout: "iff:\ttap0\niff:\ttap1\niff:\ttun0\n", stderr: "" });
	});

	it("no TUNTAP_NAME with -E, and leaves one that was there", () => {
		const script = `"$mktuntap" -pE 7 sh -c 'echo "\${TUNTAP_NAME-none}"'
"$mktuntap" -p -i first 7 "$mktuntap" -pE -i second 8 printenv TUNTAP_NAME
"$mktuntap" -p -i first 7 "$mktuntap" -p -i second 8 printenv TUNTAP_NAME`;
		expect(inNetwork(script)).toEqual({ status: 0, stdout: "none\nfirst\nsecond\n", stderr: "" });
	});

	it("an interface that takes an address and carries frames while its program runs, and is gone afterwards", () => {
		// The first frame, then, is the broadcast that asks for the other address.
		const program = `{ echo 1 >/proc/sys/net/ipv6/conf/$TUNTAP_NAME/disable_ipv6; } 2>/dev/null
ip address add 172.16.200.4/31 dev $TUNTAP_NAME && ip link set $TUNTAP_NAME up && ip -4 -br address show dev $TUNTAP_NAME
bash -c "echo >/dev/udp/172.16.200.5/9"; timeout 5 head -c 6 <&3 | od -An -tx1`;
		const { stdout, stderr } = inNetwork(`"$mktuntap" -p -i ql-shopping 3 sh -c '${program}'
ip -br link show ql-shopping`);
		expect(stdout).toMatch(/^ql-shopping +\w+ +172\.16\.200\.4\/31 *\n( ff){6}\n$/);
		expect(stderr).toBe('Device "ql-shopping" does not exist.\n');
	});

	it("no second one of a persistent interface: it takes that, with flags of its own, and leaves it there", () => {
		const { link } = look("-pv -i ql-kept", 7, "ip tuntap add dev ql-kept mode tap");
		expect(link).toMatchObject({ type: "tap", vnet_hdr: true, persist: true });
		const script = `ip tuntap add dev ql-kept mode tap; "$mktuntap" -p -i ql-kept 7 true; ip -br link show ql-kept`;
		expect(inNetwork(script).stdout).toMatch(/^ql-kept /);
	});

	it("way for its program, whose words and status stay what they are", () => {
		expect(inNetwork('exec "$mktuntap" -p 7 sh -c "exit 42"').status).toBe(42);
		expect(inNetwork('exec "$mktuntap" -p 7 echo -p -- -i x').stdout).toBe("-p -- -i x\n");
	});
});

describe("mktuntap's sources", () => {
	it("are installed below PREFIX", () => {
		make(directory, "install", "PREFIX=/usr", `DESTDIR=${directory}/root`);
		accessSync(join(directory, "root/usr/bin/mktuntap"), constants.X_OK);
	});
});
