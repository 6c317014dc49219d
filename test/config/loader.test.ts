import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { defaultConfig, defaultVm } from "../../src/config/default-config.ts";
import { parseConfig } from "../../src/config/loader.ts";
import type { QubesLiteError } from "../../src/errors.ts";
import { toDisks } from "../vmm/facts.ts";

function parse(value: unknown) {
	return parseConfig(JSON.stringify(value), "/etc/qubes-lite/config.json");
}

/** The problems of a text, without the line that heads them. */
function problemsOf(text: string): string[] {
	const lines = errorOf(text).message.split("\n");
	return lines.slice(1).map((line) => line.trim());
}

function errorOf(text: string): QubesLiteError {
	try {
		parseConfig(text, "/etc/qubes-lite/config.json");
	} catch (error) {
		return error as QubesLiteError;
	}
	throw new Error("the configuration was taken");
}

/** The problems of one vm that is right but for `changes`. */
function vmProblems(changes: object): string[] {
	return problemsOf(JSON.stringify({ version: 1, vms: [{ id: 3, name: "banking", ...changes }] }));
}

describe("a good configuration", () => {
	test("may have paths with invisible characters that are no controls, as the joiner in an emoji is", () => {
		const disks = ["/data/\u{1f469}\u200d\u{1f4bb}.img", "/data/soft\u00adhyphen"];
		expect(
			parse({ version: 1, vms: [{ id: 3, name: "banking", disks }] }).vms[0]?.disks.map(({ path }) => path),
		).toEqual(disks);
	});

	test("gets the seed's defaults, in the program's units", () => {
		expect(parse({ version: 1, vms: [{ id: 3, name: "banking" }] })).toEqual({
			vmNetwork: "172.16.200.0/24",
			desktop: true,
			supervisor: "auto",
			notifications: true,
			vms: [
				{
					id: 3,
					name: "banking",
					memoryMiB: 1024,
					cpus: 2,
					network: true,
					autoStart: false,
					preload: 0,
					disks: [],
					sharedDirectories: [],
					kernelParams: [],
					hypervisor: "qemu",
					gpu: "auto",
					display: "auto",
					sound: "playback",
					crosvm: { extraArgs: [], sandbox: true },
					programs: [],
					open: ["xdg-open"],
					disposable: false,
					idleTimeoutMs: 0,
					idleAction: "stop",
					rebootAction: "stop",
					pauseTimeoutMs: 0,
					maxLifetimeMs: 0,
					bootTimeoutMs: 60_000,
					shutdown: { askMs: 30_000, buttonMs: 10_000, terminateMs: 5_000, killMs: 10_000 },
					dependsOn: [],
				},
			],
		});
	});

	test("says of all vms what each may say otherwise: which hypervisor, and how crosvm is run", () => {
		const { vms } = parse({
			version: 1,
			hypervisor: "crosvm",
			crosvm: { binary: "/opt/crosvm", extraArgs: ["--no-rng"], sandbox: false },
			vms: [
				{ id: 3, name: "a" },
				{ id: 5, name: "b", hypervisor: "qemu" },
				{
					id: 7,
					name: "c",
					crosvm: { binary: "/opt/fork", extraArgs: ["--virtio-snd", "backend=null"], sandbox: true },
				},
			],
		});
		const all = { binary: "/opt/crosvm", extraArgs: ["--no-rng"], sandbox: false };
		expect(vms.map(({ hypervisor, crosvm }) => [hypervisor, crosvm])).toEqual([
			["crosvm", all],
			["qemu", all],
			["crosvm", { binary: "/opt/fork", extraArgs: ["--no-rng", "--virtio-snd", "backend=null"], sandbox: true }],
		]);
	});

	test("names what a vm has of the host: disks, a root disk and a kernel of its own, directories", () => {
		const [vm] = parse({
			version: 1,
			vms: [
				{
					...{ id: 3, name: "a", rootDisk: "/root.qcow2", kernel: "/bzImage", initramfs: "/initrd" },
					disks: ["/a", { path: "/b", readOnly: true }, { path: "/c", id: "home" }],
					sharedDirectories: [{ tag: "docs", path: "/home/me/Documents", readOnly: true }],
					kernelParams: ["init=/nix/store/xyz/init", "loglevel=4"],
				},
			],
		}).vms;
		expect(vm).toMatchObject({
			rootDisk: { path: "/root.qcow2", readOnly: true, id: "root" },
			...{ kernel: "/bzImage", initramfs: "/initrd", kernelParams: ["init=/nix/store/xyz/init", "loglevel=4"] },
			disks: [
				{ path: "/a", readOnly: false, id: "disk0" },
				{ path: "/b", readOnly: true, id: "disk1" },
				{ path: "/c", readOnly: false, id: "home" },
			],
			sharedDirectories: [{ tag: "docs", path: "/home/me/Documents", readOnly: true }],
		});
	});

	test("keeps what it says", () => {
		const vm = { id: 255, name: "a", memory: 128, cpus: 255, network: false, autoStart: true, disposable: true };
		const config = parse({
			$schema: "https://example.org/schema.json",
			version: 1,
			user: "DOMAIN\\david",
			supervisor: "auto",
			notifications: false,
			vmNetwork: "10.0.255.0/24",
			vms: [{ ...vm, disks: ["/dev/mapper/main", "/a b,c=d"], idleTimeout: 1, bootTimeout: 3600, image: "/images/x" }],
		});
		const { memory, ...same } = vm;
		expect(config).toEqual({
			user: "DOMAIN\\david",
			supervisor: "auto",
			notifications: false,
			vmNetwork: "10.0.255.0/24",
			desktop: true,
			vms: [
				{
					...defaultVm,
					...same,
					memoryMiB: memory,
					disks: toDisks(["/dev/mapper/main", "/a b,c=d"]),
					idleTimeoutMs: 1000,
					bootTimeoutMs: 3_600_000,
					image: "/images/x",
				},
			],
		});
	});

	test("may have no vms, or one for every id", () => {
		expect(parse({ version: 1, vms: [] }).vms).toEqual([]);
		const vms = Array.from({ length: 127 }, (_, index) => ({ id: 2 * index + 3, name: `vm-${index}` }));
		expect(parse({ version: 1, vms }).vms).toHaveLength(127);
	});

	test("the embedded default is one that the file could hold", () => {
		const vms = defaultConfig.vms.map((vm) => ({
			...{ id: vm.id, name: vm.name, memory: vm.memoryMiB, cpus: vm.cpus, network: vm.network },
			...{ disposable: vm.disposable, idleTimeout: vm.idleTimeoutMs / 1000 },
		}));
		expect(parse({ version: 1, vmNetwork: defaultConfig.vmNetwork, vms })).toEqual(defaultConfig);
	});
});

