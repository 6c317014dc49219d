/** The protocol objects of one connection, as the guest has made them and the compositor lets go of them. */
import type { Budget } from "./budget.ts";
import { GuestFault } from "./faults.ts";
import { type Interface, interfaceOf, type Message } from "./interfaces.ts";
import type { Value } from "./wayland-wire.ts";

export interface WaylandObject {
	readonly id: number;
	readonly interface: Interface;
	readonly version: number;
	/** The guest has destroyed it; its id is taken until the compositor says so, and events may still come. */
	isGone: boolean;
}

/** A request of the guest's that is known to be whole and to speak of objects that are there. */
export interface Request {
	readonly object: WaylandObject;
	readonly message: Message;
	readonly values: readonly Value[];
	/** What it makes, if it makes something. */
	readonly created: WaylandObject | undefined;
	/** waypipe's ids of the descriptors that came along. */
	readonly rids: readonly number[];
	readonly raw: Buffer;
}

export interface Event {
	readonly object: WaylandObject;
	readonly message: Message;
	readonly values: readonly Value[];
	readonly rids: readonly number[];
	readonly raw: Buffer;
}

/** What becomes of a message: undefined passes it on as it is, else these go in its place, which may be none. */
export type Verdict = readonly Buffer[] | undefined;

/** By the message's name. What is not named passes. */
export type Handlers<T> = Readonly<Record<string, (message: T) => Verdict>>;

/** Ids from here on are the compositor's. */
export const firstServerId = 0xff000000;

export class Objects {
	readonly #objects = new Map<number, WaylandObject>();
	readonly #limit: number;
	readonly #budget: Budget;

	constructor(limit: number, budget: Budget) {
		this.#limit = limit;
		this.#budget = budget;
		this.create(1, interfaceOf("wl_display"), 1);
	}

	/** Also one that is gone, for the events that are still on their way. */
	get(id: number): WaylandObject | undefined {
		return this.#objects.get(id);
	}

	/** One that the guest may speak of. */
	live(id: number, message: string): WaylandObject {
		const object = this.#objects.get(id);
		if (object === undefined || object.isGone) throw new GuestFault(`${message} speaks of an object that is not there`);
		return object;
	}

	/** Made by a request. */
	create(id: number, kind: Interface, version: number): WaylandObject {
		if (id === 0 || id >= firstServerId)
			throw new GuestFault(`it made an object with the id ${id}, which is not a program's`);
		if (this.#objects.has(id)) throw new GuestFault(`it made an object with the id ${id}, which is taken`);
		if (this.#objects.size >= this.#limit)
			throw new GuestFault(`one of its programs has ${this.#limit} objects`, "Limit");
		this.#budget.take("allObjects");
		if (isSurface(kind)) this.#budget.take("surfaces");
		const object: WaylandObject = { id, interface: kind, version, isGone: false };
		this.#objects.set(id, object);
		return object;
	}

	/** The compositor has let go of it; undefined where there is no such. */
	delete(id: number): WaylandObject | undefined {
		const object = this.#objects.get(id);
		if (object === undefined) return undefined;
		this.#objects.delete(id);
		this.#budget.give("allObjects");
		if (isSurface(object.interface)) this.#budget.give("surfaces");
		return object;
	}

	/** The compositor lets go of all with their connection. */
	close(): void {
		for (const id of [...this.#objects.keys()]) this.delete(id);
	}
}

const isSurface = ({ name }: Interface): boolean => name === "wl_surface";
