/** What a client makes of the first words of a broker that it has started, and of its end. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startBroker } from "../../src/cli/broker-start.ts";

let directory: string;
beforeAll(() => {
	directory = mkdtempSync(join(tmpdir(), "ql-start-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** A broker that is this program; the client does nothing else for so long after it has started it. */
function start(program: string, stallMs: number): Promise<void> {
	const broker = join(directory, "broker.cjs");
	writeFileSync(broker, program);
	const env = { PATH: process.env.PATH, HOME: directory, XDG_STATE_HOME: join(directory, "state") };
	const started = startBroker(directory, env, broker);
	Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, stallMs);
	return started;
}

const say = (line: object) => `require("node:fs").writeSync(3, ${JSON.stringify(`${JSON.stringify(line)}\n`)});`;

it.each([0, 600])(
	"one that has served, and has left before its client came to hear of it, has served: %i ms",
	async (stallMs) => {
		await expect(start(`${say({ ready: true })} process.exit(0)`, stallMs)).resolves.toBeUndefined();
	},
);

it.each([0, 600])("what it says of its failure is told, also with its end: %i ms", async (stallMs) => {
	const facts = { code: "BadRequest", message: "the configuration has a problem", remedy: "mend it" };
	await expect(start(`${say(facts)} process.exit(1)`, stallMs)).rejects.toMatchObject(facts);
});

it.each([0, 600])("one that ends without a word has ended at its start: %i ms", async (stallMs) => {
	await expect(start("process.exit(3)", stallMs)).rejects.toMatchObject({
		message: "the broker ended at its start (3)",
	});
});
