/** A broker that only supervises: one JSON request a line on stdin, one reply a line on stdout. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createDirectSupervisor } from "../../src/activation/direct-supervisor.ts";
import type { RunningVmm } from "../../src/activation/supervisor.ts";
import { errnoOf, QubesLiteError } from "../../src/errors.ts";
import { type BrokerReply, type BrokerRequest, createBootToken, toFakePlan } from "./fake-vmm-host.ts";

const configuration = JSON.parse(process.argv[2] ?? "");
const directory = join(configuration.runtimeDirectory, "shopping");
const filler = join(configuration.runtimeDirectory, "filler");
let crashAt: string | undefined;
let vmm: RunningVmm | undefined;

const supervisor = createDirectSupervisor({
	...configuration,
	uptimeMs: () => 0,
	onStep(step) {
		if (step === crashAt) process.kill(process.pid, "SIGKILL");
	},
});

async function answer(request: BrokerRequest): Promise<BrokerReply> {
	switch (request.op) {
		case "start":
			crashAt = request.crashAt;
			vmm = await supervisor.start(toFakePlan(directory, request.vmm, request.helpers), createBootToken());
			return { uid: process.getuid?.() ?? -1 };
		case "adopt": {
			const { running, ended } = await supervisor.adopt();
			for (const one of ended) await one.cleanUp();
			vmm = running[0];
			return { running: running.map(({ vm }) => vm), ended };
		}
		case "exit":
			return vmm === undefined ? {} : { exit: await vmm.exited };
		case "cleanUp":
			await vmm?.cleanUp();
			return {};
		case "list":
			return { files: readdirSync(configuration.runtimeDirectory, { recursive: true }).map(String) };
		case "fill":
			fill(request.with, request.leave);
			return {};
		case "free":
			rmSync(filler, { recursive: true });
			return {};
	}
}

function fill(what: "pages" | "files", leave: number): void {
	mkdirSync(filler);
	const content = what === "pages" ? "x".repeat(4096) : "";
	let made = 0;
	try {
		for (; ; made++) writeFileSync(join(filler, String(made)), content);
	} catch (error) {
		if (errnoOf(error) !== "ENOSPC") throw error;
	}
	// The last one may be there, without its page.
	rmSync(join(filler, String(made)), { force: true });
	for (let index = 1; index <= leave; index++) rmSync(join(filler, String(made - index)));
}

for await (const line of createInterface({ input: process.stdin })) {
	const reply = await answer(JSON.parse(line)).catch((error) => ({ error: QubesLiteError.from(error).toFacts() }));
	process.stdout.write(`${JSON.stringify(reply)}\n`);
}
