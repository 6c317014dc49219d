/** The files of the host's menu, as texts: an entry for each program, the folder that they are in, and the opener of links. */
import { createMark, type Mark } from "../made-mark.ts";
import { formatExec, formatExecWith, formatGroup, formatText } from "./entry-text.ts";
import type { MenuProgram } from "./menu-program.ts";
import { toMenuName } from "./program-name.ts";

/** Absolute paths of our commands. */
export interface Commands {
	readonly runInVm: string;
	readonly qubesLite: string;
}

export const entryMark: Mark = createMark(
	"made anew by `qubes-lite desktop sync`: what you change here stays as it is from then on",
);

/** By which the folder knows them. */
const category = "X-QubesLite";

/** No vm's name has a "_" (config/vm-name.ts), so that "a-b" with "c" and "a" with "b-c" are two files. */
export const toEntryName = (vm: string, id: string): string => `qubes-lite-${vm}_${id}`;

/** Names of ours, in a directory that others use, too. */
export const isEntryFile = (name: string): boolean => /^qubes-lite-[a-z][a-z0-9-]*_.*\.desktop$/.test(name);

export const openEntryName = "qubes-lite-open";

const main = (keys: readonly (readonly [string, string])[]): string =>
	formatGroup("Desktop Entry", [["Type", "Application"], ["Version", "1.1"], ...keys]);

/** `icon`: absolute path; undefined: none. `hasInstances`: disposable ones can be made of its vm. */
export function formatProgramEntry(
	program: MenuProgram,
	{ runInVm }: Commands,
	icon: string | undefined,
	hasInstances: boolean,
): string {
	const { vm, id, name, terminal, command, categories } = program;
	const start = formatExec([runInVm, vm, "--", ...command]);
	const keys: (readonly [string, string])[] = [
		["Name", formatText(toMenuName(name, vm))],
		["Comment", formatText(`In the vm ${vm}`)],
		["TryExec", formatText(runInVm)],
		["Exec", start],
		...(icon === undefined ? [] : [["Icon", formatText(icon)] as const]),
		["Terminal", String(terminal)],
		["Categories", `${[...toCategories(categories), category].join(";")};`],
		["X-QubesLite-Vm", vm],
		["X-QubesLite-Program", id],
		...(hasInstances ? [["Actions", "disposable;"] as const] : []),
	];
	const action = formatGroup("Desktop Action disposable", [
		["Name", "Open in a disposable"],
		["Exec", formatExec([runInVm, `--disposable=${vm}`, "--", ...command])],
	]);
	return entryMark.put(hasInstances ? `${main(keys)}\n${action}` : main(keys));
}

/** One that has none would be in a menu's catch-all, too. Audio and Video are there with AudioVideo only (Desktop Menu Specification, "Main Categories"). */
function toCategories(categories: readonly string[]): string[] {
	if (categories.length === 0) return ["Utility"];
	const needs = categories.some((name) => name === "Audio" || name === "Video");
	return [...new Set(needs ? ["AudioVideo", ...categories] : categories)];
}

/** It is in no menu, and may be made the browser: without something to open it opens nothing. */
export const formatOpenEntry = ({ qubesLite }: Commands): string =>
	entryMark.put(
		main([
			["Name", "qubes-lite: open in a vm"],
			["Comment", "Opens links and files in the vm that the policy names"],
			["TryExec", formatText(qubesLite)],
			["Exec", formatExecWith([qubesLite, "open", "--"], "%u")],
			["Terminal", "false"],
			["NoDisplay", "true"],
			["Categories", "Network;WebBrowser;"],
			["MimeType", "x-scheme-handler/http;x-scheme-handler/https;x-scheme-handler/mailto;text/html;"],
		]),
	);

/** The folder's name (Desktop Menu Specification, "Desktop Entries for menus"). */
export const formatDirectory = (): string =>
	entryMark.put(
		formatGroup("Desktop Entry", [
			["Type", "Directory"],
			["Version", "1.1"],
			["Name", "qubes-lite"],
			["Comment", "Programs in vms"],
		]),
	);

/** Merged into the desktop's own menu of applications. */
export const formatMenu =
	(): string => `<!DOCTYPE Menu PUBLIC "-//freedesktop//DTD Menu 1.0//EN" "http://www.freedesktop.org/standards/menu-spec/1.0/menu.dtd">
<Menu>
	<Name>Applications</Name>
	<Menu>
		<Name>qubes-lite</Name>
		<Directory>qubes-lite.directory</Directory>
		<Include><Category>${category}</Category></Include>
	</Menu>
</Menu>
`;
