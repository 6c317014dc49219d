/** A guest's report of its programs. The guest is hostile: what is not as it should be is left out, and nothing of it is passed on as it is. */
import { iconMaxBytes, isProgramId, programLineMaxBytes, programsMax, reportMaxBytes } from "../protocol/programs.ts";
import { remakePng } from "./png.ts";
import { toProgramName } from "./program-name.ts";

export interface ReportedProgram {
	readonly id: string;
	/** Safe to show. */
	readonly name: string;
	readonly terminal: boolean;
	/** A PNG of our own making. */
	readonly icon?: Buffer;
}

export interface Report {
	readonly programs: readonly ReportedProgram[];
	/** So many lines were not as they should be, or too many. */
	readonly refused: number;
}

/** Icons of one report take no more than this when they are unpacked: a second's work of the host's. */
const pixelBytesMax = 64 * 1024 * 1024;

/** And no more than this as files, whatever they have become: what is kept can be read again. */
const iconBytesMax = 8 * 1024 * 1024;

/** `text`: lines of JSON; what is beyond the report's limit is not looked at. */
export function parseReport(text: string): Report {
	const lines = text
		.slice(0, reportMaxBytes)
		.split("\n")
		.filter((line) => line !== "");
	return parsePrograms(lines.map(parseLine));
}

/** The same of programs that are parsed already, as a kept report has them. */
export function parsePrograms(untrusted: readonly unknown[]): Report {
	const programs = new Map<string, ReportedProgram>();
	let [pixelBytes, iconBytes] = [pixelBytesMax, iconBytesMax];
	for (const one of untrusted.slice(0, programsMax)) {
		const program = parseProgram(one, pixelBytes);
		if (program === undefined || programs.has(program.id)) continue;
		pixelBytes -= program.pixelBytes;
		const { id, name, terminal, icon } = program;
		const fits = icon !== undefined && icon.length <= iconBytes;
		if (fits) iconBytes -= icon.length;
		programs.set(id, { id, name, terminal, ...(fits && { icon }) });
	}
	return { programs: [...programs.values()], refused: untrusted.length - programs.size };
}

function parseLine(line: string): unknown {
	if (line.length > programLineMaxBytes) return undefined;
	try {
		return JSON.parse(line);
	} catch {
		return undefined;
	}
}

function parseProgram(
	untrusted: unknown,
	pixelBytesLeft: number,
): (ReportedProgram & { pixelBytes: number }) | undefined {
	if (!isObject(untrusted)) return undefined;
	const { id, name, terminal, icon } = untrusted;
	if (typeof id !== "string" || !isProgramId(id) || typeof name !== "string") return undefined;
	if (terminal !== undefined && typeof terminal !== "boolean") return undefined;
	const made = parseIcon(icon, pixelBytesLeft);
	return {
		...{ id, name: toProgramName(name, id), terminal: terminal === true },
		...(made !== undefined && { icon: made.png }),
		pixelBytes: made?.pixelBytes ?? 0,
	};
}

/** A program without an icon is still one. */
function parseIcon(untrusted: unknown, pixelBytesLeft: number): ReturnType<typeof remakePng> {
	if (!isObject(untrusted) || untrusted.format !== "png" || typeof untrusted.base64 !== "string") return undefined;
	if (untrusted.base64.length > programLineMaxBytes) return undefined;
	const png = Buffer.from(untrusted.base64, "base64");
	if (png.length > iconMaxBytes) return undefined;
	const made = remakePng(png, pixelBytesLeft);
	return made !== undefined && made.png.length <= iconMaxBytes ? made : undefined;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
	typeof value === "object" && value !== null && !Array.isArray(value);

/** As it is kept, for when its vm does not run; parsePrograms() reads it back. */
export const formatKept = (programs: readonly ReportedProgram[]): string =>
	`${JSON.stringify({
		schema: 1,
		programs: programs.map(({ icon, ...program }) => ({
			...program,
			...(icon !== undefined && { icon: { format: "png", base64: icon.toString("base64") } }),
		})),
	})}\n`;

/** Undefined where it is none of ours. */
export function parseKept(text: string): Report | undefined {
	const kept = text.length > 2 * reportMaxBytes ? undefined : parseText(text);
	return isObject(kept) && kept.schema === 1 && Array.isArray(kept.programs) ? parsePrograms(kept.programs) : undefined;
}

function parseText(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return undefined;
	}
}
