/**
 * What may be asked of the broker, whoever asks and by whatever way, the socket or D-Bus: the configuration is looked at, the policy is
 * asked, and what has one answer is answered.
 */
import type { Logger } from "pino";
import { QubesLiteError } from "../errors.ts";
import type { BrokerRequest } from "../protocol/broker.ts";
import type { BrokerStatus, SessionStatus, VmStatus } from "../protocol/broker-replies.ts";
import { authorize, requireAllowed } from "./authorize.ts";
import type { Clock } from "./clock.ts";
import type { Policy, PolicyRequest } from "./policy.ts";
import type { Registry } from "./registry.ts";
import { countProcesses, listAllSessions, listSessionsOf } from "./serve-sessions.ts";
import { setVm } from "./set-vm.ts";
import { toStatus } from "./status.ts";
import { stopVm } from "./stop-vm.ts";
import type { Vm } from "./vm.ts";

export interface RequestsDependencies {
	readonly registry: Registry;
	readonly policy: Policy;
	readonly log: Logger;
	/** What the broker says about itself. */
	readonly about: () => Promise<Pick<BrokerStatus, "version" | "config" | "supervisor">>;
	/** Clock of the machines, and the wall's. */
	readonly now: () => number;
	readonly clock: Clock;
	readonly wallNow: () => number;
	/** Takes in a configuration that has changed; resolves with what keeps us from serving anything, or null. */
	readonly configured: () => Promise<QubesLiteError | null>;
	/** What is wrong with the configuration as it is now, while an earlier one holds; null if nothing. */
	readonly problem: () => QubesLiteError | null;
	/** A client has its compositor at this socket. */
	readonly sawSession: (wayland: string) => void;
}

/** Those that last as long as who asked, or carry bytes, are served where their connection is. */
type LastingMethod = "run" | "attach" | "hold" | "events" | "inhibit";
export type PlainRequest = Exclude<BrokerRequest, { readonly method: LastingMethod }>;

/** For who waits: called when the work on a vm begins; the returned function when it has ended. */
type Report = (vm: Vm) => () => void;

export class Requests {
	readonly dependencies: RequestsDependencies;
	#numbers = 0;

	constructor(dependencies: RequestsDependencies) {
		this.dependencies = dependencies;
	}

	/** For one request: unique for the life of this broker. */
	nextNumber(): number {
		this.#numbers += 1;
		return this.#numbers;
	}

	/** Rejects where it must not be served. `bytes`: the exec bytes of a run, by whose command it is judged. */
	async admit(request: BrokerRequest, bytes: Buffer | null = null): Promise<void> {
		const { registry, configured } = this.dependencies;
		const refusal = await configured();
		/** What runs can be seen and stopped whatever the configuration says. */
		if (refusal !== null && (needsConfig(request) || registry.all().length === 0)) throw refusal;
		authorize(request, bytes, this.dependencies);
	}

	/** Takes in a configuration that has changed. */
	async refresh(): Promise<void> {
		const refusal = await this.dependencies.configured();
		if (refusal !== null) throw refusal;
	}

	/** Throws Denied. For what is no request: the host reads what everybody is told. */
	require(query: Omit<PolicyRequest, "source">): void {
		requireAllowed({ source: "@host", ...query }, this.dependencies);
	}

	/** Whether the host may be told what happens to this vm. */
	mayTell(vm: string): boolean {
		return this.dependencies.policy.decide({ source: "@host", target: vm, service: "events" }).allow;
	}

