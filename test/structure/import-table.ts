/** The import table of design.md: each room with everything that it may import. What is not here is not allowed. */
import { posix } from "node:path";
import { scanImports, stripStrings } from "./scan-source.ts";

interface Row {
	/** A file or a folder; the longest row that fits a file is its row. Files of one row may import each other. */
	readonly room: string;
	/** Files and folders of ours. A folder stands for itself without the rooms inside it that have their own row. */
	readonly ours: readonly string[];
	readonly packages?: readonly string[];
	/** Without their "node:". */
	readonly node?: readonly string[] | "all";
	/** No I/O, clock or chance. */
	readonly pure?: true;
}

const bottom = ["src/errors.ts", "src/launch-plan.ts", "src/nearest-name.ts", "src/shell-word.ts"];
const madeMark = "src/made-mark.ts";
const settable = "src/config/settable.ts";
const vmNames = ["src/config/vm-name.ts", "src/config/format-value.ts"];
const programIds = "src/protocol/programs.ts";
const vsock = ["src/guest/agent/libc.ts", "src/guest/agent/vsock.ts"];
const colors = "src/protocol/colors.ts";

export const table: readonly Row[] = [
	{ room: "src/errors.ts", ours: [], pure: true },
	{ room: "src/launch-plan.ts", ours: [], pure: true },
	{ room: "src/nearest-name.ts", ours: [], pure: true },
	{ room: "src/shell-word.ts", ours: [], pure: true },
	{ room: madeMark, ours: [], node: ["crypto"], pure: true },
	{ room: "src/runtime-directory.ts", ours: bottom, node: ["fs", "path"] },
	// The machine's timers are the wire's promises: a ticket's life, the heartbeat. Its phases are the wire's words.
	{
		room: "src/statemachines",
		ours: [...bottom, "src/protocol/limits.ts", "src/protocol/boot-phases.ts"],
		packages: ["xstate"],
		node: ["crypto"],
		pure: true,
	},
	{ room: "src/protocol", ours: bottom, node: ["crypto", "buffer"], pure: true },
	// What a program may be called, is checked alike in the configuration, in a guest's report and in the guest.
	{ room: programIds, ours: [], pure: true },
	{ room: "src/terminal", ours: ["src/errors.ts", "src/shell-word.ts"], pure: true },
	// What stands between a guest's windows and the compositor: bytes in, bytes out.
	{ room: "src/wayland", ours: ["src/errors.ts", "src/terminal"], node: ["buffer"], pure: true },
	{
		room: "src/config",
		ours: [...bottom, ...vmNames, settable, programIds, colors],
		packages: ["valibot"],
		pure: true,
	},
	// What a name is, is checked alike at every entrance, also where no configuration is read.
	{ room: "src/config/vm-name.ts", ours: [...bottom, "src/config/format-value.ts"], pure: true },
	{ room: "src/config/format-value.ts", ours: [], pure: true },
	// And so is what may be set of a vm that runs.
	{ room: "src/config/settable.ts", ours: [...bottom, "src/config/format-value.ts"], pure: true },
	{
		room: "src/config/find-config.ts",
		ours: ["src/errors.ts", "src/config", ...vmNames, "src/host/xdg.ts"],
		node: ["fs", "fs/promises", "path"],
	},
	// Who may ask what of which vm: rules in, decisions out. Their files are found and read by one file for broker and admin.
	{ room: "src/policy", ours: [...bottom, ...vmNames, settable], pure: true },
	{
		room: "src/policy/find-policy.ts",
		ours: ["src/errors.ts", "src/shell-word.ts", "src/policy", "src/host/xdg.ts"],
		node: ["buffer", "fs", "path"],
	},
	{
		room: "src/vmm",
		ours: [
			...bottom,
			...["schema", "addresses", "disks", "hypervisor", "image", "shared-directories"].map(
				(name) => `src/config/${name}.ts`,
			),
		],
		packages: ["valibot"],
		node: ["crypto"],
		pure: true,
	},
	// A vmm that runs, spoken to. Who starts one is activation/.
	{
		room: "src/vmm-control",
		ours: ["src/errors.ts", "src/launch-plan.ts"],
		node: ["net"],
		packages: ["execa", "valibot"],
	},
	{
		room: "src/host",
		ours: [
			...["errors.ts", "launch-plan.ts", "shell-word.ts", "vmm"].map((name) => `src/${name}`),
			...["schema", "disks", "addresses", "hypervisor", "image", "shared-directories"].map(
				(name) => `src/config/${name}.ts`,
			),
			...[programIds, "src/open", "src/terminal"],
		],
		// url: what of ours lies beside the program that looks.
		node: ["child_process", "fs", "fs/promises", "os", "path", "url"],
	},
	// Every program finds the user's own places alike.
	{ room: "src/host/xdg.ts", ours: ["src/errors.ts"], node: ["os", "path"] },
	{
		room: "src/dbus",
		ours: ["src/errors.ts", "src/dbus/bus-address.ts"],
		packages: ["dbus-next", "rxjs"],
		node: "all",
	},
	{ room: "src/dbus/bus-address.ts", ours: [], pure: true },
	{
		room: "src/activation",
		ours: [...bottom, madeMark, "src/dbus"],
		packages: ["execa", "rxjs", "valibot"],
		node: "all",
	},
	// Where the plans of vmm/ and the units of activation/ meet.
	{
		room: "src/launch",
		ours: [...bottom, "src/config", "src/vmm", "src/activation"],
		pure: true,
	},
	// Menu entries, and what guests report for them: texts and pictures, no files.
	{
		room: "src/desktop",
		ours: [...bottom, madeMark, ...vmNames, programIds, "src/config", "src/terminal"],
		node: ["buffer", "zlib"],
		pure: true,
	},
	// What is to be opened, and what runs in the guest for it: the same for the command line and for D-Bus.
	{
		room: "src/open",
		ours: [...bottom, ...vmNames, programIds, "src/config", "src/policy", "src/terminal"],
		node: ["path"],
		pure: true,
	},
	// What a guest may ask of the host's sound server. Who moves the bytes is another room.
	{ room: "src/sound", ours: ["src/errors.ts", "src/terminal"], pure: true },
	// Trees of files as archives, and what is said about a copy: the same at both ends.
	{ room: "src/tar", ours: ["src/errors.ts"], node: ["buffer"], pure: true },
	{
		room: "src/copy",
		ours: ["src/errors.ts", ...vmNames, "src/tar", "src/terminal"],
		node: ["path"],
		pure: true,
	},
	{ room: "src/trees", ours: ["src/errors.ts", "src/tar"], node: ["buffer", "crypto", "fs", "path"] },
	{ room: "src/guest", ours: [...bottom, "src/protocol"], packages: ["rxjs"], node: "all" },
	{ room: "src/guest/agent", ours: ["src/errors.ts", "src/protocol", ...vsock], node: "all" },
	{ room: "src/guest/agent/libc.ts", ours: [], node: ["module"] },
	{ room: "src/guest/agent/vsock.ts", ours: ["src/guest/agent", "src/guest/agent/libc.ts"], node: ["fs", "net"] },
	// What carries windows and sound out of the guest.
	{ room: "src/guest/display", ours: ["src/protocol", ...vsock], node: ["net"] },
	// And what keeps them on the host: a process for each vm.
	{
		room: "src/display",
		ours: [
			...[...bottom, "src/guest/agent/libc.ts"],
			...["protocol", "terminal", "wayland", "sound", "host", "vmm"].map((name) => `src/${name}`),
		],
		node: "all",
	},
	// The program in the guest that knows what else is in it.
	{
		room: "src/guest/programs",
		ours: [
			...["src/errors.ts", programIds, "src/guest/agent/libc.ts"],
			// What both ends of a copy say is safe text already.
			...["src/copy", "src/tar", "src/trees", "src/terminal"],
		],
		node: "all",
	},
	{
		room: "src/broker",
		ours: [
			...[...bottom, ...vmNames, settable],
			...["runtime-directory.ts", "statemachines", "protocol", "terminal", "dbus", "session-client"].map(
				(name) => `src/${name}`,
			),
			...[
				"config",
				"config/find-config.ts",
				"policy",
				"policy/find-policy.ts",
				"vmm",
				"vmm-control",
				"host",
				"host/xdg.ts",
				"activation",
				"launch",
				"guest",
				"open",
			].map((name) => `src/${name}`),
		],
		packages: ["execa", "pino", "rxjs", "valibot", "xstate"],
		node: "all",
	},
	// The host's end of a session: run-in-vm's, and the broker's own for who calls by D-Bus.
	{
		room: "src/session-client",
		ours: ["src/errors.ts", "src/protocol"],
		node: ["net", "stream"],
	},
	// Command lines as data: what parses them, and what makes help, completion and man pages of them.
	{ room: "src/cli/options.ts", ours: bottom, pure: true },
	{ room: "src/cli/commands", ours: [...bottom, "src/cli/options.ts"], pure: true },
	{
		room: "src/cli",
		ours: [
			...[...bottom, ...vmNames, settable, "src/runtime-directory.ts", "src/protocol", "src/terminal"],
			...["src/cli/options.ts", "src/cli/commands", "src/host/xdg.ts", "src/session-client"],
		],
		node: "all",
	},
	// A program of its own, with run-in-vm's sessions, and the configuration, which no client reads.
	{
		room: "src/cli/copy",
		ours: [
			...[...bottom, ...vmNames, settable, programIds, colors, "src/config", "src/config/find-config.ts"],
			...["src/host", "src/host/xdg.ts", "src/open", "src/policy", "src/vmm", "src/runtime-directory.ts"],
			...["src/protocol", "src/terminal", "src/session-client", "src/copy", "src/tar", "src/trees"],
			...["src/cli", "src/cli/options.ts", "src/cli/commands"],
		],
		packages: ["valibot"],
		node: "all",
	},
	{
		room: "src/admin",
		ours: [
			...[...bottom, ...vmNames],
			...[
				"runtime-directory.ts",
				"protocol",
				"terminal",
				"config",
				"config/find-config.ts",
				"policy",
				"policy/find-policy.ts",
				"vmm",
				"host",
				"host/xdg.ts",
				"launch",
				"desktop",
				"open",
			].map((name) => `src/${name}`),
			...[madeMark, programIds],
			...[
				"activation",
				"dbus",
				"cli/options.ts",
				"cli/commands",
				"admin/completion",
				"admin/copy",
				"admin/man",
				"admin/host",
			].map((name) => `src/${name}`),
		],
		packages: ["execa", "valibot"],
		node: "all",
	},
	// What a host is told so that vms have a network.
	{ room: "src/admin/host", ours: [...bottom, ...vmNames, "src/config"], pure: true },
	// Texts made of the tables of commands: scripts for shells, roff.
	{ room: "src/admin/completion", ours: ["src/cli/commands", "src/cli/options.ts"], pure: true },
	{ room: "src/admin/man", ours: ["src/cli/commands", "src/cli/options.ts"], pure: true },
	{
		room: "guest-image",
		ours: [
			...[...bottom, ...vmNames, "src/config", "src/config/find-config.ts", "src/host/xdg.ts"],
			...["manifest", "wish"].map((name) => `src/vmm/image-${name}.ts`),
			"src/vmm/virtiofsd.ts",
		],
		packages: ["execa", "valibot"],
		node: "all",
	},
];

