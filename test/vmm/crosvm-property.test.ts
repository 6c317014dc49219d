/** Whatever a configuration takes, crosvm takes, and understands as it was meant. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseConfig } from "../../src/config/loader.ts";
import { QubesLiteError } from "../../src/errors.ts";
import { crosvmDriver } from "../../src/vmm/crosvm.ts";
import { parseCrosvmRun, toGuestCommandLine } from "../fixtures/crosvm-grammar.ts";
import { guestCommandLineMaxBytes } from "../fixtures/crosvm-guest-command-line.ts";
import { rounds } from "../rounds.ts";
import { crosvmFacts } from "./facts.ts";

const awkward = [
	"/a,ro=true",
	"/a=b",
	'/"q"',
	"/'q'",
	"/[x]",
	"/back\\slash",
	"/\\\\,",
	"/a b",
	"/-x=y",
	"/ü",
	"/:",
	"/true",
];
const path = fc.oneof(
	fc.string({ unit: "grapheme", maxLength: 30 }).map((text) => `/${text}`),
	fc.constantFrom(...awkward),
	fc.string({ unit: fc.constantFrom(..."/,=[]\"'\\ :-") }).map((text) => `/${text}`),
);
/** What is not taken is rare, or nothing would be. */
const id = fc.oneof(
	{ weight: 30, arbitrary: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,19}$/) },
	{ weight: 1, arbitrary: fc.constantFrom("root", "disk0", "i".repeat(21)) },
);
const disk = fc.oneof(path, fc.record({ path, readOnly: fc.boolean(), id }, { requiredKeys: ["path"] }));
const word = fc.oneof(
	{ weight: 30, arbitrary: fc.stringMatching(/^[!-,.-~][!-~]{0,19}$/) },
	{ weight: 1, arbitrary: fc.constantFrom("-x=y", "root=/dev/x", "x".repeat(1300)) },
);
const vm = fc.record(
	{
		id: fc.integer({ min: 1, max: 127 }).map((half) => 2 * half + 1),
		name: fc.oneof(fc.stringMatching(/^[a-z][a-z0-9-]{0,11}$/), fc.constantFrom("true", "false1", "broker")),
		memory: fc.integer({ min: 127, max: 1_048_576 }),
		cpus: fc.integer({ min: 1, max: 255 }),
		network: fc.boolean(),
		disposable: fc.boolean(),
		disks: fc.array(disk, { maxLength: 21 }),
		rootDisk: disk,
		kernel: path,
		initramfs: path,
		kernelParams: fc.array(word, { maxLength: 5 }),
		sharedDirectories: fc.array(
			fc.record({ tag: fc.stringMatching(/^[a-z][a-z0-9-]{0,19}$/), path, readOnly: fc.boolean() }),
			{ maxLength: 3 },
		),
		gpu: fc.constantFrom("auto", "none", "cross-domain", "virgl"),
		crosvm: fc.record({ sandbox: fc.boolean() }),
	},
	{ requiredKeys: ["id", "name"] },
);

test("a vm of any configuration that is taken is the one that crosvm is told of", () => {
	let taken = 0;
	fc.assert(
		fc.property(vm, fc.option(path.filter((text) => !text.includes(","))), (wanted, socket) => {
			let config: ReturnType<typeof parseConfig>;
			try {
				config = parseConfig(JSON.stringify({ version: 1, hypervisor: "crosvm", vms: [wanted] }), "config.json");
			} catch (cause) {
				expect(cause).toMatchObject({ name: QubesLiteError.name, code: "BadRequest" });
				return;
			}
			const [parsed] = config.vms;
			if (parsed === undefined) throw new Error("there is no vm");
			const needsSession = parsed.gpu === "cross-domain" || parsed.gpu === "virgl";
			const facts = {
				...crosvmFacts,
				taps: [`ql-${parsed.name}`],
				wayland: socket === null && !needsSession ? { missing: "x" } : { socket: socket ?? "/run/w", isByName: false },
			};
			const { vmm, directory, helpers } = crosvmDriver.plan(config, parsed, facts);
			const run = parseCrosvmRun(vmm.argv.slice(1));
			taken += 1;
			expect(run).toMatchObject({
				...{ name: parsed.name, cpus: parsed.cpus, memMiB: parsed.memoryMiB, socket: `${directory}/control.sock` },
				...{
					kernel: parsed.kernel ?? crosvmFacts.image?.kernel,
					initrd: parsed.initramfs ?? crosvmFacts.image?.initramfs,
				},
				...{ disableSandbox: !parsed.crosvm.sandbox, usb: false, suspended: undefined, vsock: undefined },
				balloon: { pageReporting: true },
			});
			const root = parsed.rootDisk ?? { path: crosvmFacts.image?.root, readOnly: true, id: "root" };
			expect(run.blocks.map(({ path, ro, root, id }) => ({ path, ro, root, id }))).toEqual(
				[root, ...parsed.disks].map((one, index) => ({
					path: one.path,
					ro: one.readOnly,
					root: index === 0,
					id: one.id,
				})),
			);
			expect(run.net.length).toBe(parsed.network ? 1 : 0);
			expect(run.vhostUser.map(({ type, socket }) => [type, socket])).toEqual(
				[...helpers.slice(1), ...helpers.slice(0, 1)].map(({ name, socket }) => [
					name.startsWith("virtiofsd") ? "fs" : "vsock",
					socket,
				]),
			);
			const hasScreen = parsed.gpu !== "none" && "socket" in facts.wayland;
			expect(run.waylandSocks.map(({ path }) => path)).toEqual(hasScreen ? [Object.values(facts.wayland)[0]] : []);
			expect(run.gpu === undefined).toBe(!hasScreen);
			const line = toGuestCommandLine(run);
			expect(line.length).toBeLessThanOrEqual(guestCommandLineMaxBytes);
			for (const param of parsed.kernelParams) expect(` ${line} `).toContain(` ${param} `);
			expect(line).toContain(` qubeslite.vm=${parsed.name} qubeslite.id=${parsed.id} `);
		}),
		{ numRuns: rounds(500, 20_000) },
	);
	expect(taken).toBeGreaterThan(50);
});