	/** The reply, as schema 1 has it. `number` is the request's own, `askedAt` on the machine's clock. */
	async answer(request: PlainRequest, number: number, report: Report = () => () => {}): Promise<object> {
		const { registry, log, now } = this.dependencies;
		switch (request.method) {
			case "broker":
				return { schema: 1, broker: await this.#brokerStatus() };
			case "list":
				return { schema: 1, vms: registry.all().map((vm) => this.status(vm)) };
			case "sessions":
				return { schema: 1, sessions: await sessionsOf(registry, request.vm) };
		}
		const vm = wantsToUse(request) ? registry.findToUse(request.vm) : registry.find(request.vm);
		const askedAt = toMachineTime("askedAt" in request ? request.askedAt : undefined, now());
		switch (request.method) {
			case "status":
				return { schema: 1, vm: this.status(vm, await askOf(vm)) };
			case "console":
			case "clip":
				return { schema: 1, directory: directoryOf(vm) };
			case "set":
				await setVm(vm, request.settings);
				log.info({ event: "vm.set", vm: vm.config.name, ...request.settings });
				break;
			case "start":
			case "stop": {
				const stopReport = report(vm);
				const { method } = request;
				const work =
					method === "start"
						? vm.request(number, { type: "start.requested", askedAt })
						: stopVm(vm, request.force, askedAt);
				await work.finally(stopReport);
			}
		}
		return { schema: 1, vm: this.status(vm) };
	}

	status(vm: Vm, asked: Asked = {}): VmStatus {
		const { registry, now, wallNow } = this.dependencies;
		const [isConfigured, isPreloaded] = [registry.isConfigured(vm), registry.isPreloaded(vm)];
		return toStatus(vm, { isConfigured, isPreloaded, now: now(), wallMs: wallNow(), ...asked });
	}

	/** Whoever asks has their eyes on qubes-lite just now. */
	withWarning(reply: object): object {
		const problem = this.dependencies.problem();
		return problem === null
			? reply
			: { ...reply, warning: `an earlier configuration is in use, since ${problem.message}` };
	}

	/** What a request has thrown, as who asked is told; what is nobody's fault but ours is logged. */
	toRefusal(cause: unknown): QubesLiteError {
		const error = this.#explained(QubesLiteError.from(cause));
		if (error.code === "Internal") this.dependencies.log.error({ event: "request.failed", err: error.cause ?? error });
		return error;
	}

	/** A vm may be missing only because its configuration can't be read. */
	#explained(error: QubesLiteError): QubesLiteError {
		const problem = this.dependencies.problem();
		if (error.code !== "NoSuchVm" || problem === null) return error;
		const message = `${error.message}\nan earlier configuration is in use, since ${problem.message}`;
		return new QubesLiteError("NoSuchVm", message, { remedy: problem.remedy ?? error.remedy });
	}

	async #brokerStatus(): Promise<BrokerStatus> {
		const { registry, about } = this.dependencies;
		const vms = registry.all();
		return { ...(await about()), pid: process.pid, vms: vms.length, running: vms.filter((vm) => vm.isUp).length };
	}
}

/** What a guest and its vmm are asked for, where it is about one vm. */
type Asked = Pick<Parameters<typeof toStatus>[1], "processes" | "memory">;

/** Never rejects. */
async function askOf(vm: Vm): Promise<Asked> {
	const { context, instance } = vm.snapshot();
	/** The figures are the guest's own, and a vmm may wait for them. */
	const isHeard = context.linked && !context.paused && !context.unresponsive;
	const [processes, memory] = await Promise.all([
		countProcesses(vm),
		isHeard ? (instance?.control.memory() ?? null) : null,
	]);
	return { processes, memory };
}

/** From CLOCK_MONOTONIC, which hrtime() counts, to the machines' clock, which begins elsewhere. */
export function toMachineTime(askedAt: number | undefined, now: number): number {
	if (askedAt === undefined) return now;
	return now - Math.max(0, Number(process.hrtime.bigint()) / 1e6 - askedAt);
}

const wantsToUse = ({ method }: BrokerRequest): boolean => method === "start" || method === "set";

const needsConfig = ({ method }: BrokerRequest): boolean => method === "run" || method === "start";

const sessionsOf = (registry: Registry, vm: string | null): Promise<SessionStatus[]> =>
	vm === null ? listAllSessions(registry.all()) : listSessionsOf(registry.find(vm));

/** Of what runs, whatever state it is in. */
function directoryOf(vm: Vm): string {
	const directory = vm.snapshot().instance?.directory ?? "";
	if (directory !== "") return directory;
	throw new QubesLiteError("NotRunning", `${vm.config.name} is not running`, {
		remedy: `qubes-lite start ${vm.config.name}`,
	});
}
