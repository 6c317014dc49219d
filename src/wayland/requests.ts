/** What the guest's programs ask of the compositor: each request looked at, and passed on, changed or kept. */
import { blameGuest, GuestFault } from "./faults.ts";
import { interfaceOf, type Message } from "./interfaces.ts";
import type { DisplayLimits } from "./limits.ts";
import {
	firstServerId,
	type Handlers,
	type Objects,
	type Request,
	type Verdict,
	type WaylandObject,
} from "./objects.ts";
import { type MessageHead, messageHeadBytes, readArguments, readHead, type Value } from "./wayland-wire.ts";

export interface RequestRules {
	readonly objects: Objects;
	readonly limits: DisplayLimits;
	readonly handlers: Handlers<Request>;
	/** What wl_registry.bind makes. */
	readonly bind: (values: readonly Value[]) => { kind: WaylandObject["interface"]; version: number };
	/** A request to an offer: undefined where there is no such offer. */
	readonly offer: (id: number, request: Request) => Verdict;
}

/** What goes on: messages, and the ids of their descriptors. */
export interface Passed {
	readonly messages: readonly Buffer[];
	readonly rids: readonly number[];
}

/** Of descriptors that were sent and not used; waypipe sends those that are used by the next messages. */
const waitingRids = 256;

export class Requests {
	readonly #rules: RequestRules;
	readonly #rids: number[] = [];

	constructor(rules: RequestRules) {
		this.#rules = rules;
	}

	/** Descriptors for the requests that follow. */
	inject(rids: readonly number[]): void {
		this.#rids.push(...rids);
		if (this.#rids.length > waitingRids) throw new GuestFault("it sent descriptors that belong to nothing");
	}

	/** `payload` is whole requests. */
	pass(payload: Buffer): Passed {
		const messages: Buffer[] = [];
		const rids: number[] = [];
		// From where on requests pass as they are: they go on in one piece.
		let run = 0;
		let offset = 0;
		while (offset < payload.length) {
			const head = this.#head(payload, offset);
			const end = offset + head.size;
			const request = this.#read(head, payload.subarray(offset, end));
			const verdict = this.#judge(head.object, request);
			if (request.message.isDestructor) request.object.isGone = true;
			if (verdict === undefined || verdict.length > 0) rids.push(...request.rids);
			if (verdict !== undefined) {
				if (run < offset) messages.push(payload.subarray(run, offset));
				messages.push(...verdict);
				run = end;
			}
			offset = end;
		}
		if (run < offset) messages.push(payload.subarray(run, offset));
		return { messages, rids };
	}

	#head(payload: Buffer, offset: number): MessageHead {
		if (payload.length - offset < messageHeadBytes) throw new GuestFault("it sent a part of a Wayland message");
		const head = readHead(payload, offset);
		if (head.size < messageHeadBytes || head.size % 4 !== 0 || head.size > payload.length - offset)
			throw new GuestFault("it sent a Wayland message of an impossible size");
		if (head.size > this.#rules.limits.messageBytes)
			throw new GuestFault(`it sent a Wayland message of ${head.size} bytes`, "Limit");
		return head;
	}

	#read(head: MessageHead, raw: Buffer): Request {
		const object = this.#sender(head.object);
		const message = object.interface.requests[head.opcode];
		if (message === undefined || message.since > object.version)
			throw new GuestFault(`it sent request ${head.opcode} to a ${object.interface.name}, which has no such`);
		if (head.fds !== message.fds) throw new GuestFault(`${message.name} came with ${head.fds} descriptors`);
		const values = readArguments(message, raw.subarray(messageHeadBytes), blameGuest);
		if (this.#rids.length < message.fds) throw new GuestFault(`${message.name} came without its descriptor`);
		const created = this.#resolve(object, message, values);
		return { object, message, values, created, rids: this.#rids.splice(0, message.fds), raw };
	}

	#sender(id: number): WaylandObject {
		// Who has such an offer is found out when its request is judged.
		if (id >= firstServerId) return { id, interface: offerInterface, version: offerInterface.version, isGone: false };
		return this.#rules.objects.live(id, "a request");
	}

	/** Looks at the objects that a request speaks of, and makes the one that it makes. */
	#resolve(object: WaylandObject, message: Message, values: readonly Value[]): WaylandObject | undefined {
		const { objects } = this.#rules;
		let created: WaylandObject | undefined;
		for (const [index, { kind, interfaceName }] of message.arguments.entries()) {
			const id = Number(values[index]);
			if (kind === "o" && id !== 0) {
				const spokenOf = objects.live(id, message.name);
				if (interfaceName !== undefined && spokenOf.interface.name !== interfaceName)
					throw new GuestFault(`${message.name} speaks of a ${spokenOf.interface.name}`);
			} else if (kind === "n") {
				const made =
					interfaceName === undefined
						? this.#rules.bind(values)
						: { kind: interfaceOf(interfaceName), version: object.version };
				created = objects.create(id, made.kind, made.version);
			}
		}
		return created;
	}

	#judge(id: number, request: Request): Verdict {
		if (id < firstServerId) return this.#rules.handlers[request.message.name]?.(request);
		const verdict = this.#rules.offer(id, request);
		if (verdict === undefined) throw new GuestFault("a request speaks of an object that is not there");
		return verdict;
	}
}

const offerInterface = interfaceOf("wl_data_offer");
