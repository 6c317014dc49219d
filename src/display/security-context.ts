/**
 * A socket of the compositor's own for one vm, by wp_security_context_v1 (wayland-protocols, staging): who connects there is known to it as a sandboxed program of that vm's, and is
 * offered no more than such a one may have. Not every compositor has that.
 */
import { closeSync, rmSync } from "node:fs";
import { connect, Socket } from "node:net";
import { encodeWayland, type MessageForm, messageHeadBytes, readHead } from "../wayland/wayland-wire.ts";
import { connectTo, listenAt, makePipe, sendWith } from "./unix-sockets.ts";

/** A compositor answers in milliseconds. One that does not is asked no more, and has its windows without. */
const answerWithinMs = 2_000;
const manager = "wp_security_context_manager_v1";
/** What a list of globals comes to. */
const answerMaxBytes = 256 * 1024;

type Kinds = readonly ("n" | "s" | "u")[];
const message = (opcode: number, ...kinds: Kinds): MessageForm => ({
	...{ opcode, fds: 0 },
	arguments: kinds.map((kind) => ({ kind })),
});
/** Of wl_display, object 1. */
const sync = message(0, "n");
const getRegistry = message(1, "n");
const bind = message(0, "u", "s", "u", "n");
/** Its two descriptors go beside the bytes. */
const createListener = message(1, "n");
/** Of the context: engine, program, instance. */
const setters = [message(1, "s"), message(2, "s"), message(3, "s")];
const commit = message(4);

/** Numbers of ours, of which none may be left out on a connection: the first one lists, the second one makes. */
const ids = { display: 1, registry: 2, listed: 3, manager: 3, context: 4, committed: 5 } as const;

export interface SecurityContext {
	/** Where its programs connect. */
	readonly path: string;
	/** Nobody new can connect; who has, stays. */
	close(): void;
}

/** Resolves with null where the compositor has no such thing, or does not do it. Never rejects. */
export async function openSecurityContext(
	compositor: string,
	{ vm, path }: { readonly vm: string; readonly path: string },
): Promise<SecurityContext | null> {
	try {
		const global = await findManager(compositor);
		return global === undefined ? null : await create(compositor, global, vm, path);
	} catch {
		return null;
	}
}

/** The number of its global. */
async function findManager(compositor: string): Promise<number | undefined> {
	const socket = connect(compositor);
	const question = [
		encodeWayland(ids.display, getRegistry, [ids.registry]),
		encodeWayland(ids.display, sync, [ids.listed]),
	];
	const events = await ask(socket, () => socket.write(Buffer.concat(question)), ids.listed);
	for (const { object, opcode, body } of events) {
		if (object !== ids.registry || opcode !== 0) continue;
		const length = body.readUInt32LE(4);
		if (body.toString("utf8", 8, 8 + length - 1) === manager) return body.readUInt32LE(0);
	}
	return undefined;
}

async function create(compositor: string, global: number, vm: string, path: string): Promise<SecurityContext> {
	rmSync(path, { force: true });
	const listening = listenAt(path);
	/** It listens until our end of this is closed. */
	const lasting = makePipe();
	const close = (): void => {
		closeSync(lasting.writing);
		rmSync(path, { force: true });
	};
	try {
		const fd = connectTo(compositor);
		const names = ["io.github.qubes-lite", `qubes-lite.${vm}`, vm];
		const request = Buffer.concat([
			encodeWayland(ids.display, getRegistry, [ids.registry]),
			encodeWayland(ids.registry, bind, [global, manager, 1, ids.manager]),
			encodeWayland(ids.manager, createListener, [ids.context]),
			...setters.map((setter, index) => encodeWayland(ids.context, setter, [names[index]])),
			encodeWayland(ids.context, commit, []),
			encodeWayland(ids.display, sync, [ids.committed]),
		]);
		const socket = new Socket({ fd });
		await ask(socket, () => sendWith(fd, request, [listening, lasting.reading]), ids.committed);
		return { path, close };
	} catch (cause) {
		close();
		throw cause;
	} finally {
		closeSync(listening);
		closeSync(lasting.reading);
	}
}

interface Event {
	readonly object: number;
	readonly opcode: number;
	readonly body: Buffer;
}

/** All events until the callback `last` is done. Rejects where the display tells an error, or is silent. Ends `socket`. */
function ask(socket: Socket, question: () => void, last: number): Promise<Event[]> {
	return new Promise<Event[]>((resolve, reject) => {
		const events: Event[] = [];
		let held = Buffer.alloc(0);
		const fail = (why: string): void => reject(new Error(`the compositor ${why}`));
		socket.setTimeout(answerWithinMs, () => fail("does not answer"));
		socket.once("error", reject);
		socket.once("close", () => fail("has closed the connection"));
		socket.on("data", (chunk: Buffer) => {
			held = Buffer.concat([held, chunk]);
			while (held.length >= messageHeadBytes) {
				const { object, opcode, size } = readHead(held, 0);
				if (size < messageHeadBytes) return fail("is not understood");
				if (held.length < size) break;
				const event = { object, opcode, body: held.subarray(messageHeadBytes, size) };
				held = held.subarray(size);
				if (object === ids.display && opcode === 0) return fail("refuses it");
				if (object === last) return resolve(events);
				events.push(event);
			}
			if (held.length > answerMaxBytes) fail("says too much");
		});
		question();
	}).finally(() => socket.destroy());
}
