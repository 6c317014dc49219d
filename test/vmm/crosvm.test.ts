/**
 * crosvm's driver, held against a grammar that was written from crosvm's source (test/fixtures/crosvm-grammar.ts). Goldens are whole command
 * lines, one word a line. After a wanted change: `vitest run --project unit test/vmm -u`, then read the diff.
 */
import { describe, expect, test } from "vitest";
import { parseConfig } from "../../src/config/loader.ts";
import type { Config, VmConfig } from "../../src/config/schema.ts";
import { crosvmDriver } from "../../src/vmm/crosvm.ts";
import type { HostFacts } from "../../src/vmm/host-facts.ts";
import { banking, disposable, vault, vhostVsock } from "../fixtures/crosvm-examples.ts";
import { parseCrosvmRun, toGuestCommandLine } from "../fixtures/crosvm-grammar.ts";
import { createConfig, createVm, crosvmFacts, imageFacts, toDisks } from "./facts.ts";

const runtime = "/run/user/1000/qubes-lite";
const wayland = { socket: "/run/user/1000/wayland-1", isByName: true };

function plan(vm: VmConfig, changes: Partial<HostFacts> = {}, config: Config = createConfig(vm)) {
	return crosvmDriver.plan(config, vm, { ...crosvmFacts, ...changes });
}

const crosvm = (changes: Partial<VmConfig> = {}): VmConfig => createVm({ hypervisor: "crosvm", ...changes });
const argumentsOf = (vm: VmConfig, changes: Partial<HostFacts> = {}): string[] => plan(vm, changes).vmm.argv.slice(1);
const valuesOf = (words: readonly string[], option: string): string[] =>
	words.filter((_, index) => words[index - 1] === option);

/** The vm of a file that has it alone. */
function configure(vm: object, file: object = {}): VmConfig {
	const text = JSON.stringify({ version: 1, hypervisor: "crosvm", ...file, vms: [vm] });
	const [parsed] = parseConfig(text, "config.json").vms;
	if (parsed === undefined) throw new Error("there is no vm");
	return parsed;
}

const store = "/nix/store/abc-rootfs";

/** The vms of the examples, as a configuration says them. */
const examples: Record<string, readonly [vm: VmConfig, facts: Partial<HostFacts>, words: readonly string[]]> = {
	banking: [
		configure({
			...{ id: 3, name: "banking", memory: 4096, cpus: 4, gpu: "virgl" },
			rootDisk: { path: "/home/user/.local/share/qubes-lite/banking/overlay.qcow2", readOnly: false },
			...{ kernel: `${store}-banking/bzImage`, initramfs: `${store}-banking/initrd` },
			disks: ["/dev/mapper/main-banking-home", { path: "/srv/vm/data.qcow2", readOnly: true }],
			sharedDirectories: [{ tag: "shared", path: "/home/user/Shared" }],
			kernelParams: ["init=/nix/store/xyz/init", "loglevel=4"],
		}),
		{ taps: ["ql-banking"], wayland },
		banking(vhostVsock(`${runtime}/banking`)),
	],
	vault: [
		configure({
			...{ id: 13, name: "vault", memory: 2048, network: false, crosvm: { sandbox: false }, gpu: "none" },
			...{ rootDisk: `${store}/nixos.qcow2`, kernel: `${store}/bzImage`, initramfs: `${store}/initrd` },
			kernelParams: ["init=/nix/store/xyz/init"],
		}),
		{ wayland },
		vault(),
	],
	"disp-7f65": [
		{
			...configure({
				...{ id: 15, name: "disp", memory: 1024, disposable: true, gpu: "virgl" },
				...{ rootDisk: `${store}/nixos.qcow2`, kernel: `${store}/bzImage`, initramfs: `${store}/initrd` },
				kernelParams: ["init=/nix/store/xyz/init"],
			}),
			...{ id: 0x7f65, name: "disp-7f65", instanceOf: { name: "disp", id: 15 } },
		},
		{ taps: ["ql-d101"], wayland },
		disposable(),
	],
};

