/**
 * Stands for a vmm: obeys its arguments, in order.
 * say TEXT · complain TEXT (stderr) · flood BYTES · trickle BYTES (one at a time) · stubborn (ignore SIGTERM) ·
 * hear (say what is typed on the console, once) · stray (leave a child that holds stdout) · exit N · die SIGNAL · kill-group (as crosvm ends) · wait (for SIGUSR2).
 */
import { spawn } from "node:child_process";
import { readSync, writeSync } from "node:fs";

const words = process.argv.slice(2);
const argument = () => words.shift() ?? "";
// Without it an ignored disposition would hide what the shim passes on.
const heldOpen = setInterval(() => undefined, 60_000);

for (let word = words.shift(); word !== undefined; word = words.shift()) {
	switch (word) {
		case "say":
			writeSync(1, `${argument()}\n`);
			break;
		case "complain":
			writeSync(2, `${argument()}\n`);
			break;
		case "flood":
			flood(Number(argument()));
			break;
		case "trickle":
			for (let left = Number(argument()); left > 0; left--) writeSync(1, "t");
			break;
		case "hear": {
			const typed = Buffer.alloc(4096);
			writeSync(1, typed.subarray(0, readSync(0, typed)));
			break;
		}
		case "stubborn":
			process.on("SIGTERM", () => writeSync(1, "no\n"));
			break;
		case "stray":
			spawn("sleep", ["1000"], { stdio: ["ignore", "inherit", "inherit"], detached: true }).unref();
			break;
		case "exit":
			process.exit(Number(argument()));
			break;
		case "die":
			process.kill(process.pid, argument() as NodeJS.Signals);
			break;
		case "kill-group":
			process.kill(0, "SIGKILL");
			break;
		case "wait":
			await new Promise((resolve) => process.once("SIGUSR2", resolve));
			break;
		default:
			throw new Error(`fake-vmm: ${word}?`);
	}
}
clearInterval(heldOpen);

/** Numbered lines of 64 bytes. */
function flood(bytes: number): void {
	const lines = 1024;
	for (let line = 0; line * 64 < bytes; line += lines) {
		const block = Array.from({ length: lines }, (_, index) => `${String(line + index).padEnd(63, ".")}\n`).join("");
		writeSync(1, block.slice(0, Math.min(block.length, bytes - line * 64)));
	}
}
