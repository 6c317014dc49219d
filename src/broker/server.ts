/** broker.sock: accepts clients, asks the policy, and serves their requests. */
import type { Logger } from "pino";
import { QubesLiteError } from "../errors.ts";
import { type BrokerRequest, encodeProgress } from "../protocol/broker.ts";
import type { BrokerStatus, SessionStatus } from "../protocol/broker-replies.ts";
import { authorize } from "./authorize.ts";
import { ClientConnection } from "./client-connection.ts";
import type { Clock } from "./clock.ts";
import { ListeningSocket } from "./listening-socket.ts";
import type { Policy } from "./policy.ts";
import type { Registry } from "./registry.ts";
import { reportProgress } from "./report-progress.ts";
import { serveAttach, serveHold } from "./serve-attach.ts";
import { serveEvents } from "./serve-events.ts";
import { serveInhibit } from "./serve-inhibit.ts";
import { serveRun } from "./serve-run.ts";
import { countProcesses, listAllSessions, listSessionsOf } from "./serve-sessions.ts";
import { setVm } from "./set-vm.ts";
import { toStatus } from "./status.ts";
import { stopVm } from "./stop-vm.ts";
import type { Vm } from "./vm.ts";

/** Far more than a desktop has clients: one for each session, and a few that ask something. */
const clientsMax = 1024;
/** Those that are one too many are told so. Beyond that Node accepts and closes, unread: something connects in a circle. */
const connectionsMax = clientsMax + 128;

export interface ServerDependencies {
	readonly registry: Registry;
	readonly policy: Policy;
	readonly log: Logger;
	/** What it says about itself. */
	readonly about: () => Promise<Pick<BrokerStatus, "version" | "config" | "supervisor">>;
	/** Clock of the machines, and the wall's. */
	readonly now: () => number;
	readonly clock: Clock;
	readonly wallNow: () => number;
	/** Called when a client came or went. */
	readonly clientsChanged: () => void;
	/** Takes in a configuration that has changed; resolves with what keeps us from serving anything, or null. */
	readonly configured: () => Promise<QubesLiteError | null>;
	/** What is wrong with the configuration as it is now, while an earlier one holds; null if nothing. */
	readonly problem: () => QubesLiteError | null;
}

export class BrokerServer {
	readonly #dependencies: ServerDependencies;
	readonly #socket: ListeningSocket;
	readonly #clients = new Set<ClientConnection>();
	#requests = 0;

