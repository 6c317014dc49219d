/** broker.sock: accepts clients, asks the policy, and serves their requests. */
import { chmodSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import type { Logger } from "pino";
import { QubesLiteError } from "../errors.ts";
import type { BrokerRequest } from "../protocol/broker.ts";
import type { SessionStatus } from "../protocol/broker-replies.ts";
import { ClientConnection } from "./client-connection.ts";
import type { Policy, PolicyRequest } from "./policy.ts";
import type { Registry } from "./registry.ts";
import { serveAttach, serveHold } from "./serve-attach.ts";
import { serveRun } from "./serve-run.ts";
import { listAllSessions, listSessions } from "./serve-sessions.ts";
import { toStatus } from "./status.ts";
import type { Vm } from "./vm.ts";

/** Far more than a desktop has clients: one for each session, and a few that ask something. */
const clientsMax = 1024;
/** Those that are one too many are told so. Beyond that Node accepts and closes, unread: something connects in a circle. */
const connectionsMax = clientsMax + 128;

export interface ServerDependencies {
	readonly registry: Registry;
	readonly policy: Policy;
	readonly log: Logger;
	/** Clock of the machines, and the wall's. */
	readonly now: () => number;
	readonly wallNow: () => number;
	/** Called when a client came or went. */
	readonly clientsChanged: () => void;
}

export class BrokerServer {
	readonly #dependencies: ServerDependencies;
	readonly #server: Server;
	readonly #clients = new Set<ClientConnection>();
	#requests = 0;

	constructor(dependencies: ServerDependencies) {
		this.#dependencies = dependencies;
		this.#server = createServer((socket) => {
			const client = new ClientConnection(socket);
			this.#clients.add(client);
			dependencies.clientsChanged();
			socket.once("close", () => {
				this.#clients.delete(client);
				dependencies.clientsChanged();
			});
			void this.#serve(client);
		});
		this.#server.maxConnections = connectionsMax;
	}

	get clients(): number {
		return this.#clients.size;
	}

	/** Takes the place of a socket that a broker left behind; the caller holds the lock that says there is none now. */
	async listen(path: string): Promise<void> {
		rmSync(path, { force: true });
		await new Promise<void>((resolve, reject) => {
			this.#server.once("error", reject);
			this.#server.listen({ path, backlog: 511 }, resolve);
		});
		chmodSync(path, 0o600);
	}

	/** No new clients; those that are connected are cut, and ask the next broker. What runs goes on, as after a kill. */
	close(): void {
		this.#server.close();
		for (const client of this.#clients) client.cut();
	}

	async #serve(client: ClientConnection): Promise<void> {
		const isOneTooMany = this.#clients.size > clientsMax;
		try {
			const { request, bytes } = await client.receive();
			if (isOneTooMany) throw tooManyClients();
			this.#authorize(request);
			await this.#dispatch(client, request, bytes);
		} catch (cause) {
			const error = QubesLiteError.from(cause);
			if (error.code === "Internal")
				this.#dependencies.log.error({ event: "request.failed", err: error.cause ?? error });
			client.refuse(error);
		}
	}

	#authorize(request: BrokerRequest): void {
		const query = { source: "@host", target: targetOf(request), service: serviceOf(request) };
		const decision = this.#dependencies.policy.decide(query);
		if (!decision.allow) throw new QubesLiteError("Denied", `the policy does not allow this: ${decision.why}`);
	}

	async #dispatch(client: ClientConnection, request: BrokerRequest, bytes: Buffer | null): Promise<void> {
		const { registry, now } = this.#dependencies;
		this.#requests += 1;
		const number = this.#requests;
		switch (request.method) {
			case "list":
				client.reply({ schema: 1, vms: registry.all().map((vm) => this.#status(vm)) });
				return;
			case "sessions":
				client.reply({ schema: 1, sessions: await sessionsOf(registry, request.vm) });
				return;
			case "run":
				await serveRun(client, request, { registry, number, now, bytes: withBytes(bytes) });
				return;
			case "attach":
				await serveAttach(client, request, { registry, number, now, bytes: withBytes(bytes) });
				return;
		}
		const vm = registry.find(request.vm);
		switch (request.method) {
			case "hold":
				await serveHold(client, request, vm);
				return;
			case "status":
				client.reply({ schema: 1, vm: this.#status(vm) });
				return;
			case "start":
				await vm.request(number, { type: "start.requested" });
				client.reply({ schema: 1, vm: this.#status(vm) });
				return;
			case "stop":
				await stop(vm, request.force);
				client.reply({ schema: 1, vm: this.#status(vm) });
		}
	}

	#status(vm: Vm): ReturnType<typeof toStatus> {
		const { registry, now, wallNow } = this.#dependencies;
		return toStatus(vm, registry.isConfigured(vm), now(), wallNow());
	}
}

const tooManyClients = (): QubesLiteError =>
	new QubesLiteError("Limit", `${clientsMax} clients are connected to the broker already, which is the limit`, {
		remedy: "end some of them: qubes-lite ps",
	});

const serviceOf = ({ method }: BrokerRequest): PolicyRequest["service"] => {
	if (method === "run") return "exec";
	return method === "hold" ? "attach" : method;
};

function targetOf(request: BrokerRequest): string {
	if (!("vm" in request) || request.vm === null) return "@anyvm";
	if (request.method !== "run" || !request.disposable) return request.vm;
	return request.vm === "" ? "@dispvm" : `@dispvm:${request.vm}`;
}

function withBytes(bytes: Buffer | null): Buffer {
	if (bytes === null) throw new QubesLiteError("BadRequest", "the request needs the bytes that its ticket is for");
	return bytes;
}

const sessionsOf = (registry: Registry, vm: string | null): Promise<SessionStatus[]> =>
	vm === null ? listAllSessions(registry.all()) : listSessions(registry.find(vm));

/** Resolves when what ran at the call has ended and left nothing. The machine bounds each step of the way. */
async function stop(vm: Vm, force: boolean): Promise<void> {
	const { instance } = vm.snapshot();
	vm.stop(force);
	if (instance === undefined) return;
	await new Promise<void>((resolve) => {
		const look = (): void => {
			const now = vm.snapshot();
			if (now.instance === instance && now.state !== "failed") return;
			unwatch();
			resolve();
		};
		const unwatch = vm.watch(look);
		look();
	});
	await vm.settled();
	const { state, context } = vm.snapshot();
	if (state === "failed" && context.vmmAlive) {
		throw new QubesLiteError("Busy", `${vm.config.name} does not stop: ${context.reason?.sentence ?? "unknown"}`);
	}
}