describe("the lifecycle of a vm", () => {
	const lifecycleOf = (changes: object) =>
		parse({
			version: 1,
			vms: [
				{ id: 3, name: "banking", ...changes },
				{ id: 5, name: "net" },
			],
		}).vms[0];

	test("is in seconds, each step of a shutdown by itself", () => {
		const vm = {
			...{ idleTimeout: 5, idleAction: "pause", pauseTimeout: 6, maxLifetime: 7, bootTimeout: 8 },
			...{ shutdown: { ask: 9, kill: 2 }, dependsOn: ["net"] },
		};
		expect(lifecycleOf(vm)).toMatchObject({
			...{
				idleTimeoutMs: 5_000,
				idleAction: "pause",
				pauseTimeoutMs: 6_000,
				maxLifetimeMs: 7_000,
				bootTimeoutMs: 8_000,
			},
			...{ shutdown: { askMs: 9_000, buttonMs: 10_000, terminateMs: 5_000, killMs: 2_000 }, dependsOn: ["net"] },
		});
	});

	test.each([
		[{ idleTimeout: -1 }, "vms[0].idleTimeout is -1; expected a whole number of seconds from 0 to 31536000"],
		[{ idleTimeout: 1e9 }, "vms[0].idleTimeout is 1000000000; expected a whole number of seconds from 0 to 31536000"],
		[{ idleTimeout: "NaN" }, 'vms[0].idleTimeout is "NaN"; expected a whole number of seconds from 0 to 31536000'],
		[{ idleAction: "sleep" }, 'vms[0].idleAction is "sleep"; expected "stop" or "pause"'],
		[
			{ idleAction: "pause", disposable: true },
			'vms[0].idleAction is "pause"; expected "stop": a disposable is shut down when its last command ends',
		],
		[{ shutdown: 5 }, "vms[0].shutdown is 5; expected an object of seconds"],
		[{ shutdown: { aks: 5 } }, 'vms[0].shutdown.aks is 5; no such key: did you mean "ask"?'],
		[{ shutdown: { kill: 0 } }, "vms[0].shutdown.kill is 0; expected a whole number of seconds from 1 to 60"],
		[{ preload: 9 }, "vms[0].preload is 9; expected a whole number from 0 to 8"],
		[
			{ preload: 1, disks: ["/dev/sdb"] },
			"vms[0].preload is 1; expected 0: instances of a vm with disks can't be made",
		],
		[{ dependsOn: "net" }, 'vms[0].dependsOn is "net"; expected a list of names of vms'],
		[{ dependsOn: ["ne"] }, 'vms[0].dependsOn[0] is "ne"; expected the name of a vm: did you mean "net"?'],
		[{ dependsOn: ["zzzzzz"] }, 'vms[0].dependsOn[0] is "zzzzzz"; expected the name of a vm'],
		[{ dependsOn: ["banking"] }, 'vms[0].dependsOn[0] is "banking"; expected no circle: banking needs banking'],
		[{ dependsOn: ["net", "net"] }, 'vms[0].dependsOn[1] is "net"; expected each name once'],
	])("%j is refused", (changes, problem) => {
		const vms = [
			{ id: 3, name: "banking", ...changes },
			{ id: 5, name: "net" },
		];
		expect(problemsOf(JSON.stringify({ version: 1, vms }))).toEqual([problem]);
	});

	test("must not wait for itself, by whatever way: a circle is said once", () => {
		const vms = [
			{ id: 3, name: "work", dependsOn: ["net"] },
			{ id: 5, name: "net", dependsOn: ["proxy", "log"] },
			{ id: 7, name: "proxy", dependsOn: ["work"] },
			{ id: 9, name: "log", dependsOn: [] },
			{ id: 11, name: "mail", dependsOn: ["net"] },
		];
		expect(problemsOf(JSON.stringify({ version: 1, vms }))).toEqual([
			'vms[1].dependsOn[0] is "proxy"; expected no circle: net needs proxy needs work needs net',
		]);
	});
});

