/** What `qubes-lite host tap --print` prints, run for real in a network of the test's own; and what it says when it is asked wrongly. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Outcome, TestUser } from "../e2e/harness.ts";
import { canMakeTaps, TapHost } from "./tap-host.ts";

const vms = [
	{ id: 5, name: "shopping" },
	{ id: 7, name: "banking" },
	{ id: 13, name: "vault", network: false },
];
const pool = { disposablePool: { ids: [101] } };
const owner = { name: "nobody", uid: 65534 };

/** ip(8)'s. */
interface Link {
	readonly ifname: string;
	readonly flags: readonly string[];
	readonly addr_info: readonly { readonly family: string; readonly local: string; readonly prefixlen: number }[];
}

describe.runIf(canMakeTaps)("the commands", () => {
	let host: TapHost;
	let user: TestUser;
	let vmm: ChildProcess | undefined;

	beforeEach(async () => {
		host = await TapHost.start({});
		user = new TestUser({ vms, within: host.within, config: { user: owner.name, ...pool } });
	});

	afterEach(async () => {
		await end();
		rmSync(user.directory, { recursive: true });
		await host.stop();
	});

	const print = (words = ""): Promise<Outcome> => user.sh(`qubes-lite host tap --print ${words} | sh`);
	const done = { status: 0, stdout: "", stderr: "" };

	/** "ql-shopping 172.16.200.4/31 65534 up" */
	function taps(): string[] {
		const links: Link[] = JSON.parse(host.sh("ip -json address show"));
		const ours = links.filter(({ ifname }) => ifname.startsWith("ql-"));
		return ours.map(({ ifname, flags, addr_info }) => {
			const addresses = addr_info
				.filter(({ family }) => family === "inet")
				.map((one) => `${one.local}/${one.prefixlen}`);
			const uid = host.sh(`cat /sys/class/net/${ifname}/owner 2>/dev/null || echo no TAP`).trim();
			return `${ifname} ${addresses} ${uid} ${flags.includes("UP") ? "up" : "down"}`;
		});
	}
	const forwards = (): string => host.sh("cat /proc/sys/net/ipv4/ip_forward").trim();
	const rules = (): string => host.sh("nft list ruleset");
	/** They change where a device is made anew. */
	const numbers = (): string => host.sh("cat /sys/class/net/ql-*/ifindex");

	const all = ["ql-shopping 172.16.200.4/31 65534 up", "ql-banking 172.16.200.6/31 65534 up"];
	const ofPool = "ql-d101 172.16.200.100/31 65534 up";

	it("make a TAP for each vm that has a network and for the pool; run again they change nothing", async () => {
		expect(forwards()).toBe("0");
		expect(await print()).toMatchObject(done);
		expect(taps()).toEqual([...all, ofPool]);
		expect(host.sh("ip tuntap").split("\n")[0]).toBe("ql-shopping: tap vnet_hdr persist user 65534");
		expect(host.sh("cat /proc/sys/net/ipv6/conf/ql-shopping/disable_ipv6").trim()).toBe("1");
		expect(forwards()).toBe("1");
		expect(rules()).toContain('"ql-banking" . 172.16.200.7');
		expect(rules()).not.toContain("vault");
		const before = [numbers(), rules()];
		expect(await print()).toMatchObject(done);
		expect([numbers(), rules()]).toEqual(before);
		expect(taps()).toEqual([...all, ofPool]);
	});

	it("let their owner open them, and nobody else", async () => {
		host.sh("mount -t tmpfs tmpfs /mnt && mknod -m 666 /mnt/tun c 10 200 && mount --bind /mnt/tun /dev/net/tun");
		await print();
		const opens = async (uid: number): Promise<string> => {
			const become = `setpriv --reuid=${uid} --regid=${uid} --clear-groups`;
			const vmm = "echo quit | qemu-system-x86_64 -nodefaults -display none -S -machine none -monitor stdio";
			return (await user.sh(`${become} sh -c '${vmm} -netdev tap,id=net,ifname=ql-shopping,script=no' 2>&1`)).stdout;
		};
		expect(await opens(owner.uid)).not.toContain("not permitted");
		expect(await opens(1234)).toContain("could not configure /dev/net/tun (ql-shopping): Operation not permitted");
	});

	it("can be pasted into a shell that goes on", async () => {
		expect(await user.sh("{ qubes-lite host tap --print; echo 'echo and on'; } | sh")).toMatchObject({
			...{ status: 0, stdout: "and on\n" },
		});
		expect(taps().length).toBe(3);
	});

	it("follow the configuration: vms that come, go, and change their ids", async () => {
		await print();
		user.configure([
			{ id: 7, name: "shopping" },
			{ id: 5, name: "banking" },
			{ id: 13, name: "vault" },
		]);
		expect(await print()).toMatchObject(done);
		expect(taps().sort()).toEqual([
			"ql-banking 172.16.200.4/31 65534 up",
			ofPool,
			"ql-shopping 172.16.200.6/31 65534 up",
			"ql-vault 172.16.200.12/31 65534 up",
		]);
		expect(host.sh("ip -4 route show 172.16.200.6/31")).toContain("dev ql-shopping ");
		user.configure([{ id: 7, name: "shopping" }], { user: owner.name, vmNetwork: "10.9.8.0/24" });
		expect(await print()).toMatchObject(done);
		expect(taps()).toEqual(["ql-shopping 10.9.8.6/31 65534 up"]);
		expect(rules()).not.toMatch(/172|banking/);
		user.configure([{ id: 7, name: "shopping", network: false }], { user: owner.name });
		expect(await print()).toMatchObject({ status: 0 });
		expect([taps(), rules(), forwards()]).toEqual([[], "", "0"]);
	});

	it("make anew what is another's, and set right what somebody has changed", async () => {
		host.sh("ip tuntap add dev ql-shopping mode tap user root");
		host.sh("ip tuntap add dev ql-banking mode tap user nobody group daemon");
		host.sh("ip tuntap add dev ql-d101 mode tap user nobody && ip address add 10.0.0.1/24 dev ql-d101");
		expect(await print()).toMatchObject(done);
		expect(taps().sort()).toEqual([all[1], ofPool, all[0]]);
		expect(host.sh("cat /sys/class/net/ql-banking/group").trim()).toBe("-1");
	});

	it("leave alone what is in use or no TAP, say so, and do the rest", async () => {
		host.sh("ip link add ql-banking type bridge");
		host.sh("ip tuntap add dev ql-old mode tap user nobody && ip link set ql-old up");
		await open("ql-old");
		const outcome = await print();
		expect(outcome).toMatchObject({ status: 1, stdout: "" });
		expect(outcome.stderr.split("\n").map((line) => line.split(":")[1]?.slice(0, 23))).toEqual([
			" ql-old stays as it is",
			" ql-banking stays as it",
			undefined,
		]);
		expect(taps()).toContain(all[0]);
		// While it runs it keeps its rules, or it would reach this host.
		expect((await print("--undo")).status).toBe(1);
		expect(rules()).toContain("qubes-lite");
		await end();
		host.sh("ip link del ql-banking");
		expect(await print("--undo")).toMatchObject({ status: 0, stdout: "" });
		expect([taps(), rules()]).toEqual([[], ""]);
	});

	it("are undone: TAPs, rules, and forwarding where it was off before; run again that is no error", async () => {
		host.sh("ip tuntap add dev ql-other mode tap user root");
		await print();
		await print();
		expect(await print("--undo")).toMatchObject({
			...{ status: 0, stdout: "", stderr: "qubes-lite: net.ipv4.ip_forward is 0 again, as it was before\n" },
		});
		// Another user's.
		expect(taps()).toEqual(["ql-other  0 down"]);
		expect([rules(), forwards()]).toEqual(["", "0"]);
		expect(await print("--undo")).toMatchObject(done);
		host.sh("sysctl -q -w net.ipv4.ip_forward=1");
		await print();
		await print("--undo");
		expect(forwards()).toBe("1");
	});

	it("are one vm's where it is named", async () => {
		expect(await print("banking")).toMatchObject(done);
		expect(taps()).toEqual([all[1]]);
		host.sh("ip tuntap add dev ql-old mode tap user nobody");
		expect(await print("shopping")).toMatchObject(done);
		expect(await print("--undo banking")).toMatchObject(done);
		expect(taps()).toEqual(["ql-old  65534 down", all[0]]);
		expect(rules()).toContain('"ql-shopping" . 172.16.200.5');
	});

	it("name what is missing, and do nothing", async () => {
		const onlyIp = join(user.directory, "bin");
		mkdirSync(onlyIp);
		const without = await user.sh(`qubes-lite host tap --print >s && ln -s "$(command -v cat)" "$(command -v id)" \\
			"$(command -v ip)" ${onlyIp} && sed -i s,:/usr/sbin:/sbin,, s && PATH=${onlyIp} /bin/sh s; rm s`);
		expect(without.stderr).toMatch(/^qubes-lite: there is no nft here: .*nftables/);
		user.configure(vms, { user: "nobody-else" });
		expect((await print()).stderr).toMatch(/no such user\nqubes-lite: the owner of the TAPs .* is no user here\n$/);
		expect([taps(), rules(), forwards()]).toEqual([[], "", "0"]);
	});

	/** A vmm has it open, and does nothing else. */
	async function open(tap: string): Promise<void> {
		const words = ["-nodefaults", "-display", "none", "-S", "-machine", "none", "-serial", "none"];
		const netdev = `tap,id=net,ifname=${tap},script=no,downscript=no`;
		const [program = "", ...rest] = [...host.within, "qemu-system-x86_64", ...words, "-netdev", netdev];
		vmm = spawn(program, rest, { stdio: "ignore" });
		await user.until("it has the TAP", () => host.sh(`cat /sys/class/net/${tap}/carrier`).trim() === "1");
	}

	async function end(): Promise<void> {
		if (vmm === undefined) return;
		const ended = once(vmm, "exit");
		vmm.kill();
		vmm = undefined;
		await ended;
	}
});

