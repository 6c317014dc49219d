/** A real PulseAudio, as another user's, and libpulse's own programs in the place of a guest's. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findFrequency, makeTone, micHz, micName, SoundServer, sinkName } from "../e2e/sound-server.ts";
import { isRoot, otherUid } from "./fake-user.ts";

const program = fileURLToPath(new URL("../fixtures/sound-filter.ts", import.meta.url));
const raw = ["--raw", "--format=s16le", "--channels=1", "--rate=48000", "--latency-msec=50"];

let host: SoundServer;
const filters: ChildProcess[] = [];

/** Resolves to its socket, once it listens. */
async function startFilter(capture: boolean): Promise<string> {
	const socket = join(host.runtime, `guest-${filters.length}`);
	const options = JSON.stringify({ vm: "shopping", playback: true, capture });
	const filter = host.spawn(process.execPath, [program, socket, host.socket, options]);
	filters.push(filter);
	filter.stderr?.pipe(process.stderr);
	if (filter.stdout !== null) await once(filter.stdout, "data");
	return socket;
}

beforeAll(async () => {
	host = await SoundServer.start(isRoot ? { uid: otherUid } : {});
});

afterAll(async () => {
	for (const filter of filters) {
		const ended = once(filter, "close");
		filter.stdin?.end();
		await ended;
	}
	await host?.stop();
});

describe("a guest that may play", () => {
	let server: string;
	beforeAll(async () => {
		server = await startFilter(false);
	});

	test("is heard, by its vm's name", async () => {
		const words = ["--playback", ...raw, `--device=${sinkName}`, "--client-name=Firefox", "--stream-name=a song"];
		const player = host.spawn("pacat", words, server);
		const ended = once(player, "close");
		let said = "";
		player.stderr?.on("data", (chunk: Buffer) => {
			said += chunk;
		});
		player.stdin?.on("error", () => {}).end(makeTone(440, 60));
		while (findFrequency(await host.record(0.3)) !== 440);
		const streams = await host.pactl("list", "sink-inputs");
		expect(streams).toContain('application.name = "[shopping] Firefox"');
		expect(streams).toContain('media.name = "a song"');
		const clients = await host.pactl("list", "clients");
		expect(clients).toContain('application.name = "[shopping] Firefox"');
		expect(clients).not.toContain('application.process.binary = "pacat"');
		player.kill("SIGTERM");
		expect([await ended, said]).toEqual([[0, null], ""]);
	});

	test.each([
		"load-module module-pipe-sink file=/dev/null",
		"unload-module 0",
		"exit",
		"list clients",
		"list sink-inputs",
		`set-default-sink ${sinkName}`,
		`set-sink-volume ${sinkName} 10%`,
		`suspend-sink ${sinkName} 1`,
		`move-sink-input 0 ${sinkName}`,
		"send-message /core list-handlers",
		"play-sample bell",
	])("may not %s", async (line) => {
		const { status, stderr } = await host.run("pactl", line.split(" "), { server });
		expect([status, stderr]).toEqual([1, expect.stringContaining("Access denied")]);
	});

	test.each([micName, `${sinkName}.monitor`, "@DEFAULT_SOURCE@"])("may not record from %s", async (device) => {
		const { status, stdout, stderr } = await host.run("parec", [...raw, `--device=${device}`], { server });
		expect([status, stdout.length, stderr]).toEqual([1, 0, expect.stringContaining("Access denied")]);
	});

	test("sees sinks and no sources, and not whose host it is", async () => {
		const [info, sinks, sources] = await Promise.all(
			[["info"], ["list", "short", "sinks"], ["list", "short", "sources"]].map(async (words) =>
				(await host.run("pactl", words, { server })).stdout.toString(),
			),
		);
		expect(info).toContain("User Name: user\nHost Name: host\n");
		expect(info).toContain(`Default Sink: ${sinkName}\n`);
		expect(info).toContain("Default Source: none\n");
		expect(sinks).toContain(`\t${sinkName}\t`);
		expect(sources).toBe("");
	});
});

describe("a guest that may record, too", () => {
	let server: string;
	beforeAll(async () => {
		server = await startFilter(true);
	});

	test("hears the microphone", async () => {
		expect(findFrequency(await host.record(0.3, { server, device: micName }))).toBe(micHz);
	});

	test("is shown by its vm's name while it does", async () => {
		const recorder = host.spawn("parec", [...raw, `--device=${micName}`], server);
		if (recorder.stdout !== null) await once(recorder.stdout, "data");
		expect(await host.pactl("list", "source-outputs")).toContain('application.name = "[shopping] parec"');
		recorder.kill();
		await once(recorder, "close");
	});

	test("sees no monitors", async () => {
		const { stdout } = await host.run("pactl", ["list", "short", "sources"], { server });
		expect(stdout.toString()).toMatch(new RegExp(`^1\\t${micName}\\t[^\n]*\n$`));
	});

	test.each([[`--device=${sinkName}.monitor`], ["--device=0"], ["--device=@DEFAULT_MONITOR@"], ["--monitor-stream=0"]])(
		"may not hear what is played, by %s",
		async (word) => {
			const { status, stdout, stderr } = await host.run("parec", [...raw, word], { server });
			expect([status, stdout.length, stderr]).toEqual([1, 0, expect.stringContaining("Access denied")]);
		},
	);

	test("nor where a monitor is the default", async () => {
		await host.pactl("set-default-source", `${sinkName}.monitor`);
		const { status, stdout, stderr } = await host.run("parec", raw, { server });
		expect([status, stdout.length, stderr]).toEqual([1, 0, expect.stringContaining("Access denied")]);
		await host.pactl("set-default-source", micName);
	});

	test("loses its stream with the microphone, rather than hear another source", async () => {
		const index = (await host.pactl("load-module", "module-null-source", "source_name=usb")).trim();
		const recorder = host.spawn("parec", [...raw, "--device=usb"], server);
		const ended = once(recorder, "close");
		if (recorder.stdout !== null) await once(recorder.stdout, "data");
		await host.pactl("unload-module", index);
		expect(await ended).toEqual([1, null]);
	});
});
