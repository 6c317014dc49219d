/**
 * One connection of a guest's program to the host's sound server (PulseAudio, or PipeWire's pulse server), of which it gets to play, and to record where that is
 * allowed. No I/O: bytes in, bytes out by callbacks, in order. A guest that can't keep up with what it is told must not be read from either, or else it could have this
 * host keep any number of refusals for it.
 */
import { QubesLiteError } from "../errors.ts";
import { command, failure, unaskedTag } from "./commands.ts";
import { toGuestEvent } from "./host-events.ts";
import { OwnStreams } from "./own-streams.ts";
import { PacketSplitter } from "./packet-splitter.ts";
import type { Reply, RequestContext, SoundOptions } from "./request-context.ts";
import { rules } from "./requests.ts";
import { TagReader } from "./tag-reader.ts";
import { TagWriter } from "./tag-writer.ts";

export interface SoundOutputs {
	toHost(bytes: Buffer): void;
	toGuest(bytes: Buffer): void;
}

/** Libraries send lists of properties, of a few KiB; and samples in blocks of at most 64 KiB, where the server would take 16 MiB and keep it. */
const guestLimits = { commandBytes: 64 * 1024, blockBytes: 256 * 1024 };
/** Lists of devices with all their properties; blocks as the server's own limit has them. */
const hostLimits = { commandBytes: 4 * 1024 * 1024, blockBytes: 16 * 1024 * 1024 };
/** Of a guest, at once. Libraries ask for the time of each stream every 100 ms, whether they have been answered or not. */
const maxUnanswered = 1024;
/** From here on tags are our own; a library counts from 0. */
const firstOwnTag = 0xf000_0000;

interface Question {
	readonly tag: number;
	readonly reply: Reply;
	readonly failed: (() => void) | undefined;
}

export class SoundConnection {
	readonly #outputs: SoundOutputs;
	readonly #context: RequestContext;
	readonly #guest: PacketSplitter;
	readonly #host: PacketSplitter;
	/** What the host has been asked, by tag. */
	readonly #questions = new Map<number, Question>();
	/** Tags of the guest's that have no answer yet. */
	readonly #unanswered = new Set<number>();
	/** What waits for the end of a block that the guest is being given. */
	#waiting: TagWriter[] = [];
	#ownTags = firstOwnTag;
	#isGreeted = false;

	constructor(options: SoundOptions, outputs: SoundOutputs) {
		this.#outputs = outputs;
		this.#context = {
			options,
			playback: new OwnStreams(),
			record: new OwnStreams(),
			program: "",
			version: 0,
			ask: (request, tag, reply, failed) => {
				this.#questions.set(tag, { tag, reply, failed });
				outputs.toHost(request.packet());
			},
			ownTag: () => {
				this.#ownTags = this.#ownTags + 1 < unaskedTag ? this.#ownTags + 1 : firstOwnTag;
				return this.#ownTags;
			},
			refuse: (tag, code) => this.#tell(new TagWriter(command.error, tag).u32(code)),
			answer: (reply) => this.#tell(reply),
		};
		this.#guest = new PacketSplitter(guestLimits, {
			command: (payload) => this.#takeRequest(payload),
			beginBlock: (channel, descriptor) => this.#takeSamples(channel, descriptor),
			piece: (bytes) => outputs.toHost(bytes),
		});
		this.#host = new PacketSplitter(hostLimits, {
			command: (payload) => this.#takeFromHost(payload),
			beginBlock: (channel, descriptor) => {
				this.#tellWaiting();
				if (!this.#context.record.has(channel)) return false;
				outputs.toGuest(descriptor);
				return true;
			},
			piece: (bytes) => outputs.toGuest(bytes),
		});
	}

	/** Throws with one sentence where the guest breaks a rule: BadRequest, or Limit. The connection is to be ended then, both ways. */
	fromGuest(chunk: Buffer): void {
		this.#guest.push(chunk);
	}

	/** Throws Unsupported where the host's server is not understood, which ends the connection, too. */
	fromHost(chunk: Buffer): void {
		try {
			this.#host.push(chunk);
		} catch (cause) {
			if (!(cause instanceof QubesLiteError)) throw cause;
			throw new QubesLiteError("Unsupported", `the host's sound server is not understood: ${cause.message}`, { cause });
		}
		if (this.#host.isBetweenPackets) this.#tellWaiting();
	}

	#takeRequest(payload: Buffer): void {
		const body = new TagReader(payload);
		const [number, tag] = [body.u32(), body.u32()];
		if (tag >= firstOwnTag)
			throw new QubesLiteError("BadRequest", "a sound command has a number that is not the guest's");
		if (this.#unanswered.has(tag)) {
			throw new QubesLiteError("BadRequest", "a sound command has the number of one that is not answered yet");
		}
		if (this.#unanswered.size >= maxUnanswered) {
			throw new QubesLiteError("Limit", `more than ${maxUnanswered} sound commands wait for an answer`);
		}
		if ((number === command.auth) === this.#isGreeted) {
			throw new QubesLiteError("BadRequest", "a sound connection begins with its greeting, which comes once");
		}
		this.#isGreeted = true;
		this.#unanswered.add(tag);
		const rule = rules.get(number);
		if (rule === undefined) this.#context.refuse(tag, failure.access);
		else rule(this.#context, tag, body);
	}

	/** Samples: those for a stream that the host has just ended are thrown away. */
	#takeSamples(channel: number, descriptor: Buffer): boolean {
		const { playback } = this.#context;
		if (playback.has(channel)) {
			this.#outputs.toHost(descriptor);
			return true;
		}
		if (playback.hadLately(channel)) return false;
		throw new QubesLiteError("BadRequest", "samples came for a stream that the guest does not have");
	}

	#takeFromHost(payload: Buffer): void {
		this.#tellWaiting();
		const body = new TagReader(payload);
		const [number, tag] = [body.u32(), body.u32()];
		if (number !== command.reply && number !== command.error) {
			const event = toGuestEvent(this.#context, number, body);
			if (event !== undefined) this.#tell(event);
			return;
		}
		const question = this.#questions.get(tag);
		if (question === undefined) return;
		this.#questions.delete(tag);
		if (number === command.error) this.#takeRefusal(question, body.u32());
		else this.#takeReply(question, body);
	}

	#takeRefusal({ tag, failed }: Question, code: number): void {
		failed?.();
		if (tag < firstOwnTag) this.#context.refuse(tag, code);
	}

	#takeReply({ tag, reply }: Question, body: TagReader): void {
		const answer = reply(body, new TagWriter(command.reply, tag));
		if (answer === undefined) return;
		if ("refusedWith" in answer) this.#context.refuse(tag, answer.refusedWith);
		else this.#tell(answer);
	}

	#tell(answer: TagWriter): void {
		if (!this.#host.isBetweenPackets) {
			this.#waiting.push(answer);
			return;
		}
		this.#unanswered.delete(answer.tag);
		this.#outputs.toGuest(answer.packet());
	}

	#tellWaiting(): void {
		const waiting = this.#waiting;
		this.#waiting = [];
		for (const answer of waiting) this.#tell(answer);
	}
}