/** What the examples have otherwise: why, is in ARCHITECTURE.md. */
function asWeHaveIt(name: string, words: readonly string[]): string[] {
	const directory = `${runtime}/${name}`;
	return words
		.flatMap((word, index): string[] => {
			if (word === "--shared-dir" || words[index - 1] === "--shared-dir")
				return word.startsWith("--") ? ["--vhost-user"] : [`type=fs,socket=${directory}/fs-shared.sock`];
			if (word === "--vsock") return vhostVsock(directory);
			return words[index - 1] === "--vsock" ? [] : [word];
		})
		.map((word) =>
			word
				.replaceAll("disp-7f3a", "disp-7f65")
				.replace("ql-disp-7f65", "ql-d101")
				.replace(`${runtime}/empty`, `${directory}/empty`)
				.replace("stdin=false", "stdin=true"),
		);
}

describe("the worked examples", () => {
	test.each(Object.entries(examples))("%s is as it was worked out", (name, [vm, facts, words]) => {
		const own = /^(quiet|cryptomgr|8250|audit|systemd\.hostname|qubeslite\.|ifname|ip=)/;
		const ours = argumentsOf(vm, facts).filter(
			(word, index, all) => !own.test(word) && !(word === "--params" && own.test(all[index + 1] ?? "")),
		);
		const theirs = asWeHaveIt(name, words).filter(
			(word, index, all) => !word.startsWith("qubeslite.") && !all[index + 1]?.startsWith("qubeslite."),
		);
		expect(ours).toEqual(theirs);
	});

	test.each(Object.entries(examples))("%s is this, to the word", async (name, [vm, facts]) => {
		const { helpers, vmm } = plan(vm, facts);
		const lines = [...helpers, vmm].map(({ argv }) => argv.map((word) => `${word}\n`).join(""));
		await expect(lines.join("\n")).toMatchFileSnapshot(`golden/crosvm-${name}.txt`);
	});

	test("the guest of one hears of its vm what QEMU's would", () => {
		const [vm, facts] = examples.banking ?? [];
		if (vm === undefined) throw new Error("no such example");
		expect(toGuestCommandLine(parseCrosvmRun(argumentsOf(vm, facts)))).toBe(
			"panic=-1 console=ttyS0 quiet cryptomgr.notests 8250.nr_uarts=1 audit=0 systemd.hostname=banking qubeslite.vm=banking qubeslite.id=3 qubeslite.disposable=0 qubeslite.idle_timeout=0 qubeslite.share=shared ifname=vm0:02:51:4c:00:00:03 ip=172.16.200.3::172.16.200.2:255.255.255.254::vm0:none init=/nix/store/xyz/init loglevel=4 root=/dev/vda rw",
		);
	});
});

