/**
 * Drag and drop, within a vm only. It goes by way of the compositor, which knows where the pointer is; but the types of a vm's
 * sources have a prefix there that nobody else knows. What has another, of another vm or of the host, the guest never sees.
 */
import { messageOf } from "./interfaces.ts";
import type { Event, Handlers, Request, Verdict, WaylandObject } from "./objects.ts";
import type { OfferIds } from "./offer-ids.ts";
import type { Pipes } from "./pipes.ts";
import { encodeWayland, type Value } from "./wayland-wire.ts";

/** An offer of the compositor's: it may be of a drag or of the host's clipboard, and only the next event says which. */
interface HostOffer {
	readonly id: number;
	/** Our own vm's types, as its programs know them. */
	readonly types: string[];
	sourceActions: number | undefined;
	action: number | undefined;
	/** The guest's id for it, once it is told. */
	guestId: number | undefined;
}

export interface DragPeers {
	readonly pipes: Pipes;
	readonly offerIds: OfferIds;
	readonly typePrefix: string;
	/** Sends a Wayland message to the compositor. */
	readonly tellHost: (messages: readonly Buffer[]) => void;
	/** How many types of an offer are kept. */
	readonly mimeTypes: number;
}

export class Drags {
	readonly #peers: DragPeers;
	/** By the compositor's ids. */
	readonly #offers = new Map<number, HostOffer>();
	/** By the guest's ids. */
	readonly #told = new Map<number, HostOffer>();
	/** Strangers' drags that are over a window of the guest's, by the device. */
	readonly #strangers = new WeakMap<WaylandObject, HostOffer>();

	constructor(peers: DragPeers) {
		this.#peers = peers;
	}

	readonly requests: Handlers<Request> = {
		// Without its picture, which would follow the pointer over the whole screen.
		"wl_data_device.start_drag": ({ object, message, values: [source, origin, , serial] }) => [
			encodeWayland(object.id, message, [source, origin, 0, serial]),
		],
	};

	readonly events: Handlers<Event> = {
		"wl_data_device.data_offer": ({ values: [id] }) => {
			const offer = { id: Number(id), types: [], sourceActions: undefined, action: undefined, guestId: undefined };
			this.#offers.set(offer.id, offer);
			return [];
		},
		"wl_data_device.selection": ({ values: [id] }) => {
			this.#dismiss(this.#offers.get(Number(id)));
			return [];
		},
		"wl_data_device.enter": (event) => this.#enter(event),
		"wl_data_device.motion": ({ object }) => (this.#strangers.has(object) ? [] : undefined),
		"wl_data_device.leave": ({ object }) => this.#leave(object),
		"wl_data_device.drop": ({ object }) => this.#leave(object),
		"wl_data_source.target": ({ object, message, values: [type] }) => {
			if (type === undefined) return undefined;
			const own = this.#strip(type);
			return own === undefined ? [] : [encodeWayland(object.id, message, [own])];
		},
		"wl_data_source.send": ({ object, message, values: [type], rids: [rid = 0] }) => {
			const own = this.#strip(type);
			if (own === undefined) {
				this.#peers.pipes.refuse(rid);
				return [];
			}
			this.#peers.pipes.pass(rid);
			return [encodeWayland(object.id, message, [own, 0])];
		},
	};

	/** An event of an offer of the compositor's; false where there is no such offer. */
	offerEvent(id: number, { message, values }: Pick<Event, "message" | "values">): Verdict {
		const offer = this.#offers.get(id);
		if (offer === undefined) return [];
		let told: readonly Value[] = values;
		if (message.name === "wl_data_offer.offer") {
			const own = this.#strip(values[0]);
			if (own === undefined || offer.types.length >= this.#peers.mimeTypes) return [];
			offer.types.push(own);
			told = [own];
		} else if (message.name === "wl_data_offer.source_actions") offer.sourceActions = Number(values[0]);
		else offer.action = Number(values[0]);
		return offer.guestId === undefined ? [] : [encodeWayland(offer.guestId, message, told)];
	}

	/** A request to an offer; undefined where it is none of a drag. */
	request(offerId: number, { message, values, rids: [rid = 0] }: Request): Verdict {
		const offer = this.#told.get(offerId);
		if (offer === undefined) return undefined;
		const [first, second] = values;
		switch (message.name) {
			case "wl_data_offer.accept":
				return [encodeWayland(offer.id, message, [first, second === undefined ? undefined : this.#prefix(second)])];
			case "wl_data_offer.receive":
				if (!this.#peers.pipes.has(rid)) return [];
				this.#peers.pipes.pass(rid);
				return [encodeWayland(offer.id, message, [this.#prefix(first), 0])];
			case "wl_data_offer.destroy":
				this.#told.delete(offerId);
				this.#offers.delete(offer.id);
				this.#peers.offerIds.give(offerId);
				return [encodeWayland(offer.id, message, [])];
			default:
				return [encodeWayland(offer.id, message, values)];
		}
	}

	#enter({ object, message, values, raw }: Event): Verdict {
		const [serial, surface, x, y, id] = values;
		this.#strangers.delete(object);
		// Without an offer it is a drag of this very connection.
		if (id === 0) return [raw];
		const offer = this.#offers.get(Number(id));
		if (offer === undefined) return [];
		if (offer.types.length === 0) {
			this.#strangers.set(object, offer);
			return [];
		}
		const guestId = this.#peers.offerIds.take();
		offer.guestId = guestId;
		this.#told.set(guestId, offer);
		const tell = (name: string, value: Value): Buffer =>
			encodeWayland(guestId, messageOf(`wl_data_offer.${name}`), [value]);
		return [
			encodeWayland(object.id, messageOf("wl_data_device.data_offer"), [guestId]),
			...offer.types.map((type) => tell("offer", type)),
			...(offer.sourceActions === undefined ? [] : [tell("source_actions", offer.sourceActions)]),
			...(offer.action === undefined ? [] : [tell("action", offer.action)]),
			encodeWayland(object.id, message, [serial, surface, x, y, guestId]),
		];
	}

	#leave(device: WaylandObject): Verdict {
		const stranger = this.#strangers.get(device);
		if (stranger === undefined) return undefined;
		this.#strangers.delete(device);
		this.#dismiss(stranger);
		return [];
	}

	/** Destroys one that the guest was never told of, as its program would have. */
	#dismiss(offer: HostOffer | undefined): void {
		if (offer === undefined || offer.guestId !== undefined) return;
		this.#offers.delete(offer.id);
		this.#peers.tellHost([encodeWayland(offer.id, messageOf("wl_data_offer.destroy"), [])]);
	}

	#prefix(type: Value): string {
		return `${this.#peers.typePrefix}${type}`;
	}

	#strip(type: Value): string | undefined {
		const { typePrefix } = this.#peers;
		return String(type).startsWith(typePrefix) ? String(type).slice(typePrefix.length) : undefined;
	}
}
