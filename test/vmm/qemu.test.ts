/** Goldens are whole command lines, one word a line. After a wanted change: `vitest run --project unit test/vmm -u`, then read the diff. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { defaultConfig } from "../../src/config/default-config.ts";
import type { VmConfig } from "../../src/config/schema.ts";
import type { HostFacts } from "../../src/vmm/host-facts.ts";
import { qemuDriver } from "../../src/vmm/qemu.ts";
import { createConfig, createVm, facts, imageFacts, toDisks } from "./facts.ts";
import { parseQemuOption } from "./parse-qemu-option.ts";

function plan(vm: VmConfig, changes: Partial<HostFacts> = {}) {
	return qemuDriver.plan(createConfig(vm), vm, { ...facts, ...changes });
}

/** The words that follow `flag`, parsed. */
function optionsOf(argv: readonly string[], flag: string) {
	return argv.flatMap((word, index) => (argv[index - 1] === flag ? [parseQemuOption(word)] : []));
}

function wordAfter(argv: readonly string[], flag: string) {
	return argv[argv.indexOf(flag) + 1];
}

function toDefaultVm(name: string): VmConfig {
	const vm = defaultConfig.vms.find((candidate) => candidate.name === name);
	if (vm === undefined) throw new Error(`no default vm ${name}`);
	return vm;
}

/** As broker/disposables.ts makes them. */
function toInstanceOf(base: VmConfig, tag = "1a2a"): VmConfig {
	const { name, id } = base;
	return {
		...base,
		id: Number.parseInt(tag, 16),
		name: `disp-${tag}`,
		disposable: true,
		idleTimeoutMs: 0,
		instanceOf: { name, id },
	};
}

describe("the whole command line", () => {
	const awkwardDisks = ["/data/with, comma and space.qcow2", "/dev/mapper/main-dev-home", "/data/a=b,c.img"];
	const goldens: Record<string, [VmConfig, Partial<HostFacts>]> = {
		"banking-user-tcg": [toDefaultVm("banking"), {}],
		"shopping-tap-tcg": [toDefaultVm("shopping"), { taps: ["ql-banking", "ql-shopping"] }],
		"shopping-tap-kvm": [toDefaultVm("shopping"), { taps: ["ql-shopping"], accelerator: "kvm" }],
		"shopping-user-kvm": [toDefaultVm("shopping"), { taps: ["ql-banking"], accelerator: "kvm" }],
		"vault-offline-tcg": [toDefaultVm("vault"), { taps: ["ql-vault"] }],
		"disp-user-tcg": [toDefaultVm("disp"), {}],
		// Its TAP would lead nowhere, were there one.
		"instance-user-tcg": [toInstanceOf(toDefaultVm("banking")), { taps: ["ql-banking", "ql-disp-1a2a"] }],
		"instance-tap-tcg": [toInstanceOf(toDefaultVm("banking"), "1a65"), { taps: ["ql-banking", "ql-d101"] }],
		"highest-disks-tcg": [createVm({ id: 255, name: "z-highest255", disks: toDisks(awkwardDisks) }), {}],
	};
	test.each(Object.entries(goldens))("%s", async (name, [vm, changes]) => {
		const { helpers, vmm } = plan(vm, changes);
		const lines = [...helpers, vmm].map((process) => process.argv.map((word) => `${word}\n`).join(""));
		await expect(lines.join("\n")).toMatchFileSnapshot(`golden/${name}.txt`);
	});
});