describe("qubes-lite host tap", () => {
	let user: TestUser;

	beforeAll(() => {
		user = new TestUser({ vms, config: { user: userInfo().username } });
	});

	afterAll(() => rmSync(user.directory, { recursive: true }));

	const tap = (words: string): Promise<Outcome> => user.sh(`cd '${user.directory}' && qubes-lite host tap ${words}`);

	it.each([
		["", "host tap changes nothing, it only prints what root may run here: it needs --print", "host tap --print"],
		["shopping --undo", "host tap changes nothing, it only prints", "host tap --print"],
		[
			"--print --format=netword",
			"--format is one of shell, networkd, networkmanager, not 'netword'; did you mean 'networkd'?",
		],
		["--print --out x", "--out DIR is for the files of --format=networkd and --format=networkmanager"],
		["--print --undo --format=networkd --out x", "--out DIR is for the files"],
		["--print --json --undo", "--json has all that is needed to make commands"],
		["--print --nat 'eth*'", "--nat needs the name of a network interface, not 'eth*'", "ip -brief link"],
		["--print --nat ''", "--nat needs the name of a network interface, not ''", "ip -brief link"],
	])("is told what is wrong with its words: %s", async (words, sentence, remedy = "host tap --help") => {
		const { status, stdout, stderr } = await tap(words);
		expect([status, stdout]).toEqual([2, ""]);
		expect(stderr.split("\n")).toEqual([
			expect.stringContaining(`qubes-lite: ${sentence}`),
			expect.stringMatching(`^ {2}→ .*${remedy}$`),
			"",
		]);
	});

	it.each([
		["shoping", "there is no vm 'shoping'; did you mean 'shopping'?"],
		["'$(x)'", "'$(x)' is not a vm name"],
	])("knows the vms: %s", async (name, sentence) => {
		const { status, stdout, stderr } = await tap(`--print ${name}`);
		expect([status, stdout]).toEqual([1, ""]);
		expect(stderr).toContain(sentence);
	});

	it("says of a vm without a network that it needs nothing", async () => {
		expect(await tap("--print vault")).toMatchObject({
			status: 0,
			stdout: "# A vm without a network needs nothing of this host.\n",
			stderr: 'qubes-lite: vault: "network" is false, so there is nothing to prepare for that\n',
		});
	});

	it("says of an interface that it is not there, and which one may be meant", async () => {
		expect((await tap("--print --nat lp")).stderr).toContain("there is no interface lp now; did you mean 'lo'?\n");
	});

	it("is JSON for programs", async () => {
		const { stdout } = await tap("--print --json --nat lo shopping");
		expect(JSON.parse(stdout)).toMatchObject({
			...{ schema: 1, owner: { user: userInfo().username, uid: process.getuid?.() }, outside: "lo", isWhole: false },
			taps: [{ name: "ql-shopping", vm: "shopping", hostAddress: "172.16.200.4/31", guestAddress: "172.16.200.5" }],
		});
	});

	it("takes who asks for the owner where the configuration names nobody, behind sudo, too", async () => {
		user.configure(vms, {});
		const ownerOf = async (env: string) =>
			JSON.parse((await user.sh(`${env} qubes-lite host tap --print --json`)).stdout).owner;
		expect(await ownerOf("env -u SUDO_UID")).toEqual({ user: null, uid: process.getuid?.() });
		const isRoot = process.getuid?.() === 0;
		expect(await ownerOf("SUDO_UID=1234")).toEqual({ user: null, uid: isRoot ? 1234 : process.getuid?.() });
		user.configure(vms);
	});

	it("writes files, again too, and says how they are used; what is not its own it leaves as it is", async () => {
		for (const format of ["networkd", "networkmanager"]) {
			const words = `--print --format=${format} --out '${format} files'`;
			const directory = join(user.directory, `${format} files`);
			const printed = await tap(words);
			const names = readdirSync(directory).sort();
			expect(
				printed.stdout
					.split("\n")
					.filter((line) => line !== "")
					.sort(),
			).toEqual(names.map((name) => join(directory, name)));
			expect(printed.stderr).toContain(`\n  cp '${directory}'/qubes-lite.nft /etc/ && nft -f `);
			expect(await tap(words)).toMatchObject({ status: 0 });
			const open = names.filter((name) => (statSync(join(directory, name)).mode & 0o077) !== 0);
			expect(open).toEqual(names.filter((name) => !name.endsWith(".nmconnection")));
			const [mine = ""] = names;
			writeFileSync(join(directory, mine), "mine");
			expect(await tap(words)).toMatchObject({
				...{ status: 1, stdout: "", stderr: expect.stringContaining(`${mine} is there and not by us`) },
			});
			expect(readFileSync(join(directory, mine), "utf8")).toBe("mine");
		}
	});
});
