/** The question where something is to be opened, for somebody at a terminal. Without one the broker asks (open-by-broker.ts). */
import { createInterface } from "node:readline/promises";
import { QubesLiteError } from "../../errors.ts";
import type { Ask } from "../../open/decide-where.ts";
import type { OpenDestination } from "../../open/open-destination.ts";

/** Undefined where nobody can be asked: a desktop that follows a link gives no terminal. */
export function findAsker(): Ask | undefined {
	return process.stdin.isTTY === true && process.stderr.isTTY === true ? askOnTerminal : undefined;
}

/** By number or by name, until one of them is meant. Rejects with Denied at the end of the input. */
async function askOnTerminal(what: string, choices: readonly OpenDestination[]): Promise<OpenDestination> {
	const names = choices.map(({ vm, isDisposable }) => (isDisposable ? `a disposable (${vm.name})` : vm.name));
	const lines = names.map((name, index) => `${String(index + 1).padStart(4)}  ${name}\n`);
	process.stderr.write(`Where is ${what} to be opened?\n${lines.join("")}`);
	const terminal = createInterface({ input: process.stdin, output: process.stderr });
	try {
		const ended = new Promise<never>((_, reject) => terminal.once("close", () => reject(nothingChosen(what))));
		for (;;) {
			const answer = (await Promise.race([terminal.question("Number: "), ended])).trim();
			const chosen = choices[/^\d{1,3}$/.test(answer) ? Number(answer) - 1 : names.indexOf(answer)];
			if (chosen !== undefined) return chosen;
		}
	} finally {
		terminal.removeAllListeners("close");
		terminal.close();
	}
}

const nothingChosen = (what: string): QubesLiteError =>
	new QubesLiteError("Denied", `nothing was chosen, so ${what} is not opened`, { remedy: "qubes-lite open --in VM …" });