describe("disposablePool", () => {
	const vms = [
		{ id: 3, name: "banking" },
		{ id: 5, name: "d103" },
	];
	const pool = (disposablePool: unknown, others: readonly object[] = vms) =>
		JSON.stringify({ version: 1, disposablePool, vms: others });

	test("has ids that no vm has; it may be empty, and one less than there are", () => {
		expect(parseConfig(pool({ ids: [101, 255] }), "x").disposablePool).toEqual({ ids: [101, 255] });
		expect(parseConfig(pool({ ids: [] }), "x").disposablePool).toEqual({ ids: [] });
		const most = Array.from({ length: 126 }, (_, index) => 2 * index + 5);
		expect(parseConfig(pool({ ids: most }, [{ id: 3, name: "disp" }]), "x").disposablePool?.ids).toHaveLength(126);
	});

	test.each([
		[7, ["disposablePool is 7; expected an object with ids"]],
		[{}, ["disposablePool.ids is missing; expected a list of ids, odd whole numbers from 3 to 255"]],
		[{ ids: 101 }, ["disposablePool.ids is 101; expected a list of ids, odd whole numbers from 3 to 255"]],
		[{ ids: [101], id: 3 }, ['disposablePool.id is 3; no such key: did you mean "ids"?']],
		[
			{ ids: [102, "101", 257, 1, 7.5] },
			["102", '"101"', "257", "1", "7.5"].map(
				(value, index) => `disposablePool.ids[${index}] is ${value}; expected an odd whole number from 3 to 255`,
			),
		],
		[
			{ ids: [101, 5, 101] },
			[
				"disposablePool.ids[1] is 5; expected another than that of vms[1].id",
				"disposablePool.ids[2] is 101; expected another than that of disposablePool.ids[0]",
			],
		],
		[
			{ ids: [101, 103] },
			['vms[1].name is "d103"; expected another name: its TAP would be that of disposablePool.ids[1]'],
		],
	])("%j is refused", (disposablePool, problems) => {
		expect(problemsOf(pool(disposablePool))).toEqual(problems);
	});

	test("of more ids than there are is refused as that, too", () => {
		expect(problemsOf(pool({ ids: Array(200_000).fill(101) }, []))).toHaveLength(51);
		expect(problemsOf(pool({ ids: Array(127).fill(101) }, []))[0]).toMatch(/; expected at most 126 ids$/);
	});
});