describe("the plan around it", () => {
	test("names every file that a killed vmm leaves behind, and the helper's socket as its sign of readiness", () => {
		const { vmm: _vmm, helpers, ...rest } = plan(createVm());
		expect(rest).toEqual({
			vm: "shopping",
			base: null,
			id: 5,
			hypervisor: "qemu",
			directory: "/run/user/1000/qubes-lite/shopping",
			stale: ["vsock", "vhost-vsock.sock", "qmp.sock"].map((name) => `/run/user/1000/qubes-lite/shopping/${name}`),
			vsock: "/run/user/1000/qubes-lite/shopping/vsock",
			control: { kind: "qmp", path: "/run/user/1000/qubes-lite/shopping/qmp.sock" },
			requires: [
				{ kind: "tcg" },
				{ kind: "no-tap", name: "ql-shopping" },
				{ kind: "program", path: "/usr/bin/qemu-system-x86_64" },
				{ kind: "program", path: "/usr/bin/vhost-device-vsock" },
				{ kind: "file", path: "/images/a1b2/vmlinux" },
				{ kind: "file", path: "/images/a1b2/initramfs.cpio" },
				{ kind: "file", path: "/images/a1b2/root.erofs" },
			],
			limits: { memoryMaxMiB: null, cpuWeight: null },
			dependsOn: [],
			stopWithinMs: 55_000,
			opensInternetSockets: true,
			...{ emptyDirectory: null, wayland: null, makesNamespaces: false },
		});
		expect(helpers.map((helper) => helper.socket)).toEqual(["/run/user/1000/qubes-lite/shopping/vhost-vsock.sock"]);
	});

	test("leaves the broker's own listener alone: it is made before the start", () => {
		expect(plan(createVm()).stale.filter((path) => path.endsWith("_5001"))).toEqual([]);
	});

	test("takes a socket path of 107 bytes and refuses one of 108, whatever characters they are", () => {
		const rest = "/shopping/vhost-vsock.sock".length;
		const longest = `/${"ü".repeat(40)}${"r".repeat(107 - rest - 81)}`;
		expect(() => plan(createVm(), { runtimeDirectory: longest })).not.toThrow();
		expect(() => plan(createVm(), { runtimeDirectory: `${longest}r` })).toThrow(
			expect.objectContaining({
				code: "BootFailed",
				message: `the socket path ${longest}r/shopping/vhost-vsock.sock has 108 bytes, a Unix socket takes 107`,
				remedy: "set XDG_RUNTIME_DIR to a shorter path, as logind does with /run/user/<uid>",
			}),
		);
	});

	test.each([
		[{ vhostDeviceVsock: "/v" }, "qemu-system-x86_64 is not installed", "sudo apt-get install qemu-system-x86"],
		[
			{ qemu: "/q" },
			"vhost-device-vsock is not installed",
			"qubes-lite image build   # gets it from Debian, or says what else helps",
		],
	])("says what to install when only %j is there", (binaries, message, remedy) => {
		expect(() => plan(createVm(), { binaries })).toThrow(
			expect.objectContaining({ code: "BootFailed", message, remedy }),
		);
	});
});

describe("the network", () => {
	test("an offline vm has no interface, even where a TAP of its name is there", () => {
		const { argv } = plan(createVm({ network: false }), { taps: ["ql-shopping"] }).vmm;
		expect(argv.filter((word) => /net/.test(word))).toEqual([]);
	});

	test("a TAP counts only if it is the vm's own", () => {
		const { argv } = plan(createVm(), { taps: ["ql-shop", "ql-shopping2"] }).vmm;
		expect(optionsOf(argv, "-netdev").map((option) => option.head)).toEqual(["user"]);
	});

	test("an instance has the TAP that its id says, and is not to be had without", () => {
		const instance = toInstanceOf(createVm(), "ff67");
		const { vmm, requires } = plan(instance, { taps: ["ql-d101", "ql-d103"] });
		expect(optionsOf(vmm.argv, "-netdev")).toEqual([
			{ head: "tap", values: { id: "net", ifname: "ql-d103", script: "no", downscript: "no" } },
		]);
		expect(requires).toContainEqual({ kind: "tap", name: "ql-d103" });
		expect(() => plan(instance, { taps: ["ql-d101"] })).toThrow(
			expect.objectContaining({
				code: "BootFailed",
				message: "the TAP ql-d103 of disposablePool, which disp-ff67 was given, is gone",
				remedy: "qubes-lite host tap --print | sudo sh",
			}),
		);
		const offline = { ...instance, network: false };
		expect(optionsOf(plan(offline).vmm.argv, "-netdev")).toEqual([]);
	});

	test("an instance has its base's address in a user-mode network of its own, since its id is no last byte", () => {
		const base = createVm();
		const [instance, original] = [toInstanceOf(base), base].map((vm) => plan(vm).vmm.argv);
		for (const flag of ["-netdev", "-device"]) {
			expect(optionsOf(instance ?? [], flag)).toEqual(optionsOf(original ?? [], flag));
		}
	});

	test("in user-mode networks no guest is the broadcast address, which gets no TCP", () => {
		const octet = fc.integer({ min: 0, max: 255 });
		// Public nets such as 31.255.255.0/24 could need a prefix below 4, QEMU's minimum; these are where people are.
		const base = fc.tuple(fc.constantFrom(10, 100, 172, 192), octet, octet);
		const id = fc.integer({ min: 1, max: 127 }).map((half) => 2 * half + 1);
		fc.assert(
			fc.property(base, id, ([a, b, c], id) => {
				const vm = createVm({ id });
				const { argv } = qemuDriver.plan({ ...createConfig(vm), vmNetwork: `${a}.${b}.${c}.0/24` }, vm, facts).vmm;
				const { net = "", host = "", dns = "" } = optionsOf(argv, "-netdev")[0]?.values ?? {};
				const [address = "", prefix = ""] = net.split("/");
				const mask = (0xffffffff << (32 - Number(prefix))) >>> 0;
				const inNetwork = (other: string) => (toNumber(other) & mask) === (toNumber(address) & mask);
				expect(Number(prefix)).toBeGreaterThanOrEqual(4);
				expect(inNetwork(host) && inNetwork(dns) && inNetwork(`${a}.${b}.${c}.${id}`)).toBe(true);
				expect((toNumber(`${a}.${b}.${c}.${id}`) | mask) >>> 0).not.toBe(0xffffffff);
				expect(host).not.toBe(dns);
			}),
		);
	});
});

