/** What the doctor found, for people and for programs. */
import { type Look, paint } from "../../terminal/columns.ts";
import { toSafeText } from "../../terminal/safe-text.ts";
import type { CheckStatus, Result } from "./check.ts";

/** SGR codes (ECMA-48). */
const colours: Readonly<Record<CheckStatus, string>> = { PASS: "32", WARN: "33", FAIL: "31" };

/** Columns; a remedy stands below its sentence, behind an arrow. "" for no results. */
export function formatReport(results: readonly Result[], look: Look): string {
	const width = Math.max(0, ...results.map(({ name }) => name.length));
	const indent = " ".repeat(4 + 2 + width + 2);
	return results
		.map(({ name, status, sentence, remedy }) => {
			const [first = "", ...more] = toSafeText(sentence).split("\n");
			const lines = [`${paint(status, colours[status], look)}  ${name.padEnd(width)}  ${first}`];
			lines.push(...more.map((line) => `${indent}${line}`));
			if (remedy !== null) lines.push(`${indent}→ ${toSafeText(remedy)}`);
			return `${lines.join("\n")}\n`;
		})
		.join("");
}

/** Programs may rely on it (contracts: schema 1). */
export function formatJson(results: readonly Result[]): string {
	const checks = results.map(({ name, status, sentence, remedy }) => ({ name, status, sentence, remedy }));
	return `${JSON.stringify({ schema: 1, checks }, null, 2)}\n`;
}
