/** One command in a guest with streams of ours, as run-in-vm has it: the vm boots for it, the policy is asked, tickets may expire. */
import type { Readable } from "node:stream";
import { QubesLiteError } from "../../errors.ts";
import { encodeExec } from "../../protocol/exec.ts";
import type { CommandEnd } from "../../protocol/session.ts";
import { runSession, type SessionEnd } from "../../session-client/client-session.ts";
import type { OutputSink } from "../../session-client/session-streams.ts";
import { monotonicMs } from "../broker-client.ts";
import { ProgressLine } from "../progress-line.ts";
import { type Opened, openGrant } from "../session-grant.ts";

/** A ticket can expire on a host that stalls; then we ask for another, once. */
const ticketsPerCommand = 2;
/** An agent that has a ticket's command in its hands starts it, or says why not, within a second even on a busy host. */
const answerWithinMs = 30_000;
/** The broker says that the vm has ended: what its guest has said before is read by then. */
const goneAfterMs = 1_000;
/** A guest's program that is told to end clears up first; the agent ends one that does not. */
const endWithinMs = 3_000;

export interface GuestCommand {
	readonly vm: string;
	readonly argv: readonly string[];
	/** null: the guest's ordinary one. */
	readonly user: string | null;
	/** Shows no progress of a boot. */
	readonly quiet: boolean;
	/** Made when the command runs; null: it has no input. */
	readonly openInput: (() => Readable) | null;
	readonly stdout: OutputSink;
	readonly stderr: OutputSink;
	readonly onStarted: () => void;
	/** Tells the command to end. */
	readonly signal: AbortSignal;
}

/** Resolves with the command's end; rejects with what kept it from running, with the reason of the vm's end, or with the signal's. */
export async function runInGuest(command: GuestCommand): Promise<CommandEnd> {
	for (let ticket = 1; ; ticket++) {
		const end = await attempt(command);
		if (end !== "expired") return end;
		if (ticket === ticketsPerCommand) throw new QubesLiteError("Busy", "two tickets expired before they could be used");
	}
}

async function attempt(command: GuestCommand): Promise<CommandEnd | "expired"> {
	const { vm, signal } = command;
	const line = ProgressLine.on(process.stderr, { task: "Starting", vms: [vm] }, command.quiet, process.env);
	let opened: Opened | undefined;
	try {
		const bytes = encodeExec({
			...{ argv: command.argv, env: {}, cwd: null, user: command.user, tty: null, detach: false },
		});
		opened = await openGrant({
			request: {
				...{ method: "run", vm, disposable: false, start: true, timeoutMs: 0, pid: process.pid },
				askedAt: monotonicMs(),
			},
			bytes,
			onProgress: (progress) => line?.note(progress, vm),
			// A copy has no windows.
			onNotice: () => {},
			deadline: signal,
		});
		const { guest, hold } = opened;
		void hold.told.then(() => setTimeout(() => guest.destroy(), goneAfterMs).unref());
		const end = await converse(command, opened, bytes, () => line?.end());
		if (end.kind === "lost") throw (await hold.reason()) ?? lost(vm);
		return toEnd(end, command);
	} finally {
		line?.end();
		opened?.hold.end();
	}
}

async function converse(
	{ vm, signal, openInput, stdout, stderr, onStarted }: GuestCommand,
	{ guest, granted }: Opened,
	bytes: Buffer,
	begun: () => void,
): Promise<SessionEnd> {
	const silence = new AbortController();
	const leave = new AbortController();
	const timer = setTimeout(() => {
		const why = `the agent in ${vm} does not answer`;
		silence.abort(new QubesLiteError("Unresponsive", why, { remedy: `qubes-lite status ${vm}` }));
	}, answerWithinMs);
	const mayRead = Promise.withResolvers<void>();
	const input = openInput?.() ?? null;
	let late: NodeJS.Timeout | undefined;
	let aborted: (() => void) | undefined;
	try {
		return await runSession(
			guest,
			{ ticket: granted.ticket, kind: "exec", bytes, startBy: AbortSignal.any([signal, silence.signal]) },
			{
				...{ stdin: input, mayRead: mayRead.promise, stdout, stderr, leave: leave.signal },
				onStarted: (running) => {
					clearTimeout(timer);
					begun();
					onStarted();
					mayRead.resolve();
					aborted = () => {
						running.signal("SIGTERM");
						late = setTimeout(() => leave.abort(), endWithinMs);
					};
					if (signal.aborted) aborted();
					else signal.addEventListener("abort", aborted, { once: true });
				},
			},
		);
	} finally {
		clearTimeout(timer);
		clearTimeout(late);
		if (aborted !== undefined) signal.removeEventListener("abort", aborted);
		input?.destroy();
	}
}

function toEnd(end: SessionEnd, { vm, signal }: GuestCommand): CommandEnd | "expired" {
	switch (end.kind) {
		case "ended":
			return end.end;
		case "failed":
			if (end.failure === "expired") return "expired";
			if (end.failure === "notFound") throw oldImage(vm);
			throw new QubesLiteError("NotRunning", end.message);
		default:
			signal.throwIfAborted();
			throw lost(vm);
	}
}

const lost = (vm: string): QubesLiteError =>
	new QubesLiteError("Internal", `${vm} closed the connection in the middle`, { remedy: `qubes-lite status ${vm}` });

/** What an image of before does not have, or does not know. */
export const oldImage = (vm: string): QubesLiteError =>
	new QubesLiteError("Unsupported", `the image that ${vm} runs has no program yet that copies`, {
		remedy: `qubes-lite image build && qubes-lite restart ${vm}   # for an image of your own: build it anew with this release's agent`,
	});