describe("the plan around it", () => {
	test("names its control socket and what speaks with it, its empty directory, and all that is in the way of a start", () => {
		const { vmm: _, helpers, ...rest } = plan(crosvm({ network: false, disks: toDisks(["/a.img", "/b.qcow2"]) }));
		expect(rest).toEqual({
			vm: "shopping",
			base: null,
			id: 5,
			hypervisor: "crosvm",
			directory: `${runtime}/shopping`,
			stale: ["vsock", "vhost-vsock.sock", "control.sock"].map((name) => `${runtime}/shopping/${name}`),
			vsock: `${runtime}/shopping/vsock`,
			control: { kind: "crosvm", path: `${runtime}/shopping/control.sock`, program: "/usr/bin/crosvm" },
			emptyDirectory: `${runtime}/shopping/empty`,
			wayland: null,
			makesNamespaces: true,
			requires: [
				{ kind: "kvm" },
				{ kind: "program", path: "/usr/bin/crosvm" },
				{ kind: "program", path: "/usr/bin/vhost-device-vsock" },
				{ kind: "file", path: "/images/a1b2/vmlinux" },
				{ kind: "file", path: "/images/a1b2/initramfs.cpio" },
				{ kind: "file", path: "/images/a1b2/root.erofs" },
				{ kind: "disk", path: "/a.img" },
				{ kind: "disk", path: "/b.qcow2" },
				{ kind: "raw-image", path: "/a.img" },
				{ kind: "qcow2-image", path: "/b.qcow2" },
			],
			limits: { memoryMaxMiB: null, cpuWeight: null },
			dependsOn: [],
			stopWithinMs: 55_000,
			opensInternetSockets: false,
		});
		expect(helpers.map(({ socket }) => socket)).toEqual([`${runtime}/shopping/vhost-vsock.sock`]);
	});

	test("a shared directory is a helper of its own, which a vhost-user device finds", () => {
		const vm = crosvm({ network: false, sharedDirectories: [{ tag: "docs", path: "/home/me/a b", readOnly: true }] });
		const { helpers, requires, stale } = plan(vm);
		const socket = `${runtime}/shopping/fs-docs.sock`;
		expect(helpers[1]).toMatchObject({ name: "virtiofsd-docs", socket });
		expect(helpers[1]?.argv).toEqual(expect.arrayContaining(["/home/me/a b", "--readonly"]));
		expect(stale).toContain(socket);
		expect(requires).toContainEqual({ kind: "read-only-directory", path: "/home/me/a b" });
		expect(parseCrosvmRun(argumentsOf(vm)).vhostUser).toMatchObject([{ type: "fs", socket }, { type: "vsock" }]);
	});

	test("the binary and words of the configuration's are taken, the words before the kernel's", () => {
		const words = ["--no-rng", "--virtio-snd", "backend=null"];
		const settings = { binary: "/opt/fork/crosvm", extraArgs: words, sandbox: false };
		const { vmm, emptyDirectory, makesNamespaces } = plan(crosvm({ network: false, crosvm: settings }));
		expect(vmm.argv[0]).toBe("/opt/fork/crosvm");
		const at = vmm.argv.indexOf("--no-rng");
		expect(vmm.argv.slice(at, at + 4)).toEqual([...words, "--params"]);
		expect({ emptyDirectory, makesNamespaces }).toEqual({ emptyDirectory: null, makesNamespaces: false });
		expect(parseCrosvmRun(vmm.argv.slice(1))).toMatchObject({ disableSandbox: true, rng: false });
	});

	test("every word is explained, and none but those of the plan", () => {
		for (const [vm, facts] of Object.values(examples)) {
			const explained = crosvmDriver.explain(createConfig(vm), vm, { ...crosvmFacts, ...facts });
			expect(explained.flatMap(({ words }) => words)).toEqual(argumentsOf(vm, facts));
			for (const { why } of explained) expect(why).toMatch(/\w{3}/);
		}
	});
});

describe("the guest's windows", () => {
	const offline = { network: false };

	test.each([
		["cross-domain", "context-types=cross-domain,displays=[[hidden=true]]"],
		["virgl", "context-types=cross-domain:virgl2,displays=[[hidden=true]]"],
		["auto", "context-types=cross-domain,displays=[[hidden=true]]"],
	] as const)("go to the user's compositor with a GPU that is %s", (gpu, value) => {
		const words = argumentsOf(crosvm({ ...offline, gpu }), { wayland });
		expect(valuesOf(words, "--gpu")).toEqual([value]);
		expect(parseCrosvmRun(words).waylandSocks).toMatchObject([{ path: wayland.socket }]);
		expect(plan(crosvm({ ...offline, gpu }), { wayland }).requires).toContainEqual({
			kind: "wayland",
			path: wayland.socket,
		});
	});

	test.each(["none", "auto"] as const)("need no session where the GPU is %s", (gpu) => {
		const run = parseCrosvmRun(argumentsOf(crosvm({ ...offline, gpu })));
		expect({ gpu: run.gpu, wayland: run.waylandSocks }).toEqual({ gpu: undefined, wayland: [] });
	});

	test("are none with the GPU none, whatever the session", () => {
		expect(argumentsOf(crosvm({ ...offline, gpu: "none" }), { wayland })).not.toContain("--gpu");
	});

	test("that must be there need a session, and a socket that crosvm can be told of", () => {
		const vm = crosvm({ ...offline, gpu: "virgl" });
		expect(() => plan(vm)).toThrow(
			expect.objectContaining({
				code: "BootFailed",
				message: "shopping requires a Wayland session: WAYLAND_DISPLAY is not set",
				remedy: 'start it from within the session, or let it go without one: "gpu": "auto"',
			}),
		);
		expect(() => plan(vm, { wayland: { socket: "/run/user/1000/way,land", isByName: false } })).toThrow(
			"crosvm takes no Wayland socket with a comma: WAYLAND_DISPLAY is /run/user/1000/way,land",
		);
	});
});

