/** What guests have reported last, for when they do not run. Not trusted more than when it came. */
import { join } from "node:path";
import { formatKept, parseKept, type Report } from "../../desktop/report.ts";
import { reportMaxBytes } from "../../protocol/programs.ts";
import type { Content } from "../change-files.ts";
import { readBounded } from "./read-bounded.ts";

export const toReportPath = (directory: string, vm: string): string => join(directory, `${vm}.json`);

export const toKept = ({ programs }: Report): Content => ({ kind: "file", text: formatKept(programs), mode: 0o600 });

/** Undefined where there is none, or one that is damaged: the guest is asked again some day. */
export async function readReport(directory: string, vm: string): Promise<Report | undefined> {
	const bytes = await readBounded(toReportPath(directory, vm), 2 * reportMaxBytes);
	return typeof bytes === "string" ? undefined : parseKept(bytes.toString("utf8"));
}
