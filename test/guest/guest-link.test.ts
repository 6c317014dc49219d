/** What the host says to an agent, which the test plays. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type GuestEvent, GuestLink } from "../../src/guest/guest-link.ts";
import { controlFrame, encodeHeartbeat, encodeHello, parseResumed, toAgentLimits } from "../../src/protocol/control.ts";
import { type Frame, FrameDecoder } from "../../src/protocol/frame.ts";
import { hostControlPort } from "../../src/protocol/ports.ts";

let directory: string;
let link: GuestLink;
let agent: Socket | undefined;

beforeEach(async () => {
	directory = mkdtempSync(join(tmpdir(), "ql-link-"));
	link = new GuestLink({ vsock: join(directory, "vsock"), vm: "shopping", nonce: null });
	await link.listen();
});

afterEach(() => {
	agent?.destroy();
	link.close();
	rmSync(directory, { recursive: true });
});

/** Resolves when it was welcomed, with the frames that come then. */
async function enter(version: number): Promise<Frame[]> {
	const frames: Frame[] = [];
	const decoder = new FrameDecoder(toAgentLimits);
	const said = Promise.withResolvers<GuestEvent>();
	const subscription = link.events.subscribe((event) => said.resolve(event));
	agent = connect(join(directory, `vsock_${hostControlPort}`));
	agent.on("data", (chunk: Buffer) => decoder.push(chunk, (frame) => frames.push(frame)));
	const nothing = { phases: [], sessions: [], cgroups: [], lastSession: 0 };
	agent.write(encodeHello({ version, oldest: 2, nonce: "0f".repeat(16), vm: "shopping", ...nothing }));
	expect((await said.promise).type).toBe("hello");
	subscription.unsubscribe();
	return frames;
}

const entropy = Buffer.alloc(32, 0xa5);
const { welcome, resumed, poweroff, seen } = controlFrame;

it("an agent is told of a pause, by whole milliseconds", async () => {
	const frames = await enter(3);
	link.resumed(Date.UTC(2026) + 0.4, entropy);
	link.powerOff(0);
	while (frames.at(-1)?.type !== poweroff) await once(agent as Socket, "data");
	expect(frames.map(({ type }) => type)).toEqual([welcome, resumed, poweroff]);
	const { payload = Buffer.of() } = frames[1] ?? {};
	expect(parseResumed(payload)).toEqual({ wallMs: Date.UTC(2026), entropy: "a5".repeat(32) });
});

it("an agent of an earlier version, which would not understand it, is not", async () => {
	const frames = await enter(2);
	link.resumed(Date.UTC(2026), entropy);
	link.powerOff(0);
	while (frames.at(-1)?.type !== poweroff) await once(agent as Socket, "data");
	expect(frames.map(({ type }) => type)).toEqual([welcome, poweroff]);
});

it("nobody is told where no agent is connected", () => {
	link.resumed(Date.UTC(2026), entropy);
});

it("ends that are reported to a broker that leaves are not taken for told: the next one hears of them again", async () => {
	const frames = await enter(3);
	const beats: number[] = [];
	link.events.subscribe((event) => event.type === "heartbeat" && beats.push(event.heartbeat.seq));
	const beat = async (seq: number): Promise<void> => {
		const ended = [{ session: seq, end: { code: 9 } }];
		const memory = { totalKiB: 1, availableKiB: 1 };
		agent?.write(encodeHeartbeat({ seq, sessions: [], cgroups: [], ended, memory }));
		while (beats.at(-1) !== seq) await new Promise((resolve) => setImmediate(resolve));
	};
	await beat(1);
	link.leave();
	await beat(2);
	link.powerOff(0);
	while (frames.at(-1)?.type !== poweroff) await once(agent as Socket, "data");
	expect(frames.map(({ type }) => type)).toEqual([welcome, seen, poweroff]);
});