describe("the network", () => {
	test("is the host's TAP with a MAC that follows from the id, or no card at all", () => {
		const words = argumentsOf(crosvm(), { taps: ["ql-shopping"] });
		expect(parseCrosvmRun(words).net).toMatchObject([{ tapName: "ql-shopping", mac: "02:51:4c:00:00:05" }]);
		expect(parseCrosvmRun(argumentsOf(crosvm({ network: false }), { taps: ["ql-shopping"] })).net).toEqual([]);
	});

	test("is not to be had without the TAP", () => {
		expect(() => plan(crosvm())).toThrow(
			expect.objectContaining({
				code: "BootFailed",
				message: "shopping has a network, and for that crosvm needs the TAP ql-shopping, which is not there",
				remedy: 'qubes-lite host tap --print shopping | sudo sh   # or "network": false',
			}),
		);
	});

	test("an instance has none, unless one of the pool is its own", () => {
		const toInstance = (tag: string) =>
			crosvm({ id: Number.parseInt(tag, 16), name: `disp-${tag}`, instanceOf: { name: "disp", id: 15 } });
		expect(parseCrosvmRun(argumentsOf(toInstance("7f3a"), { taps: ["ql-disp-7f3a"] })).net).toEqual([]);
		expect(parseCrosvmRun(argumentsOf(toInstance("7f65"), { taps: ["ql-d101"] })).net).toMatchObject([
			{ tapName: "ql-d101", mac: "02:51:4c:00:00:65" },
		]);
	});
});

describe("what can't be run is said before it is tried", () => {
	const vm = crosvm({ network: false });
	test.each<[string, Partial<HostFacts>, string, string]>([
		["crosvm is missing", { binaries: { vhostDeviceVsock: "/v" } }, "crosvm is not installed", '"crosvm": {"binary":'],
		[
			"there is no KVM",
			{ accelerator: "tcg" },
			"crosvm runs shopping by KVM alone, and /dev/kvm can't be used here",
			"qubes-lite doctor",
		],
		[
			"its helper is missing",
			{ binaries: { crosvm: "/c" } },
			"vhost-device-vsock is not installed",
			"qubes-lite image build",
		],
		["there is no image", { image: null }, "there is no guest image for shopping", "qubes-lite image build"],
		[
			"a socket's path is too long",
			{ runtimeDirectory: `/${"r".repeat(90)}` },
			`the socket path /${"r".repeat(90)}/shopping/vhost-vsock.sock has 117 bytes, a Unix socket takes 107`,
			"XDG_RUNTIME_DIR",
		],
	])("%s", (_what, facts, message, remedy) => {
		expect(() => plan(vm, facts)).toThrow(
			expect.objectContaining({ code: "BootFailed", message, remedy: expect.stringContaining(remedy) }),
		);
	});

	test("virtiofsd is missing, and shared directories are wanted", () => {
		const { virtiofsd: _, ...binaries } = crosvmFacts.binaries;
		const sharing = crosvm({ network: false, sharedDirectories: [{ tag: "a", path: "/a", readOnly: false }] });
		expect(() => plan(sharing, { binaries })).toThrow(
			"virtiofsd 1.13 or newer, which sharedDirectories need, is not installed",
		);
		expect(() => plan(vm, { binaries })).not.toThrow();
	});
});

test("of an image and files of its own a vm boots its own", () => {
	const own = { path: "/own.img", readOnly: false, id: "root" };
	const run = parseCrosvmRun(argumentsOf(crosvm({ network: false, rootDisk: own, kernel: "/own/bzImage" })));
	expect(run).toMatchObject({ kernel: "/own/bzImage", initrd: imageFacts.initramfs });
	expect(run.blocks).toMatchObject([{ path: "/own.img", ro: false, root: true, id: "root" }]);
	expect(toGuestCommandLine(run)).toMatch(/ root=\/dev\/vda rw$/);
});
