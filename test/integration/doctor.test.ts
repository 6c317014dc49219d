/** The doctor, with one fault at a time: each is found, named with its remedy, and where that can be done here, healed by it. */
import {
	chmodSync,
	chownSync,
	cpSync,
	existsSync,
	mkdirSync,
	rmSync,
	symlinkSync,
	truncateSync,
	writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { nothingLeft } from "../e2e/harness.ts";
import { type Diagnosis, DoctorUser } from "./doctor-user.ts";
import { isRoot, otherUid } from "./fake-user.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

let user: DoctorUser;

const vms = [
	{ id: 5, name: "shopping" },
	{ id: 13, name: "vault", network: false },
];

beforeEach(() => {
	user = new DoctorUser({ vms, env: { QUBES_LITE_BROKER_IDLE_MS: "5000" } });
});

afterEach(async () => {
	expect(await user.leave(["shopping", "vault"])).toEqual(nothingLeft);
});

/** A directory of the user's own for the runtime; `leave` looks at the other one. */
const runtimeAt = (name: string): string => `export XDG_RUNTIME_DIR='${join(user.directory, name)}'`;

describe("a healthy user", () => {
	it("has no FAIL, is told in less than three seconds, and is left as they were", async () => {
		const { status, checks, ms } = await user.diagnose();
		expect(checks.filter((check) => check.status === "FAIL")).toEqual([]);
		expect(status).toBe(0);
		// 0.2 s by itself; a hang bound.
		expect(ms).toBeLessThan(10_000);
		expect(existsSync(user.runtime)).toBe(false);
		expect(existsSync(user.state)).toBe(false);
		expect(user.brokerPids()).toEqual([]);
	});

	it("reads columns without escapes in a pipe, and of what is well nothing with -q", async () => {
		const all = await user.sh("qubes-lite doctor");
		expect(all).toMatchObject({ status: 0, stderr: "" });
		expect(all.stdout).toMatch(/^PASS {2}qemu +QEMU 9\.9: .*\/fakes\/qemu-system-x86_64$/m);
		expect(all.stdout).not.toContain("\x1b");
		const quiet = await user.sh("qubes-lite doctor -q");
		expect(quiet.stdout).not.toMatch(/tap|user-network/);
		expect(quiet.stdout).not.toContain("PASS");
		const { checks } = JSON.parse((await user.sh("qubes-lite doctor -q --json")).stdout);
		expect(checks.map(({ status }: { status: string }) => status)).not.toContain("PASS");
	});

	it.each(["--jsn", "shopping"])("is told that %s is no word of the doctor's", async (word) => {
		const { status, stdout, stderr } = await user.sh(`qubes-lite doctor ${word}`);
		expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
		expect(stderr).toMatch(/^qubes-lite: .*\n {2}→ qubes-lite doctor --help\n$/);
		if (word === "--jsn") expect(stderr).toContain("did you mean --json?");
	});

	it.runIf(isRoot)("may be anybody", async () => {
		const other = new DoctorUser({ vms, uid: otherUid });
		const { status, checks } = await other.diagnose();
		expect(checks.filter((check) => check.status === "FAIL")).toEqual([]);
		expect(status).toBe(0);
		expect(await other.leave(["vault"])).toEqual(nothingLeft);
	});
});

describe("the runtime directory", () => {
	/** The user's one directory is theirs, and may be in use: another takes its place. */
	async function expectCured(sick: Diagnosis, before: string): Promise<void> {
		const remedy = sick.of("runtime-directory").remedy?.replaceAll("/tmp/run-$(id -u)", join(user.directory, "one"));
		const cured = await user.diagnose(`${before}\n{ ${remedy}\n} >&2`);
		expect(cured.of("runtime-directory").status).toBe("PASS");
	}

	const faults: readonly [string, RegExp, (path: string) => void][] = [
		["is a link", /is a symbolic link/, (path) => symlinkSync(user.directory, path)],
		["is open to others", /is open to other users/, (path) => mkdirSync(path, { mode: 0o755 })],
		["is not there", /does not exist/, () => {}],
		["is a file", /is not a directory/, (path) => writeFileSync(path, "")],
		[
			"is a foreign one",
			/belongs to uid 65534/,
			(path) => {
				mkdirSync(path, { mode: 0o700 });
				chownSync(path, otherUid, otherUid);
			},
		],
	];

	it.each(faults)("%s", async (what, sentence, seed) => {
		if (what.includes("foreign") && !isRoot) return;
		const path = join(user.directory, "it's here");
		seed(path);
		const before = `export XDG_RUNTIME_DIR="${path}"`;
		const sick = await user.diagnose(before);
		expect(sick.of("runtime-directory")).toMatchObject({ status: "FAIL", sentence: expect.stringMatching(sentence) });
		expect(sick.of("runtime-room").status).toBe("WARN");
		await expectCured(sick, before);
	});

	it("is too long for sockets, or is not set", async () => {
		const long = `d=$XDG_RUNTIME_DIR/$(printf '%0100d' 1); mkdir -p -m 700 "$d"; export XDG_RUNTIME_DIR="$d"`;
		const tooLong = await user.diagnose(long);
		expect(tooLong.of("runtime-directory").sentence).toMatch(/bytes too long for a socket's path/);
		expect(tooLong.of("runtime-directory").remedy).toMatch(/^mkdir /);
		const unset = await user.diagnose("unset XDG_RUNTIME_DIR");
		expect(unset.of("runtime-directory").sentence).toMatch(/XDG_RUNTIME_DIR is not set/);
		await expectCured(unset, "unset XDG_RUNTIME_DIR");
	});

	it.each([
		["no room", "size=1m", `dd if=/dev/zero of="$XDG_RUNTIME_DIR/filler" bs=4096 2>/dev/null`, /only 0 bytes are free/],
		["hardly any room", "size=1m", ":", /only 1 MiB are free|only \d+ KiB are free/],
		[
			"no inodes",
			"size=9m,nr_inodes=20",
			`for n in $(seq 19); do : >"$XDG_RUNTIME_DIR/$n"; done`,
			/only 0 inodes are free/,
		],
	])("has %s", async (what, options, fill, sentence) => {
		const small = join(user.directory, "small");
		mkdirSync(small);
		const seed = `mount -t tmpfs -o ${options},mode=700 small ${small} || exit 99
${runtimeAt("small")}
${fill}`;
		const { status, checks, of } = await user.diagnose(seed, `unshare ${isRoot ? "-m" : "-rm"}`);
		const isFatal = !what.startsWith("hardly");
		expect(of("runtime-room")).toMatchObject({
			status: isFatal ? "FAIL" : "WARN",
			sentence: expect.stringMatching(sentence),
			remedy: expect.stringMatching(/^df -[hi] .*; du -x/),
		});
		expect(status, JSON.stringify(checks)).toBe(isFatal ? 1 : 0);
	});
});

describe("programs", () => {
	it.each([
		["qemu-system-x86_64", "qemu", /^sudo .* qemu-/],
		["vhost-device-vsock", "vhost-device-vsock", /^qubes-lite image build +# /],
		["setsid", "shim-programs", /^sudo .*util-linux/],
		["flock", "shim-programs", /^sudo .*util-linux/],
	])("%s is missing", async (program, name, remedy) => {
		user.env.PATH = user.pathWithout(program);
		expect((await user.diagnose()).of(name)).toMatchObject({
			status: "FAIL",
			sentence: expect.stringContaining(program),
			remedy: expect.stringMatching(remedy),
		});
	});

	it("are installed as this system does it", async () => {
		user.fake("pacman", "exit 1");
		user.env.PATH = user.pathWithout("qemu-system-x86_64", "apt-get", "dnf");
		expect((await user.diagnose()).of("qemu").remedy).toBe("sudo pacman -S --noconfirm qemu-base");
	});

	it("crosvm is named where it is there", async () => {
		user.fake("crosvm", "echo 'crosvm 0.1.0-abc'");
		expect((await user.diagnose()).of("crosvm")).toMatchObject({
			...{ status: "PASS", sentence: `crosvm 0.1.0-abc: ${user.fakes}/crosvm; QEMU runs the guests` },
		});
	});

	it("are there but do not run, are old, or never end", async () => {
		user.fake("vhost-device-vsock", "exit 1");
		user.fake("qemu-system-x86_64", "echo 'QEMU emulator version 5.2.0'");
		const first = await user.diagnose();
		expect(first.of("vhost-device-vsock")).toMatchObject({ status: "FAIL", remedy: expect.stringMatching(/^rm -f /) });
		expect(first.of("qemu")).toMatchObject({ status: "WARN", sentence: expect.stringContaining("older than") });
		user.fake("qemu-system-x86_64", "exec sleep 100");
		const { of, ms } = await user.diagnose();
		expect(of("qemu").status).toBe("FAIL");
		expect(ms).toBeLessThan(10_000);
	});
});

describe("files of vms", () => {
	const disk = (): string => join(user.directory, "my disks", "vault.img");

	function configure(vm: object): void {
		writeFileSync(user.env.QUBES_LITE_CONFIG ?? "", JSON.stringify({ version: 1, vms: [{ ...vms[1], ...vm }] }));
	}

	it("a missing disk is named, and made by its remedy", async () => {
		configure({ disks: [disk()] });
		const sick = await user.diagnose();
		expect(sick.of("disks:vault")).toMatchObject({ status: "FAIL", sentence: `there is no disk ${disk()}` });
		await user.cure("disks:vault", sick);
	});

	it("what a vm boots of its own is looked at as before a start, and so is all that crosvm needs", async () => {
		configure({ kernel: "/nowhere/vmlinuz" });
		expect((await user.diagnose()).of("start:vault")).toMatchObject({
			...{ status: "FAIL", sentence: "the kernel /nowhere/vmlinuz is not there" },
		});
		configure({ rootDisk: "/nowhere/root.img" });
		expect((await user.diagnose()).of("start:vault")).toMatchObject({
			...{ status: "FAIL", sentence: "the disk /nowhere/root.img is not there" },
			remedy: 'name an image that is there as "rootDisk" of vault, or leave it out',
		});
		user.fake("crosvm", "echo 'crosvm 0.1.0-abc'");
		configure({ hypervisor: "crosvm", crosvm: { binary: "/nowhere/crosvm" } });
		const sick = await user.diagnose();
		expect(sick.of("start:vault")).toMatchObject({
			...{ status: "FAIL", sentence: "/nowhere/crosvm, which the configuration names as crosvm, is no program" },
		});
		configure({ hypervisor: "crosvm" });
		expect((await user.diagnose()).of("crosvm")).toMatchObject({
			...{ status: "PASS", sentence: `crosvm 0.1.0-abc: ${user.fakes}/crosvm; runs vault` },
		});
	});

	it("a disk of two vms is named with both", async () => {
		const path = join(user.directory, "both.img");
		writeFileSync(path, "x");
		symlinkSync(path, join(user.directory, "link.img"));
		const both = vms.map((vm, index) => ({ ...vm, disks: [index === 0 ? path : join(user.directory, "link.img")] }));
		writeFileSync(user.env.QUBES_LITE_CONFIG ?? "", JSON.stringify({ version: 1, vms: both }));
		expect((await user.diagnose()).of("disks:vault")).toMatchObject({
			status: "WARN",
			sentence: expect.stringContaining(`vault and shopping both write the disk ${path}`),
		});
	});

	it.runIf(isRoot)("a disk that only others may read is named", async () => {
		const other = new DoctorUser({ vms: [{ ...vms[1], disks: ["/etc/shadow", "/etc"] }], uid: otherUid });
		expect((await other.diagnose()).of("disks:vault")).toMatchObject({
			status: "FAIL",
			sentence: "the disk /etc/shadow is not yours to read and write",
			remedy: "namei -l /etc/shadow",
		});
		expect(await other.leave(["vault"])).toEqual(nothingLeft);
	});

	it("a shared directory that is missing is named, and made by its remedy; virtiofsd is looked for where one is shared", async () => {
		expect((await user.diagnose()).checks.map(({ name }) => name)).not.toContain("virtiofsd");
		const path = join(user.directory, "shared docs");
		configure({ sharedDirectories: [{ tag: "docs", path }] });
		const sick = await user.diagnose();
		expect(sick.of("virtiofsd")).toMatchObject({ status: "PASS" });
		expect(sick.of("shares:vault")).toMatchObject({
			status: "FAIL",
			sentence: `the shared directory ${path} is not there`,
		});
		await user.cure("shares:vault", sick);
		configure({ sharedDirectories: [{ tag: "docs", path: dirname(user.directory) }] });
		expect((await user.diagnose()).of("shares:vault")).toMatchObject({
			status: "WARN",
			sentence: expect.stringMatching(/^vault may write all of .*no boundary is left$/),
		});
		user.fake("virtiofsd", "echo 'usage: virtiofsd [options]'");
		expect((await user.diagnose()).of("virtiofsd")).toMatchObject({
			status: "FAIL",
			sentence: "virtiofsd 1.13 or newer, which sharedDirectories need, is not there",
		});
	});

	it("what shows windows is looked for where a vm has any: waypipe, and a session", async () => {
		expect((await user.diagnose()).checks.map(({ name }) => name)).not.toContain("windows");
		configure({ display: "waypipe" });
		expect((await user.diagnose()).of("windows")).toMatchObject({
			status: "WARN",
			sentence: expect.stringMatching(
				/^waypipe .*, and no Wayland session for windows of vault in this shell: WAYLAND_DISPLAY is not set$/,
			),
		});
	});

	it("a missing image, and a damaged one", async () => {
		const remedy = "qubes-lite image build";
		const image = join(user.cache, "qubes-lite/images/current");
		truncateSync(join(image, "root.erofs"), 0);
		expect((await user.diagnose()).of("image")).toMatchObject({
			...{ status: "FAIL", remedy },
			sentence: expect.stringContaining("is damaged: root.erofs has 0 bytes instead of 1"),
		});
		rmSync(image, { recursive: true });
		expect((await user.diagnose()).of("image")).toMatchObject({
			...{ status: "FAIL", remedy },
			sentence: `there is no guest image in ${image}`,
		});
	});

	it("an image of one vm that is not there", async () => {
		configure({ image: "/no/such/image" });
		const { checks, of } = await user.diagnose();
		expect(of("image:vault")).toMatchObject({ status: "FAIL", remedy: expect.stringContaining("config.json") });
		expect(checks.map(({ name }) => name)).not.toContain("image");
	});

	it("a configuration with problems: all of them, and an editor", async () => {
		configure({ id: 4, colour: "red" });
		const { sentence, ...found } = (await user.diagnose()).of("configuration");
		expect(found).toMatchObject({ status: "FAIL", remedy: `"\${EDITOR:-vi}" ${user.env.QUBES_LITE_CONFIG}` });
		expect(sentence).toMatch(/has 2 problems:\n.*vms\[0\]\.(id|colour) .*\n.*vms\[0\]\./);
	});

	it("a configuration that is named and not there", async () => {
		const before = "export QUBES_LITE_CONFIG=/no/such/file";
		const sick = await user.diagnose(before);
		expect(sick.of("configuration")).toMatchObject({
			status: "FAIL",
			sentence: expect.stringContaining("/no/such/file"),
		});
		await user.cure("configuration", sick, before);
	});
});

describe("directories, limits, the bus and the processor", () => {
	it.runIf(isRoot)("a state directory that belongs to another costs the logs, which is a warning", async () => {
		const other = new DoctorUser({ vms, uid: otherUid });
		mkdirSync(other.state, { recursive: true });
		chmodSync(other.state, 0o755);
		const sick = (await other.diagnose()).of("state-directory");
		expect(sick).toMatchObject({ status: "WARN", remedy: expect.stringContaining(other.state) });
		// Root does what sudo would, for that user.
		const asOther = sick.remedy?.replaceAll("sudo ", "").replace('"$(id -u)"', String(otherUid)) ?? "";
		await user.sh(asOther);
		expect((await other.diagnose()).of("state-directory").status).toBe("PASS");
		expect(await other.leave(["vault"])).toEqual(nothingLeft);
	});

	it("few files that may be open: the hard limit counts", async () => {
		expect((await user.diagnose("ulimit -n 100")).of("open-files")).toMatchObject({
			...{ status: "WARN", sentence: expect.stringContaining("100 files") },
			remedy: expect.stringMatching(/^sudo prlimit --pid \$\$ --nofile=/),
		});
		expect((await user.diagnose("ulimit -n 50")).of("open-files").status).toBe("FAIL");
		expect((await user.diagnose("ulimit -Sn 50")).of("open-files").status).toBe("PASS");
	});

	it("a bus address that leads nowhere", async () => {
		const before = `export DBUS_SESSION_BUS_ADDRESS=unix:path=${user.directory}/gone,guid=1`;
		const sick = await user.diagnose(before);
		expect(sick.of("user-bus")).toMatchObject({ status: "WARN", sentence: expect.stringContaining("ENOENT") });
		await user.cure("user-bus", sick, before);
	});

	it.each([
		["nonsense", "an address begins with its transport, such as unix:"],
		["unix:abstract=qubes-lite-no-bus", "ECONNREFUSED"],
		["tcp:host=localhost", "only unix: is supported, not tcp:"],
	])("a bus address %s, of which the broker says the same", async (address, why) => {
		user.env.QUBES_LITE_BROKER_IDLE_MS = "500";
		const before = `export DBUS_SESSION_BUS_ADDRESS=${address}`;
		const sentence = `DBUS_SESSION_BUS_ADDRESS leads to no bus (${why}): ${address}`;
		const sick = await user.diagnose(before);
		expect(sick.of("user-bus")).toMatchObject({ status: "WARN", sentence });
		await user.cure("user-bus", sick, before);
		writeFileSync(user.env.QUBES_LITE_CONFIG ?? "", JSON.stringify({ version: 1, supervisor: "systemd", vms }));
		const { status, stderr } = await user.sh(`${before}; run-in-vm vault true`);
		expect({ status, stderr }).toEqual({
			status: 125,
			stderr: expect.stringContaining(
				`${sentence}\n  → unset DBUS_SESSION_BUS_ADDRESS && systemctl --user start dbus.socket`,
			),
		});
	});

	it.runIf(isRoot)("a processor with virtualisation, and a /dev/kvm that is missing", async () => {
		writeFileSync(join(user.directory, "cpuinfo"), "flags\t\t: fpu vmx sse\n");
		const seed = `mount --bind '${user.directory}/cpuinfo' /proc/cpuinfo && mount -t tmpfs dev /dev || exit 99
mknod -m 666 /dev/null c 1 3; mknod -m 666 /dev/urandom c 1 9; ln -s /proc/self/fd /dev/fd`;
		expect((await user.diagnose(seed, "unshare -m")).of("accelerator")).toMatchObject({
			...{ status: "WARN", remedy: "sudo modprobe kvm_intel" },
		});
	});

	it.runIf(isRoot)("a /dev/kvm that is another's", async () => {
		writeFileSync(join(user.directory, "cpuinfo"), "flags\t\t: fpu svm sse\n");
		const seed = `mount --bind '${user.directory}/cpuinfo' /proc/cpuinfo && mknod -m 600 '${user.directory}/kvm' c 10 232
mount --bind '${user.directory}/kvm' /dev/kvm`;
		expect((await diagnoseAsOther("unshare -m", seed)).of("accelerator")).toMatchObject({
			...{ status: "WARN", sentence: expect.stringContaining("not yours to open") },
			remedy: expect.stringContaining('sudo usermod -aG kvm "$(id -un)"'),
		});
	});
});

/** Seeds as root, in namespaces of its own, and asks as somebody else. */
async function diagnoseAsOther(namespaces: string, seed: string): Promise<Diagnosis> {
	const other = new DoctorUser({ vms, uid: otherUid });
	writeFileSync(join(user.directory, "seed.sh"), `{ ${seed}\n} >&2 || exit 99\nexec setpriv ${become} "$@"\n`);
	const asked = new DoctorUser({ vms });
	Object.assign(asked.env, other.env);
	chmodSync(asked.directory, 0o755);
	const diagnosis = await asked.diagnose(":", `${namespaces} /bin/sh '${user.directory}/seed.sh'`);
	expect(await other.leave(["vault"])).toEqual(nothingLeft);
	rmSync(asked.directory, { recursive: true });
	return diagnosis;
}

const become = `--reuid=${otherUid} --regid=${otherUid} --clear-groups`;

describe.runIf(isRoot && existsSync("/dev/net/tun"))("a TAP", () => {
	/** A network of their own; sysfs shows that of the mounter. */
	const namespaces = "unshare -mn";
	const seeded = (what: string) => `mount -t sysfs sysfs /sys || exit 99\n${what}`;
	const make = "ip tuntap add dev ql-shopping mode tap";

	it("that is not there costs nothing where QEMU has a network of its own, and else is made by the remedy", async () => {
		const well = await user.diagnose(seeded(":"), namespaces);
		expect(well.of("user-network")).toMatchObject({
			...{ status: "PASS", sentence: expect.stringMatching(/^shopping: user-mode network, which reaches .*loopback/) },
		});
		expect(well.checks.filter(({ name }) => name.startsWith("tap:"))).toEqual([]);
		user.fake("qemu-system-x86_64", "echo 'QEMU emulator version 9.9'; echo tap");
		const sick = await user.diagnose(seeded(":"), namespaces);
		expect(sick.of("user-network")).toMatchObject({ status: "FAIL", sentence: expect.stringContaining("can't boot") });
		const healthy = await user.diagnose(`${seeded(":")}\n{ ${sick.of("user-network").remedy}\n} >&2`, namespaces);
		expect(healthy.of("tap:shopping").status).toBe("PASS");
	});

	it.each([
		["is down", make, /is down/],
		["has no address", `${make} && ip link set ql-shopping up`, /has no address instead of 172\.16\.200\.4\/31/],
		[
			"has another address",
			`${make} && ip address add 10.0.0.1/24 dev ql-shopping && ip link set ql-shopping up`,
			/has 10\.0\.0\.1\/24 instead of 172/,
		],
	])("that %s is healed by its remedy", async (_, seed, sentence) => {
		const sick = await user.diagnose(seeded(seed), namespaces);
		expect(sick.of("tap:shopping")).toMatchObject({ status: "FAIL", sentence: expect.stringMatching(sentence) });
		await user.cure("tap:shopping", sick, seeded(seed), namespaces);
	});

	it("of disposablePool is looked at like another, and those that are missing are made by the remedy", async () => {
		const others = { disposablePool: { ids: [101, 103, 105] } };
		user.configure(vms, others);
		const of = async (seed: string) => user.diagnose(seeded(seed), namespaces);
		const sick = await of(":");
		expect(sick.of("disposable-pool")).toMatchObject({
			status: "WARN",
			sentence:
				"disposablePool: 0 of 3 TAPs are there, without ql-d101, ql-d103, ql-d105: networked instances have user-mode network",
		});
		await user.cure("disposable-pool", sick, seeded(":"), namespaces);
		const some = await of("ip tuntap add dev ql-d103 mode tap");
		expect(some.of("disposable-pool")).toMatchObject({
			status: "WARN",
			sentence: "disposablePool: 1 of 3 TAPs are there, without ql-d101, ql-d105: so many networked instances at once",
			remedy: expect.stringMatching(/^qubes-lite host tap --print \| sudo sh/),
		});
		expect(some.of("tap:d103")).toMatchObject({ status: "FAIL", sentence: expect.stringContaining("is down") });
		await user.cure("tap:d103", some, seeded("ip tuntap add dev ql-d103 mode tap"), namespaces);
		const well = await of(`{ ${sick.of("disposable-pool").remedy}\n} >&2`);
		expect(["101", "103", "105"].map((id) => well.of(`tap:d${id}`).sentence)).toEqual(
			[101, 103, 105].map((id) => `ql-d${id} is yours, up, and has 172.16.200.${id - 1}/31`),
		);
		user.configure(vms);
		expect((await of(":")).checks.map(({ name }) => name)).not.toContain("disposable-pool");
	});

	it("that belongs to another is refused, and one that belongs to nobody is not", async () => {
		const up = "ip address add 172.16.200.4/31 dev ql-shopping && ip link set ql-shopping up";
		const foreign = await diagnoseAsOther(namespaces, seeded(`${make} user root && ${up}`));
		expect(foreign.of("tap:shopping")).toMatchObject({
			...{ status: "FAIL", sentence: expect.stringContaining("belongs to uid 0") },
			remedy: "qubes-lite host tap --print shopping | sudo sh",
		});
		const free = await diagnoseAsOther(namespaces, seeded(`${make} && ${up}`));
		expect(free.of("tap:shopping").status).toBe("PASS");
	});
});

describe("the broker", () => {
	it("answers, and is not asked twice", async () => {
		await user.sh("qubes-lite ls");
		const [pid] = user.brokerPids();
		expect((await user.diagnose()).of("broker")).toMatchObject({
			...{ status: "PASS", sentence: `the broker (pid ${pid}) answers, and has 2 vms` },
		});
	});

	it("was killed, and its socket is still there", async () => {
		await user.sh("qubes-lite ls");
		const pid = user.brokerPid();
		process.kill(pid, "SIGKILL");
		await user.until("it is gone", () => user.brokerPids().length === 0);
		const sick = await user.diagnose();
		expect(sick.of("broker")).toMatchObject({ status: "WARN", remedy: "qubes-lite ls" });
		await user.cure("broker", sick);
	});

	it("is older than the program on disk, which has been updated", async () => {
		const checkout = join(user.directory, "checkout");
		for (const name of ["bin", "dist"]) cpSync(join(root, name), join(checkout, name), { recursive: true });
		symlinkSync(join(root, "node_modules"), join(checkout, "node_modules"));
		user.env.PATH = `${checkout}/bin:${user.env.PATH}`;
		// It stays until it is told to leave.
		user.env.QUBES_LITE_BROKER_IDLE_MS = "60000";
		await user.sh("qubes-lite ls");
		const [pid] = user.brokerPids();
		expect((await user.diagnose()).of("broker").status).toBe("PASS");
		const updated = `touch -d '+1 hour' '${checkout}/dist/broker.cjs'`;
		const sick = await user.diagnose(updated);
		expect(sick.of("broker")).toMatchObject({ status: "WARN", remedy: expect.stringMatching(`^kill ${pid} `) });
		await user.sh(sick.of("broker").remedy ?? "");
		await user.until("it has left", () => user.brokerPids().length === 0);
		expect((await user.diagnose()).of("broker").status).not.toBe("FAIL");
		user.env.QUBES_LITE_BROKER_IDLE_MS = "500";
	});

	it("does not answer, and is replaced", async () => {
		await user.sh("qubes-lite ls");
		const pid = user.brokerPid();
		process.kill(pid, "SIGSTOP");
		const sick = await user.diagnose();
		expect(sick.of("broker")).toMatchObject({ status: "FAIL", remedy: expect.stringMatching(`^kill -KILL ${pid} `) });
		await user.cure("broker", sick);
	});
});

describe("a user manager", () => {
	/** On a machine that was booted with systemd, as sd_booted(3) sees it. */
	const booted = "mount -t tmpfs run /run && mkdir -p /run/systemd/system || exit 99";
	const namespaces = `unshare ${isRoot ? "-m" : "-rm"}`;

	it("that is not reachable is a warning, as the broker can do without", async () => {
		user.fake("systemctl", "echo 'Failed to connect to bus: No medium found' >&2; exit 1");
		const { of, checks, status } = await user.diagnose(booted, namespaces);
		expect(of("user-manager")).toMatchObject({
			...{ status: "WARN", sentence: expect.stringContaining("(Failed to connect to bus: No medium found)") },
			remedy: expect.stringContaining("sudo systemctl start"),
		});
		expect(checks.map(({ name }) => name)).not.toContain("socket-unit");
		expect(status).toBe(0);
	});

	it("that never answers does not hold anybody up", async () => {
		user.fake("systemctl", "exec sleep 100");
		const { of, ms } = await user.diagnose(booted, namespaces);
		expect(of("user-manager").status).toBe("WARN");
		expect(ms).toBeLessThan(10_000);
	});

	it("that is too old: which feature is missing", async () => {
		user.fake("systemctl", `case "$*" in *Version*) echo Version=241-7~deb10u10 ;; esac`);
		expect((await user.diagnose(booted, namespaces)).of("user-manager")).toMatchObject({
			...{ status: "FAIL", remedy: expect.stringMatching(/^qubes-lite uninstall/) },
			sentence:
				"systemd 241-7~deb10u10 is too old for our units, it lacks OOMPolicy= (243); units that are found without a reload (247)",
		});
	});
});
