/** All that belongs to the menu, as texts and pictures. */
import { join } from "node:path";
import type { Config } from "../../config/schema.ts";
import {
	formatDirectory,
	formatMenu,
	formatOpenEntry,
	formatProgramEntry,
	openEntryName,
	toEntryName,
} from "../../desktop/entries.ts";
import { type MenuProgram, toMenuPrograms } from "../../desktop/menu-program.ts";
import { pngMaxSide, remakePng } from "../../desktop/png.ts";
import type { Report } from "../../desktop/report.ts";
import { findSvgProblem } from "../../desktop/svg.ts";
import { QubesLiteError } from "../../errors.ts";
import { canBeBase } from "../../launch/vm-units.ts";
import { iconMaxBytes } from "../../protocol/programs.ts";
import type { Content } from "../change-files.ts";
import type { WantedFile } from "../install/wanted-files.ts";
import type { DesktopPlaces } from "./desktop-places.ts";
import { toKept, toReportPath } from "./kept-reports.ts";
import { readBounded } from "./read-bounded.ts";

interface Icon {
	readonly suffix: "png" | "svg";
	readonly content: Content;
}

/** `reports` by vm. `remarks`: which icons of the configuration can't be used, and why. Throws Unsupported where our commands' path is none for a menu. */
export async function toWantedEntries(
	{ vms }: Config,
	reports: ReadonlyMap<string, Report>,
	places: DesktopPlaces,
): Promise<{ readonly wanted: WantedFile[]; readonly remarks: readonly QubesLiteError[] }> {
	const remarks: QubesLiteError[] = [];
	const wanted: WantedFile[] = [];
	for (const vm of vms) {
		const report = reports.get(vm.name);
		if (report !== undefined)
			wanted.push({ path: toReportPath(places.reports, vm.name), kind: "own", content: toKept(report) });
		for (const program of toMenuPrograms(vm, report?.programs ?? [])) {
			const icon = await findIcon(program, remarks);
			wanted.push(...toProgramFiles(program, icon, canBeBase(vm), places));
		}
	}
	const hasPrograms = wanted.some(({ kind }) => kind === "entry");
	return { wanted: [...wanted, ...toOpener(places), ...(hasPrograms ? toFolder(places) : [])], remarks };
}

function toProgramFiles(
	program: MenuProgram,
	icon: Icon | undefined,
	hasInstances: boolean,
	places: DesktopPlaces,
): WantedFile[] {
	const name = toEntryName(program.vm, program.id);
	const iconPath = icon === undefined ? undefined : join(places.icons, `${name}.${icon.suffix}`);
	const entry: WantedFile = {
		path: join(places.applications, `${name}.desktop`),
		kind: "entry",
		content: toText(formatProgramEntry(program, places.commands, iconPath, hasInstances)),
	};
	if (icon === undefined || iconPath === undefined) return [entry];
	return [{ path: iconPath, kind: "own", content: icon.content }, entry];
}

const toOpener = ({ applications, commands }: DesktopPlaces): WantedFile[] => [
	{ path: join(applications, `${openEntryName}.desktop`), kind: "entry", content: toText(formatOpenEntry(commands)) },
];

const toFolder = ({ directories, menus }: DesktopPlaces): WantedFile[] => [
	{ path: join(directories, "qubes-lite.directory"), kind: "menu", content: toText(formatDirectory()) },
	{ path: join(menus, "qubes-lite.menu"), kind: "menu", content: toText(formatMenu()) },
];

const toText = (text: string): Content => ({ kind: "file", text });

/** A guest's is a PNG of our own making by now; one of the configuration's is read here. */
async function findIcon({ vm, id, png, iconPath }: MenuProgram, remarks: QubesLiteError[]): Promise<Icon | undefined> {
	if (png !== undefined) return { suffix: "png", content: { kind: "bytes", bytes: png } };
	if (iconPath === undefined) return undefined;
	const bytes = await readBounded(iconPath, iconMaxBytes);
	const icon = typeof bytes === "string" ? bytes : toIcon(iconPath, bytes);
	if (typeof icon !== "string") return icon;
	remarks.push(new QubesLiteError("BadRequest", `${vm}'s ${id} has no icon: ${iconPath} ${icon}`));
	return undefined;
}

function toIcon(path: string, bytes: Buffer): Icon | string {
	if (path.endsWith(".svg")) {
		return findSvgProblem(bytes) ?? { suffix: "svg", content: toText(bytes.toString("utf8")) };
	}
	const made = remakePng(bytes, (pngMaxSide * 8 + 1) * pngMaxSide);
	if (made === undefined) return `is no PNG of at most ${pngMaxSide} × ${pngMaxSide} pixels without interlacing`;
	return { suffix: "png", content: { kind: "bytes", bytes: made.png } };
}
