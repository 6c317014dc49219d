/** broker.sock: accepts clients, and serves their requests. */
import { QubesLiteError } from "../errors.ts";
import { type BrokerRequest, encodeProgress } from "../protocol/broker.ts";
import { ClientConnection } from "./client-connection.ts";
import { ListeningSocket } from "./listening-socket.ts";
import { reportProgress } from "./report-progress.ts";
import { type Requests, toMachineTime } from "./requests.ts";
import { serveAttach, serveHold } from "./serve-attach.ts";
import { serveEvents } from "./serve-events.ts";
import { serveInhibit } from "./serve-inhibit.ts";
import { serveRun } from "./serve-run.ts";

/** Far more than a desktop has clients: one for each session, and a few that ask something. */
const clientsMax = 1024;
/** Those that are one too many are told so. Beyond that Node accepts and closes, unread: something connects in a circle. */
const connectionsMax = clientsMax + 128;

export class BrokerServer {
	readonly #requests: Requests;
	readonly #socket: ListeningSocket;
	readonly #clients = new Set<ClientConnection>();

	/** `clientsChanged`: a client came or went. */
	constructor(requests: Requests, clientsChanged: () => void) {
		this.#requests = requests;
		this.#socket = new ListeningSocket(connectionsMax, (socket) => {
			const client = new ClientConnection(socket);
			this.#clients.add(client);
			clientsChanged();
			socket.once("close", () => {
				this.#clients.delete(client);
				clientsChanged();
			});
			void this.#serve(client);
		});
	}

	get clients(): number {
		return this.#clients.size;
	}

	/** Its clients come from here. */
	get socket(): ListeningSocket {
		return this.#socket;
	}

	/**
	 * No new clients; those that are connected are cut, and ask the next broker. What runs goes on, as after a kill. Who has
	 * connected and is not accepted yet waits in the service manager's socket for the next broker, or asks for one.
	 */
	close(): void {
		this.#socket.close();
		for (const client of this.#clients) client.cut();
	}

	async #serve(client: ClientConnection): Promise<void> {
		const isOneTooMany = this.#clients.size > clientsMax;
		try {
			const { request, bytes } = await client.receive();
			if (isOneTooMany) throw tooManyClients();
			await this.#requests.admit(request, bytes);
			await this.#dispatch(client, request, bytes);
		} catch (cause) {
			client.refuse(this.#requests.toRefusal(cause));
		}
	}

	async #dispatch(client: ClientConnection, request: BrokerRequest, bytes: Buffer | null): Promise<void> {
		const { registry, policy, now, clock, wallNow, log } = this.#requests.dependencies;
		const number = this.#requests.nextNumber();
		const askedAt = toMachineTime("askedAt" in request ? request.askedAt : undefined, now());
		if (mayTakeLong(request)) client.send(encodeProgress({ phase: "asked", elapsedMs: 0 }));
		switch (request.method) {
			case "events":
				await serveEvents(client, request.vm === null ? null : registry.find(request.vm).config.name, {
					...{ registry, pid: process.pid, now, wallNow },
					mayTell: (vm) => this.#requests.mayTell(vm),
					onPolicy: (changed) => policy.onChange(changed),
				});
				return;
			case "run":
				if (request.wayland !== undefined) this.#requests.dependencies.sawSession(request.wayland);
				await serveRun(client, request, { registry, number, askedAt, now, clock, bytes: withBytes(bytes) });
				return;
			case "attach":
				await serveAttach(client, request, { registry, number, askedAt, now, clock, bytes: withBytes(bytes) });
				return;
			case "hold":
				await serveHold(client, request, registry.find(request.vm));
				return;
			case "inhibit": {
				const vm = registry.findToUse(request.vm);
				const { label, pid } = request;
				const held = (): void => {
					log.info({ event: "vm.inhibited", vm: vm.config.name, label, pid });
					client.tell(this.#requests.withWarning({ schema: 1, vm: this.#requests.status(vm) }));
				};
				await serveInhibit(client, request, { registry, vm, number, held });
				return;
			}
			default: {
				const reply = await this.#requests.answer(request, number, (vm) => reportProgress(client, vm, now));
				client.reply(this.#requests.withWarning(reply));
			}
		}
	}
}

/** These wait for a guest. A service manager's socket accepts by itself: that a broker is there, its client hears at once. */
const mayTakeLong = ({ method }: BrokerRequest): boolean =>
	method === "run" || method === "attach" || method === "start" || method === "stop" || method === "sessions";

const tooManyClients = (): QubesLiteError =>
	new QubesLiteError("Limit", `${clientsMax} clients are connected to the broker already, which is the limit`, {
		remedy: "end some of them: qubes-lite ps",
	});

function withBytes(bytes: Buffer | null): Buffer {
	if (bytes === null) throw new QubesLiteError("BadRequest", "the request needs the bytes that its ticket is for");
	return bytes;
}
