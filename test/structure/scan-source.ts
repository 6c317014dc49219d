/** What a TypeScript source imports, without TypeScript: type imports count too, so a compiler that drops them won't do. */

const skipped = /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
const statement = /(?:^|[;}])\s*(?:import|export)\b(?:[^;'"`(]*?\bfrom)?\s*["']([^"'\n]+)["']/gm;
const call = /\b(?:import|require)\s*\(\s*["'`]([^"'`\n]+)["'`]/g;
/** `import(name)`: nobody can say what that is. */
const computedCall = /\bimport\s*\(\s*(?!["'`])/;

/** The source without its comments. */
function stripComments(source: string): string {
	return source.replaceAll(skipped, (_, string?: string) => string ?? " ");
}

/** The source without its comments and without the contents of its strings; templates stay, as they hold code. */
export function stripStrings(source: string): string {
	return source.replaceAll(skipped, (_, string?: string) => (string?.startsWith("`") ? string : string ? '""' : " "));
}

/** Every specifier of the source: import, import type, export from, import(), `import("x").Type`, require(). */
export function scanImports(source: string): string[] {
	const code = stripComments(source);
	const found = [statement, call].flatMap((pattern) => [...code.matchAll(pattern)].map((match) => match[1] ?? ""));
	return computedCall.test(code) ? [...found, "(computed)"] : found;
}