function toNumber(address: string): number {
	return address.split(".").reduce((number, octet) => number * 256 + Number(octet), 0);
}

describe("names and paths are data", () => {
	const path = fc.string({ unit: "grapheme", maxLength: 30 }).map((text) => `/${text}`);
	const awkward = fc.constantFrom("/a,readonly=on", "/a,,b", "/,", "/a=b", '/"q"', "/'q'", "/x,id=vda", "/$(x);y");
	const anyPath = fc.oneof(path, awkward);

	test("disks arrive as they were written, in their order, after the read-only root", () => {
		fc.assert(
			fc.property(anyPath, fc.array(anyPath, { maxLength: 24 }), (root, disks) => {
				const { argv } = plan(createVm({ disks: toDisks(disks) }), { image: { ...imageFacts, root } }).vmm;
				const drives = optionsOf(argv, "-drive").map((option) => option.values);
				expect(drives.map((values) => values.file)).toEqual([root, ...disks]);
				expect(drives.map((values) => values.readonly)).toEqual(["on", ...disks.map(() => undefined)]);
				expect(drives.map((values) => values.format === "qcow2")).toEqual([
					false,
					...disks.map((disk) => disk.endsWith(".qcow2")),
				]);
				const names = drives.map((_, index) => `vd${"abcdefghijklmnopqrstuvwxy"[index]}`);
				expect(drives.map((values) => values.id)).toEqual(names);
				const devices = optionsOf(argv, "-device").filter((option) => option.head === "virtio-blk-pci");
				expect(devices.map((device) => device.values.drive)).toEqual(names);
				expect(devices.map((device) => device.values.serial)).toEqual([
					"root",
					...disks.map((_, index) => `disk${index}`),
				]);
			}),
		);
	});

	test("sockets, kernel and initramfs too", () => {
		const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,11}$/);
		fc.assert(
			fc.property(anyPath, anyPath, anyPath, name, (runtimeDirectory, kernel, initramfs, name) => {
				fc.pre(Buffer.byteLength(runtimeDirectory) < 70);
				const { vmm, helpers } = plan(createVm({ name }), {
					runtimeDirectory,
					image: { ...imageFacts, kernel, initramfs },
				});
				const sockets = optionsOf(vmm.argv, "-chardev").filter((option) => option.head === "socket");
				expect(sockets.map((socket) => socket.values.path)).toEqual([
					`${runtimeDirectory}/${name}/qmp.sock`,
					`${runtimeDirectory}/${name}/vhost-vsock.sock`,
				]);
				expect(wordAfter(helpers[0]?.argv ?? [], "--uds-path")).toBe(`${runtimeDirectory}/${name}/vsock`);
				expect(wordAfter(vmm.argv, "-kernel")).toBe(kernel);
				expect(wordAfter(vmm.argv, "-initrd")).toBe(initramfs);
				expect(optionsOf(vmm.argv, "-name")).toEqual([
					{ head: `qubes-lite-${name}`, values: { process: `ql-${name}` } },
				]);
			}),
		);
	});
});