describe("a bad configuration", () => {
	test("is answered with all of its problems, the file's own first, then vm by vm", () => {
		const text = `{
			"version": 1, "vmNetwok": "10.0.0.0/24", "user": "a b",
			"vms": [
				{"id": 4, "name": "a", "memroy": 3, "memory": "x"},
				{"id": 3, "name": "Banking", "cpus": 0, "id": 3},
				{"name": "vault"},
				7,
				{"id": 3, "name": "a", "disks": ["x", "/ok", "/a\\nb"], "__proto__": {}, "constructor": 1}
			]
		}`;
		const error = errorOf(text);
		expect(error.code).toBe("BadRequest");
		expect(error.remedy).toBe("correct /etc/qubes-lite/config.json and try again");
		expect(error.message.split("\n")).toEqual([
			"/etc/qubes-lite/config.json has 16 problems:",
			'  vmNetwok is "10.0.0.0/24"; no such key: did you mean "vmNetwork"?',
			'  user is "a b"; expected the name of a user',
			'  vms[0].memroy is 3; no such key: did you mean "memory"?',
			"  vms[0].id is 4; expected an odd whole number from 3 to 255",
			'  vms[0].memory is "x"; expected a whole number of MiB from 128 to 1048576',
			"  vms[1].id is there twice; expected each key once",
			`  vms[1].name is "Banking"; expected 1 to 12 characters of a-z, 0-9 and '-', the first a letter`,
			"  vms[1].cpus is 0; expected a whole number from 1 to 255",
			"  vms[2].id is missing; expected an odd whole number from 3 to 255",
			"  vms[3] is 7; expected an object",
			expect.stringMatching(/^ {2}vms\[4\].__proto__ is \{\}; no such key: expected one of id, name, memory, /),
			expect.stringMatching(/^ {2}vms\[4\].constructor is 1; no such key: expected one of id, name, memory, /),
			'  vms[4].disks[0] is "x"; expected an absolute path without control characters',
			'  vms[4].disks[2] is "/a\\nb"; expected an absolute path without control characters',
			"  vms[4].id is 3; expected another than that of vms[1].id",
			'  vms[4].name is "a"; expected another than that of vms[0].name',
		]);
	});

	test.each([
		["{", ["not JSON at line 1, column 2: expected a key in double quotes, found the end"]],
		["[]", ["the whole file is []; expected an object"]],
		["null", ["the whole file is null; expected an object"]],
		["{}", ["version is missing; expected 1, the version of this format", "vms is missing; expected a list of vms"]],
		[
			'{"version":2,"vms":{}}',
			["version is 2; expected 1, the version of this format", "vms is {}; expected a list of vms"],
		],
		['{"version":1,"vms":[[]]}', ["vms[0] is []; expected an object"]],
		['{"version":1,"vms":[],"a key\\u202e":1}', [expect.stringContaining('["a key\\u{202e}"] is 1; no such key')]],
	])("%s", (text, problems) => {
		expect(problemsOf(text)).toEqual(problems);
	});

	test.each([
		[{ id: 1 }, "vms[0].id is 1; expected an odd whole number from 3 to 255"],
		[{ id: 257 }, "vms[0].id is 257; expected an odd whole number from 3 to 255"],
		[{ id: 3.5 }, "vms[0].id is 3.5; expected an odd whole number from 3 to 255"],
		[{ id: "3" }, 'vms[0].id is "3"; expected an odd whole number from 3 to 255'],
		[{ memory: 63 }, "vms[0].memory is 63; expected a whole number of MiB from 128 to 1048576"],
		[{ memory: null }, "vms[0].memory is null; expected a whole number of MiB from 128 to 1048576"],
		[{ cpus: 256 }, "vms[0].cpus is 256; expected a whole number from 1 to 255"],
		[{ network: "yes" }, 'vms[0].network is "yes"; expected true or false'],
		[{ autoStart: 1 }, "vms[0].autoStart is 1; expected true or false"],
		[{ disposable: "no" }, 'vms[0].disposable is "no"; expected true or false'],
		[{ idleTimeout: -1 }, "vms[0].idleTimeout is -1; expected a whole number of seconds from 0 to 31536000"],
		[{ idleTimeout: 31_536_001 }, expect.stringContaining("31536001; expected a whole number of seconds")],
		[{ bootTimeout: 0 }, "vms[0].bootTimeout is 0; expected a whole number of seconds from 1 to 3600"],
		[{ disks: "/a" }, 'vms[0].disks is "/a"; expected a list of absolute paths'],
		[{ disks: Array(25).fill("/a") }, expect.stringMatching(/; expected at most 24 disks$/)],
		[
			{
				disks: Array.from({ length: 24 }, (_, index) => `/${index}`),
				sharedDirectories: ["a", "b", "c"].map((tag) => ({ tag, path: "/" })),
			},
			expect.stringMatching(/; expected at most 26 disks and shared directories together$/),
		],
		[{ disks: ["/a", "/a"] }, expect.stringContaining("expected each disk once")],
		[
			{ disks: [{ path: "/a", id: "a".repeat(21) }] },
			expect.stringMatching(/^vms\[0\].disks\[0\].id is "a+"; expected a letter or digit, .* at most 20 in all$/),
		],
		[{ disks: [{ path: "/a", id: "root" }] }, expect.stringContaining("expected another id: this is the root disk's")],
		[{ disks: [{ path: "/a", id: "disk1" }, "/b"] }, expect.stringContaining("expected each id once")],
		[
			{ disks: [{ readOnly: true }] },
			"vms[0].disks[0].path is missing; expected an absolute path without control characters",
		],
		[
			{ disks: [{ path: "/a", readonly: true }] },
			'vms[0].disks[0].readonly is true; no such key: did you mean "readOnly"?',
		],
		[{ disks: [7] }, "vms[0].disks[0] is 7; expected an absolute path, or an object with path"],
		[{ rootDisk: { path: "x" } }, 'vms[0].rootDisk.path is "x"; expected an absolute path without control characters'],
		[{ rootDisk: { path: "/a", id: "b" } }, expect.stringContaining('vms[0].rootDisk.id is "b"; no such key')],
		[
			{ preload: 1, rootDisk: { path: "/a", readOnly: false } },
			"vms[0].preload is 1; expected 0: instances of a vm whose root disk is written to can't be made",
		],
		[
			{ kernelParams: ["a b"] },
			'vms[0].kernelParams[0] is "a b"; expected a word of printable ASCII that does not begin with -',
		],
		[{ kernelParams: ["-s=1"] }, expect.stringContaining("does not begin with -")],
		[{ kernelParams: ['dyndbg="file'] }, expect.stringContaining("with its quotes in pairs")],
		[{ kernelParams: ["ä"] }, expect.stringContaining("printable ASCII")],
		[
			{ kernelParams: ["root=/dev/vdb"] },
			expect.stringContaining("expected another word: this one the broker sets itself"),
		],
		[
			{ kernelParams: ["x".repeat(1201)] },
			expect.stringMatching(/; expected at most 1200 bytes in all: the kernel's whole line has 2047$/),
		],
		[
			{ sharedDirectories: [{ tag: "Home", path: "/home" }] },
			expect.stringContaining('vms[0].sharedDirectories[0].tag is "Home"; expected a–z'),
		],
		[
			{
				sharedDirectories: [
					{ tag: "a", path: "/a" },
					{ tag: "a", path: "/b" },
				],
			},
			expect.stringContaining("expected each tag once"),
		],
		[
			{ sharedDirectories: [{ tag: "a" }] },
			"vms[0].sharedDirectories[0].path is missing; expected an absolute path without control characters",
		],
		[{ hypervisor: "xen" }, 'vms[0].hypervisor is "xen"; expected "qemu" or "crosvm"'],
		[{ gpu: "nvidia" }, 'vms[0].gpu is "nvidia"; expected "auto", "none", "cross-domain" or "virgl"'],
		[
			{ gpu: "virgl" },
			'vms[0].gpu is "virgl"; expected "auto" or "none": QEMU has no such GPU, "hypervisor": "crosvm" has',
		],
		[
			{ rebootAction: "restart" },
			'vms[0].rebootAction is "restart"; expected "stop": QEMU does not tell a reboot from a power-off, "hypervisor": "crosvm" does',
		],
		[
			{ hypervisor: "crosvm", rebootAction: "restart", disposable: true },
			expect.stringContaining('expected "stop": a disposable is shut down'),
		],
		[
			{ crosvm: { extraArgs: ["--socket=/x"] } },
			expect.stringContaining("expected another option: this one is set by the vm's own keys"),
		],
		[
			{ crosvm: { extraArgs: ["--block", "path=/x,root=true"] } },
			expect.stringContaining("expected no second root disk and no second vsock"),
		],
		[{ crosvm: { extraArgs: ["-b=path=/x,root"] } }, expect.stringContaining("no second root disk")],
		[{ crosvm: { extraArgs: ["--vhost-user=vsock,socket=/x"] } }, expect.stringContaining("no second vsock")],
		[{ crosvm: { extraArgs: ["-p", "quiet"] } }, expect.stringContaining("expected another option")],
		[{ crosvm: { extraArgs: ["--no-balloon"] } }, expect.stringContaining("expected another option")],
		[{ crosvm: { extraArgs: ["--log-level", "debug"] } }, expect.stringContaining("expected another option")],
		[
			{ crosvm: { extraArgs: ["/boot/vmlinuz"] } },
			expect.stringContaining("expected options, each with one value at most"),
		],
		[
			{ crosvm: { extraArgs: ["--no-rng=x", "y"] } },
			expect.stringContaining("expected options, each with one value at most"),
		],
		[
			{ crosvm: { binary: "crosvm" } },
			'vms[0].crosvm.binary is "crosvm"; expected an absolute path without control characters',
		],
		[{ crosvm: { sandbx: false } }, 'vms[0].crosvm.sandbx is false; no such key: did you mean "sandbox"?'],
		[{ image: "~/image" }, 'vms[0].image is "~/image"; expected an absolute path without control characters'],
		[{ disks: ["/\ud800"] }, expect.stringContaining("vms[0].disks[0] is ")],
		[{ image: `/${"a".repeat(4096)}` }, expect.stringMatching(/\.\.\.; expected an absolute path/)],
		[{ name: "broker" }, expect.stringContaining("another name: this one is kept for the broker")],
		[{ name: "disp-00ff" }, expect.stringContaining("or a disposable's instance")],
	])("a vm with %j", (changes, problem) => {
		expect(vmProblems(changes)).toEqual([problem]);
	});

	test.each([
		"10.0.0.0/16",
		"10.0.0.1/24",
		"010.0.0.0/24",
		"300.1.1.0/24",
		"127.0.0.0/24",
		"0.0.0.0/24",
		"224.0.0.0/24",
		"fd00::/64",
		"10.0.0.0/24\n",
	])("the network %j", (vmNetwork) => {
		expect(problemsOf(JSON.stringify({ version: 1, vmNetwork, vms: [] }))).toEqual([
			`vmNetwork is ${JSON.stringify(vmNetwork)}; expected an IPv4 network "A.B.C.0/24"`,
		]);
	});

	test("one with hundreds of problems is cut after fifty", () => {
		const problems = problemsOf(JSON.stringify({ version: 1, vms: Array(100).fill({}) }));
		expect(problems).toHaveLength(51);
		expect(problems.at(-1)).toBe("and 150 more");
	});
});

test("whatever JSON it is given, the answer is a configuration or an error of ours without invisible characters", () => {
	const vm = fc.record({ id: fc.jsonValue(), name: fc.jsonValue(), disks: fc.jsonValue() }, { requiredKeys: [] });
	const config = fc.record({
		version: fc.constant(1),
		disposablePool: fc.oneof(fc.record({ ids: fc.array(fc.jsonValue()) }), fc.jsonValue()),
		vms: fc.oneof(fc.array(fc.oneof(vm, fc.jsonValue())), fc.jsonValue()),
	});
	fc.assert(
		fc.property(fc.oneof(config, fc.jsonValue({ stringUnit: "binary" })), (value) => {
			try {
				parse(value);
			} catch (error) {
				expect(error).toMatchObject({ name: "QubesLiteError", code: "BadRequest" });
				expect((error as Error).message.replaceAll("\n", "")).not.toMatch(/\p{C}/u);
			}
		}),
	);
});
