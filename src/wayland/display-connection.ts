/**
 * One program's way to the compositor: between the guest's waypipe and the host's, both of which speak to us alone. Bytes go in by
 * `fromGuest` and `fromHost`, and come out by the two functions of `DisplayEnds`, before those return.
 */
import type { Budget } from "./budget.ts";
import type { VmClipboard } from "./clipboard.ts";
import { ConnectionWindows, type WindowRules } from "./connection-windows.ts";
import { Cursors } from "./cursors.ts";
import { Decorations } from "./decorations.ts";
import { Drags } from "./drags.ts";
import { Events } from "./events.ts";
import { blameGuest, blameHost } from "./faults.ts";
import { Frames } from "./frames.ts";
import { GuestFiles } from "./guest-files.ts";
import { GuestStream } from "./guest-stream.ts";
import { HostStream } from "./host-stream.ts";
import type { DisplayLimits } from "./limits.ts";
import { type Event, type Handlers, Objects } from "./objects.ts";
import { OfferIds } from "./offer-ids.ts";
import { Outlet } from "./outlet.ts";
import { Pipes } from "./pipes.ts";
import { type PopupAreas, Popups } from "./popups.ts";
import { Regions } from "./regions.ts";
import { Registry } from "./registry.ts";
import { Requests } from "./requests.ts";
import { Selections } from "./selections.ts";
import { SurfaceTree } from "./surface-tree.ts";
import { WaypipeReader } from "./waypipe-reader.ts";
import { messageTypes, tokenBytes } from "./waypipe-wire.ts";
import type { WindowList } from "./windows.ts";

/** Where bytes go. Buffers may share memory with those that came in, and are to be written in order. */
export interface DisplayEnds {
	toHost(buffers: readonly Buffer[]): void;
	toGuest(buffers: readonly Buffer[]): void;
}

/** What the connections of a vm share. */
export interface VmParts extends WindowRules {
	readonly limits: DisplayLimits;
	readonly budget: Budget;
	readonly list: WindowList;
	readonly clipboard: VmClipboard;
	readonly typePrefix: string;
	readonly popupAreas: PopupAreas;
}

export class DisplayConnection {
	readonly #budget: Budget;
	readonly #toHost: Outlet;
	readonly #toGuest: Outlet;
	readonly #guest: GuestStream;
	readonly #host: HostStream;
	readonly #guestReader: WaypipeReader;
	readonly #hostReader: WaypipeReader;
	readonly #closing: readonly { close(): void }[];
	#isClosed = false;

	constructor(vm: VmParts, ends: DisplayEnds) {
		const { limits, budget } = vm;
		this.#budget = budget;
		this.#toHost = new Outlet((buffers) => ends.toHost(buffers), limits.heldBytes, blameGuest);
		this.#toGuest = new Outlet((buffers) => ends.toGuest(buffers), limits.heldBytes, blameHost);
		const objects = new Objects(limits.objects, budget);
		const files = new GuestFiles(budget, limits);
		const pipes = new Pipes(this.#toHost, this.#toGuest, limits);
		const registry = new Registry();
		const windows = new ConnectionWindows(vm, objects, vm.list, budget);
		const tree = new SurfaceTree(objects);
		const cursors = new Cursors(objects, tree);
		const regions = new Regions(tree);
		const popups = new Popups(objects, vm.popupAreas, (messages) => this.#tell(this.#toGuest, messages));
		const decorations = new Decorations(objects, tree);
		const frames = new Frames(
			tree,
			decorations,
			(frame, extents) => popups.judge(frame, extents),
			(messages) => this.#tell(this.#toHost, messages),
		);
		const shared = { objects, pipes, limits, offerIds: new OfferIds(), typePrefix: vm.typePrefix };
		const selections = new Selections(
			{ ...shared, tellGuest: (messages, rids) => this.#tell(this.#toGuest, messages, rids) },
			vm.clipboard,
		);
		const drags = new Drags({
			...shared,
			mimeTypes: limits.mimeTypes,
			tellHost: (messages) => this.#tell(this.#toHost, messages),
		});
		const letGo: Handlers<Event> = {
			"wl_display.delete_id": ({ values: [id] }) => {
				const object = objects.delete(Number(id));
				if (object !== undefined) files.release(object);
				return undefined;
			},
		};
		const requests = new Requests({
			objects,
			limits,
			handlers: joinHandlers(
				...[
					windows.requests,
					tree.requests,
					cursors.requests,
					regions.requests,
					files.requests,
					selections.requests,
					drags.requests,
				],
				...[decorations.requests, popups.requests((object) => frames.of(object)), frames.requests],
			),
			bind: (values) => registry.bind(values),
			offer: (id, request) => selections.request(id, request) ?? drags.request(id, request),
		});
		const events = new Events({
			objects,
			handlers: joinHandlers(
				...[registry.events, popups.events, frames.events, decorations.events((surface) => frames.titled(surface))],
				...[selections.events, drags.events, letGo],
			),
			offer: (id, event) => drags.offerEvent(id, event),
		});
		this.#guest = new GuestStream({ files, pipes, requests, toHost: this.#toHost, limits });
		this.#host = new HostStream({ pipes, events, toGuest: this.#toGuest });
		this.#guestReader = new WaypipeReader(this.#guest, tokenBytes);
		this.#hostReader = new WaypipeReader(this.#host);
		this.#closing = [selections, pipes, windows, popups, files, objects];
	}

	/** What the guest's waypipe has sent, cut anywhere. Throws a GuestFault: then the whole vm is to be cut, and this one closed. */
	fromGuest(chunk: Buffer): void {
		if (this.#guest.isClosed) return;
		this.#take(this.#guestReader, chunk, this.#guest, this.#toGuest);
	}

	/** What the host's waypipe has sent. Throws a HostFault: then this connection is of no use, and to be closed; or a GuestFault, as above. */
	fromHost(chunk: Buffer): void {
		this.#take(this.#hostReader, chunk, this.#host, this.#toHost);
	}

	/** One of its ends has gone, or is to go. Nothing comes out of it any more; its windows and what it had on the clipboard are gone. */
	close(): void {
		if (this.#isClosed) return;
		this.#isClosed = true;
		this.#toHost.close();
		this.#toGuest.close();
		for (const part of this.#closing) part.close();
		this.#budget.give("connections");
	}

	#take(reader: WaypipeReader, chunk: Buffer, stream: { readonly count: number }, acks: Outlet): void {
		if (this.#isClosed) return;
		const before = stream.count;
		this.#toHost.cork();
		this.#toGuest.cork();
		try {
			reader.push(chunk);
			if (stream.count !== before) acks.ack(stream.count);
			const fault = this.#toHost.fault ?? this.#toGuest.fault;
			if (fault !== undefined) throw fault;
		} finally {
			this.#toHost.uncork();
			this.#toGuest.uncork();
		}
	}

	#tell(outlet: Outlet, messages: readonly Buffer[], rids: readonly number[] = []): void {
		if (rids.length > 0) outlet.send(messageTypes.injectRids, rids);
		outlet.send(messageTypes.protocol, [], messages);
	}
}

/** Of handlers for the same message the first verdict that changes something stands; all of them hear of it. */
function joinHandlers<T>(...tables: readonly Handlers<T>[]): Handlers<T> {
	const joined: Record<string, Handlers<T>[string]> = {};
	for (const table of tables) {
		for (const [name, handler] of Object.entries(table)) {
			const before = joined[name];
			joined[name] =
				before === undefined
					? handler
					: (message) => {
							const first = before(message);
							const second = handler(message);
							return first ?? second;
						};
		}
	}
	return joined;
}
