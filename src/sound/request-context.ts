/** What the rules for a guest's requests have to do with: the connection's facts, and both ways out. */
import type { OwnStreams } from "./own-streams.ts";
import type { TagReader } from "./tag-reader.ts";
import type { TagWriter } from "./tag-writer.ts";

export interface SoundOptions {
	/** Stands in front of what the host sees of this guest's programs. */
	readonly vm: string;
	readonly playback: boolean;
	readonly capture: boolean;
}

/** What the guest is told for a reply of the host: the body is read up to its end, or left. */
export type Reply = (body: TagReader, answer: TagWriter) => TagWriter | { readonly refusedWith: number } | undefined;

/** A reply without anything private, as it is. */
export const pass: Reply = (body, answer) => answer.raw(body.rest());

export interface RequestContext {
	readonly options: SoundOptions;
	readonly playback: OwnStreams;
	readonly record: OwnStreams;
	/** Of the guest's program, as it has said it. */
	program: string;
	/** Of the protocol; what both know. Known once the host has answered the first request. */
	version: number;
	/** To the host, as the request with this tag. What is answered, `reply` changes for the guest (undefined: the guest is told nothing); the host's refusal passes after `failed`. */
	ask(request: TagWriter, tag: number, reply: Reply, failed?: () => void): void;
	/** A tag that is nobody's yet, for a request that is our own. */
	ownTag(): number;
	/** The guest is told that it may not, or why not. Nothing goes to the host. */
	refuse(tag: number, failure: number): void;
	/** A reply of our own. */
	answer(reply: TagWriter): void;
}

/** A request of the guest's: its body, which is parsed whole, and what becomes of it. Throws BadRequest where it is not of its form. */
export type Rule = (context: RequestContext, tag: number, body: TagReader) => void;
