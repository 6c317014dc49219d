/** The vm's clipboard for the programs of one connection. The compositor hears nothing of it, and what it says of its own they never hear. */
import type { Selection, Sink, VmClipboard } from "./clipboard.ts";
import { GuestFault } from "./faults.ts";
import { messageOf } from "./interfaces.ts";
import type { DisplayLimits } from "./limits.ts";
import type { Event, Handlers, Objects, Request, Verdict, WaylandObject } from "./objects.ts";
import type { OfferIds } from "./offer-ids.ts";
import type { Pipes } from "./pipes.ts";
import { encodeWayland } from "./wayland-wire.ts";

/** Of a type's name, in bytes: the longest in use have about a hundred. */
const typeBytes = 256;

interface Source {
	readonly types: string[];
	selection: Selection | undefined;
}

export interface SelectionPeers {
	readonly objects: Objects;
	readonly pipes: Pipes;
	readonly offerIds: OfferIds;
	readonly limits: DisplayLimits;
	/** What programs put before each type towards the compositor, so that a drag of theirs is no other's. */
	readonly typePrefix: string;
	/** Sends Wayland messages to the guest, with the pipes that belong to them. */
	readonly tellGuest: (messages: readonly Buffer[], rids?: readonly number[]) => void;
}

export class Selections {
	readonly #peers: SelectionPeers;
	readonly #clipboard: VmClipboard;
	readonly #devices = new Set<WaylandObject>();
	readonly #sources = new Map<WaylandObject, Source>();
	/** By the guest's ids. */
	readonly #offers = new Map<number, Selection>();
	readonly #unwatch: () => void;
	#typeCount = 0;
	#isFocused = false;

	constructor(peers: SelectionPeers, clipboard: VmClipboard) {
		this.#peers = peers;
		this.#clipboard = clipboard;
		this.#unwatch = clipboard.watch(() => {
			if (this.#isFocused && this.#devices.size > 0) peers.tellGuest(this.#announce());
		});
	}

	readonly requests: Handlers<Request> = {
		"wl_data_device_manager.create_data_source": ({ created }) => {
			if (created !== undefined) this.#sources.set(created, { types: [], selection: undefined });
			return undefined;
		},
		"wl_data_source.offer": ({ object, message, values: [type] }) => {
			this.#offer(object, String(type));
			return [encodeWayland(object.id, message, [`${this.#peers.typePrefix}${type}`])];
		},
		"wl_data_source.destroy": ({ object }) => {
			this.#forget(object);
			return undefined;
		},
		"wl_data_device_manager.get_data_device": ({ created }) => {
			if (created === undefined) return undefined;
			this.#devices.add(created);
			if (this.#isFocused) this.#peers.tellGuest(this.#announceTo(created));
			return undefined;
		},
		"wl_data_device.release": ({ object }) => {
			this.#devices.delete(object);
			return undefined;
		},
		"wl_data_device.set_selection": ({ values: [sourceId] }) => {
			this.#clipboard.own(sourceId === 0 ? undefined : this.#select(Number(sourceId)));
			return [];
		},
	};

	readonly events: Handlers<Event> = {
		"wl_keyboard.enter": ({ raw }) => {
			this.#isFocused = true;
			return [...this.#announce(), raw];
		},
		"wl_keyboard.leave": () => {
			this.#isFocused = false;
			return undefined;
		},
	};

	/** A request to an offer; undefined where the offer is not ours. */
	request(offerId: number, { message, values, rids: [rid = 0] }: Request): Verdict {
		const selection = this.#offers.get(offerId);
		if (selection === undefined) return undefined;
		if (message.name === "wl_data_offer.destroy") {
			this.#offers.delete(offerId);
			this.#peers.offerIds.give(offerId);
		} else if (message.name === "wl_data_offer.receive") this.#paste(selection, String(values[0]), rid);
		return [];
	}

	close(): void {
		this.#unwatch();
		for (const object of [...this.#sources.keys()]) this.#forget(object);
	}

	#offer(object: WaylandObject, type: string): void {
		const source = this.#sources.get(object);
		const { mimeTypes, allMimeTypes } = this.#peers.limits;
		if (Buffer.byteLength(type) > typeBytes) throw new GuestFault("it offers a type with an endless name", "Limit");
		if (source === undefined || source.types.includes(type)) return;
		if (source.types.length >= mimeTypes) throw new GuestFault(`it offers more than ${mimeTypes} types`, "Limit");
		if (this.#typeCount >= allMimeTypes)
			throw new GuestFault(`one of its programs offers more than ${allMimeTypes} types`, "Limit");
		this.#typeCount++;
		source.types.push(type);
	}

	#paste(selection: Selection, type: string, rid: number): void {
		const { pipes, limits } = this.#peers;
		if (!pipes.has(rid)) return;
		let stop = (): void => {};
		const pipe = pipes.serve(rid, () => stop());
		let rest = limits.clipboardBytes;
		const bounded: Sink = {
			...pipe,
			piece: (piece) => {
				// A piece costs us more than its bytes.
				rest -= piece.length + 64;
				if (rest >= 0) pipe.piece(piece);
				else {
					stop();
					pipe.end();
				}
			},
		};
		stop = this.#clipboard.paste(type, bounded, selection);
	}

	#select(sourceId: number): Selection | undefined {
		const { objects, pipes, tellGuest } = this.#peers;
		const object = objects.get(sourceId);
		const source = object === undefined ? undefined : this.#sources.get(object);
		if (object === undefined || source === undefined) return undefined;
		source.selection ??= {
			types: source.types,
			give: (type, sink) => {
				const { rid, stop } = pipes.openOwn(sink);
				tellGuest([encodeWayland(object.id, messageOf("wl_data_source.send"), [type, 0])], [rid]);
				return stop;
			},
			replaced: () => {
				if (!object.isGone) tellGuest([encodeWayland(object.id, messageOf("wl_data_source.cancelled"), [])]);
			},
		};
		return source.selection;
	}

	#forget(object: WaylandObject): void {
		const { types = [], selection } = this.#sources.get(object) ?? {};
		this.#typeCount -= types.length;
		this.#sources.delete(object);
		object.isGone = true;
		if (selection !== undefined) this.#clipboard.disown(selection);
	}

	#announce(): Buffer[] {
		return [...this.#devices].flatMap((device) => this.#announceTo(device));
	}

	#announceTo(device: WaylandObject): Buffer[] {
		const selection = this.#clipboard.selection;
		const tell = (name: string, values: readonly number[]): Buffer =>
			encodeWayland(device.id, messageOf(`wl_data_device.${name}`), values);
		if (selection === undefined || this.#offers.size >= this.#peers.limits.offers) return [tell("selection", [0])];
		const id = this.#peers.offerIds.take();
		this.#offers.set(id, selection);
		const types = selection.types.map((type) => encodeWayland(id, offerEvent, [type]));
		return [tell("data_offer", [id]), ...types, tell("selection", [id])];
	}
}

const offerEvent = messageOf("wl_data_offer.offer");
