/** What the compositor tells the guest's programs: passed on, changed or kept. It is trusted, but not to be without faults. */
import { blameHost, HostFault } from "./faults.ts";
import { interfaceOf } from "./interfaces.ts";
import { type Event, firstServerId, type Handlers, type Objects, type Verdict } from "./objects.ts";
import type { Passed } from "./requests.ts";
import { type MessageHead, messageHeadBytes, readArguments, readHead } from "./wayland-wire.ts";

export interface EventRules {
	readonly objects: Objects;
	readonly handlers: Handlers<Event>;
	/** An event of an offer, by the compositor's id for it. */
	readonly offer: (id: number, event: Pick<Event, "message" | "values">) => Verdict;
}

export class Events {
	readonly #rules: EventRules;
	readonly #rids: number[] = [];

	constructor(rules: EventRules) {
		this.#rules = rules;
	}

	/** Descriptors for the events that follow. */
	inject(rids: readonly number[]): void {
		this.#rids.push(...rids);
	}

	/** `payload` is whole events. */
	pass(payload: Buffer): Passed {
		const messages: Buffer[] = [];
		const rids: number[] = [];
		let run = 0;
		let offset = 0;
		while (offset < payload.length) {
			const head = readWhole(payload, offset);
			const end = offset + head.size;
			const own = this.#rids.splice(0, head.fds);
			const verdict = this.#judge(head, payload.subarray(offset, end), own);
			if (verdict === undefined || verdict.length > 0) rids.push(...own);
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

	#judge(head: MessageHead, raw: Buffer, rids: readonly number[]): Verdict {
		const body = raw.subarray(messageHeadBytes);
		if (head.object >= firstServerId) {
			const message = offerInterface.events[head.opcode];
			if (message === undefined) throw new HostFault(`the compositor sent an unknown event ${head.opcode} of an offer`);
			return this.#rules.offer(head.object, { message, values: readArguments(message, body, blameHost) });
		}
		const object = this.#rules.objects.get(head.object);
		// A program that ended its objects in an order of its own is not to be bothered; libwayland drops such events, too.
		if (object === undefined) return [];
		const message = object.interface.events[head.opcode];
		if (message === undefined)
			throw new HostFault(`the compositor sent event ${head.opcode} of a ${object.interface.name}, which has no such`);
		const handler = this.#rules.handlers[message.name];
		if (handler === undefined) return undefined;
		return handler({ object, message, values: readArguments(message, body, blameHost), rids, raw });
	}
}

function readWhole(payload: Buffer, offset: number): MessageHead {
	const rest = payload.length - offset;
	if (rest < messageHeadBytes) throw new HostFault("the compositor sent a part of a Wayland message");
	const head = readHead(payload, offset);
	if (head.size < messageHeadBytes || head.size % 4 !== 0 || head.size > rest)
		throw new HostFault("the compositor sent a Wayland message of an impossible size");
	return head;
}

const offerInterface = interfaceOf("wl_data_offer");