/** Of node:crypto, what is not hashing is chance. */
const impure: readonly [RegExp, string][] = [
	[/\bDate\.now\b|\bnew Date\(\s*\)|\bDate\(\s*\)/, "the clock"],
	[/(?<![.\w])(?:globalThis\.)?performance\s*\./, "the clock"],
	[/(?<![.\w])(?:globalThis\.)?(?:setTimeout|setInterval|setImmediate|queueMicrotask)\b/, "timers"],
	[/\bMath\.random\b|\brandom(?:Bytes|Int|UUID|Fill|FillSync)\b|\bgetRandomValues\b/, "chance"],
	[/(?<![.\w])(?:globalThis\.)?process\s*[.[]/, "the process"],
	[/(?<![.\w])(?:globalThis\.)?console\s*\./, "the console"],
	[/(?<![.\w])(?:globalThis\.)?fetch\s*\(/, "the network"],
];

/** Each way in which `source`, the text of `file`, breaks the table: a sentence with the remedy. */
export function checkSource(file: string, source: string): string[] {
	const row = rowOf(file);
	if (row === undefined) {
		return [`${file} is in no room of the table; give its folder a row in test/structure/import-table.ts`];
	}
	const imports = scanImports(source).flatMap((specifier) => checkImport(row, file, specifier));
	return row.pure ? [...imports, ...checkPurity(file, source)] : imports;
}

/** Whether what belongs to `room` may import `path`, both from the top of the checkout; for bundles, over any number of steps. */
export function mayReach(room: string, path: string): boolean {
	const row = table.find((candidate) => candidate.room === room);
	return row !== undefined && isAllowed(row, path);
}

function rowOf(file: string): Row | undefined {
	const rows = table.filter(({ room }) => file === room || file.startsWith(`${room}/`));
	return rows.sort((a, b) => b.room.length - a.room.length)[0];
}

function isAllowed(row: Row, path: string): boolean {
	const target = rowOf(path)?.room;
	return target === row.room || row.ours.some((allowed) => allowed === path || allowed === target);
}

function checkImport(row: Row, file: string, specifier: string): string[] {
	if (specifier === "(computed)")
		return [`${file} imports a computed name; write the name out, so that it can be checked`];
	if (specifier.startsWith(".")) {
		const path = posix.join(posix.dirname(file), specifier);
		if (isAllowed(row, path)) return [];
		return [
			`${file} imports ${path}, but ${row.room} may import of ours only ${listOf([row.room, ...row.ours])}. ` +
				"Imports point down: take what you need as a parameter (rule 6), or move what both need to a room below",
		];
	}
	const isNode = specifier.startsWith("node:");
	const name = isNode ? specifier.slice("node:".length) : toPackage(specifier);
	const allowed = (isNode ? row.node : row.packages) ?? [];
	if (allowed === "all" || allowed.includes(name)) return [];
	const kind = isNode ? "node:" : "packages";
	return [
		`${file} imports ${specifier}, but ${row.room} may import of ${kind} only ${listOf(allowed)}. ` +
			"Do that in a room that may (design.md, the house), or change the table with the reason in ARCHITECTURE.md",
	];
}

function checkPurity(file: string, source: string): string[] {
	const code = stripStrings(source);
	return impure
		.filter(([pattern]) => pattern.test(code))
		.map(
			([, what]) => `${file} uses ${what}, but its room is pure: take the value as a parameter or an event (rule 8)`,
		);
}

function toPackage(specifier: string): string {
	return specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
}

function listOf(names: readonly string[]): string {
	return names.length === 0 ? "nothing" : names.join(", ");
}