	constructor(dependencies: ServerDependencies) {
		this.#dependencies = dependencies;
		this.#socket = new ListeningSocket(connectionsMax, (socket) => {
			const client = new ClientConnection(socket);
			this.#clients.add(client);
			dependencies.clientsChanged();
			socket.once("close", () => {
				this.#clients.delete(client);
				dependencies.clientsChanged();
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
			const refusal = await this.#dependencies.configured();
			/** What runs can be seen and stopped whatever the configuration says. */
			if (refusal !== null && (needsConfig(request) || this.#dependencies.registry.all().length === 0)) throw refusal;
			authorize(request, bytes, this.#dependencies);
			await this.#dispatch(client, request, bytes);
		} catch (cause) {
			const error = this.#explained(QubesLiteError.from(cause));
			if (error.code === "Internal")
				this.#dependencies.log.error({ event: "request.failed", err: error.cause ?? error });
			client.refuse(error);
		}
	}

	/** Whoever asks has their eyes on qubes-lite just now. */
	#reply(client: ClientConnection, reply: object): void {
		client.reply(this.#withWarning(reply));
	}

	#withWarning(reply: object): object {
		const problem = this.#dependencies.problem();
		return problem === null
			? reply
			: { ...reply, warning: `an earlier configuration is in use, since ${problem.message}` };
	}

	/** A vm may be missing only because its configuration can't be read. */
	#explained(error: QubesLiteError): QubesLiteError {
		const problem = this.#dependencies.problem();
		if (error.code !== "NoSuchVm" || problem === null) return error;
		const message = `${error.message}\nan earlier configuration is in use, since ${problem.message}`;
		return new QubesLiteError("NoSuchVm", message, { remedy: problem.remedy ?? error.remedy });
	}

	async #dispatch(client: ClientConnection, request: BrokerRequest, bytes: Buffer | null): Promise<void> {
		const { registry, now, clock } = this.#dependencies;
		this.#requests += 1;
		const number = this.#requests;
		const askedAt = toMachineTime("askedAt" in request ? request.askedAt : undefined, now());
		if (mayTakeLong(request)) client.send(encodeProgress({ phase: "asked", elapsedMs: 0 }));
		switch (request.method) {
			case "broker":
				this.#reply(client, { schema: 1, broker: await this.#brokerStatus() });
				return;
			case "list":
				this.#reply(client, { schema: 1, vms: registry.all().map((vm) => this.#status(vm)) });
				return;
			case "sessions":
				this.#reply(client, { schema: 1, sessions: await sessionsOf(registry, request.vm) });
				return;
			case "events":
				await serveEvents(client, request.vm === null ? null : registry.find(request.vm).config.name, {
					...{ registry, pid: process.pid, now, wallNow: this.#dependencies.wallNow },
				});
				return;
			case "run":
				await serveRun(client, request, { registry, number, askedAt, now, clock, bytes: withBytes(bytes) });
				return;
			case "attach":
				await serveAttach(client, request, { registry, number, askedAt, now, clock, bytes: withBytes(bytes) });
				return;
		}
		const vm = wantsToUse(request) ? registry.findToUse(request.vm) : registry.find(request.vm);
		switch (request.method) {
			case "hold":
				await serveHold(client, request, vm);
				return;
			case "status":
				this.#reply(client, { schema: 1, vm: this.#status(vm, await askOf(vm)) });
				return;
			case "console":
				this.#reply(client, { schema: 1, directory: directoryOf(vm) });
				return;
			case "inhibit": {
				const { label, pid } = request;
				const { log } = this.#dependencies;
				const held = (): void => {
					log.info({ event: "vm.inhibited", vm: vm.config.name, label, pid });
					client.tell(this.#withWarning({ schema: 1, vm: this.#status(vm) }));
				};
				await serveInhibit(client, request, { registry, vm, number, held });
				return;
			}
			case "set":
				await setVm(vm, request.settings);
				this.#dependencies.log.info({ event: "vm.set", vm: vm.config.name, ...request.settings });
				this.#reply(client, { schema: 1, vm: this.#status(vm) });
				return;
			case "start":
				await withProgress(client, vm, now, () => vm.request(number, { type: "start.requested", askedAt }));
				this.#reply(client, { schema: 1, vm: this.#status(vm) });
				return;
			case "stop":
				await withProgress(client, vm, now, () => stopVm(vm, request.force, askedAt));
				this.#reply(client, { schema: 1, vm: this.#status(vm) });
		}
	}

	async #brokerStatus(): Promise<BrokerStatus> {
		const { registry, about } = this.#dependencies;
		const vms = registry.all();
		return { ...(await about()), pid: process.pid, vms: vms.length, running: vms.filter((vm) => vm.isUp).length };
	}

	#status(vm: Vm, asked: Asked = {}): ReturnType<typeof toStatus> {
		const { registry, now, wallNow } = this.#dependencies;
		const [isConfigured, isPreloaded] = [registry.isConfigured(vm), registry.isPreloaded(vm)];
		return toStatus(vm, { isConfigured, isPreloaded, now: now(), wallMs: wallNow(), ...asked });
	}
}

/** What a guest and its vmm are asked for, where it is about one vm. */
type Asked = Pick<Parameters<typeof toStatus>[1], "processes" | "memory">;

/** Never rejects. */
async function askOf(vm: Vm): Promise<Asked> {
	const { context, instance } = vm.snapshot();
	/** The figures are the guest's own, and a vmm may wait for them. */
	const isHeard = context.linked && !context.paused && !context.unresponsive;
	const [processes, memory] = await Promise.all([countProcesses(vm), isHeard ? (instance?.memory() ?? null) : null]);
	return { processes, memory };
}

/** From CLOCK_MONOTONIC, which hrtime() counts, to the machines' clock, which begins elsewhere. */
function toMachineTime(askedAt: number | undefined, now: number): number {
	if (askedAt === undefined) return now;
	return now - Math.max(0, Number(process.hrtime.bigint()) / 1e6 - askedAt);
}

/** These wait for a guest. A service manager's socket accepts by itself: that a broker is there, its client hears at once. */
const mayTakeLong = ({ method }: BrokerRequest): boolean =>
	method === "run" || method === "attach" || method === "start" || method === "stop" || method === "sessions";

const wantsToUse = ({ method }: BrokerRequest): boolean =>
	method === "start" || method === "set" || method === "inhibit";

const needsConfig = ({ method }: BrokerRequest): boolean => method === "run" || method === "start";

const tooManyClients = (): QubesLiteError =>
	new QubesLiteError("Limit", `${clientsMax} clients are connected to the broker already, which is the limit`, {
		remedy: "end some of them: qubes-lite ps",
	});

function withBytes(bytes: Buffer | null): Buffer {
	if (bytes === null) throw new QubesLiteError("BadRequest", "the request needs the bytes that its ticket is for");
	return bytes;
}

const sessionsOf = (registry: Registry, vm: string | null): Promise<SessionStatus[]> =>
	vm === null ? listAllSessions(registry.all()) : listSessionsOf(registry.find(vm));

/** `work`, of which the client hears how far it has come. */
async function withProgress(
	client: ClientConnection,
	vm: Vm,
	now: () => number,
	work: () => Promise<void>,
): Promise<void> {
	const stopProgress = reportProgress(client, vm, now);
	await work().finally(stopProgress);
}

/** Of what runs, whatever state it is in. */
function directoryOf(vm: Vm): string {
	const directory = vm.snapshot().instance?.directory ?? "";
	if (directory !== "") return directory;
	throw new QubesLiteError("NotRunning", `${vm.config.name} is not running`, {
		remedy: `qubes-lite start ${vm.config.name}`,
	});
}
