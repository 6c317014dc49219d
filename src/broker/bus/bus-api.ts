/** qubes-lite on the user's bus: the broker's object and one for each vm, and what happens to them as signals. */
import type { Logger } from "pino";
import { busNames } from "../../activation/unit-names.ts";
import { BusService } from "../../dbus/bus-service.ts";
import { ServedObjects } from "../../dbus/served-objects.ts";
import { BusError } from "../../dbus/user-bus.ts";
import type { UserBusPlace } from "../../dbus/user-bus-place.ts";
import type { Requests } from "../requests.ts";
import type { Vm } from "../vm.ts";
import { BrokerObject } from "./broker-object.ts";
import { Inhibitions } from "./inhibitions.ts";
import { brokerSpec, rootPath, toPath } from "./interfaces.ts";
import { Opener, type OpenerHost } from "./opener.ts";
import { Runs } from "./runs.ts";
import { ToldVm } from "./told-vm.ts";
import type { VmObjectHost } from "./vm-object.ts";

export interface BusApiOptions {
	readonly place: UserBusPlace;
	readonly requests: Requests;
	readonly version: string;
	readonly log: Logger;
	readonly opening: Omit<OpenerHost, "requests" | "runs">;
	/** Nobody waits for an answer any more, or for what is kept, or holds a vm. */
	readonly quiet: () => void;
}

const broker = { spec: brokerSpec };

export class BusApi {
	readonly #options: BusApiOptions;
	readonly #objects: ServedObjects;
	readonly #service: BusService;
	readonly #runs: Runs;
	readonly #inhibitions: Inhibitions;
	readonly #host: VmObjectHost;
	readonly #told = new Map<Vm, ToldVm>();
	#isAbsent = false;

	constructor(options: BusApiOptions) {
		const { requests, version, quiet, log } = options;
		this.#options = options;
		this.#runs = new Runs(requests, quiet);
		this.#inhibitions = new Inhibitions(requests, quiet);
		const opener = new Opener({ ...options.opening, requests, runs: this.#runs });
		const host = { requests, runs: this.#runs, inhibitions: this.#inhibitions, opener };
		this.#host = host;
		const visible = (): [string, Vm][] =>
			[...this.#told].filter(([, { isShown }]) => isShown).map(([vm, { path }]) => [path, vm]);
		this.#objects = new ServedObjects(rootPath, [new BrokerObject({ ...host, version, pathOf: toPath, visible })]);
		this.#service = BusService.start(options.place, {
			name: busNames.broker,
			objects: this.#objects,
			toError: (cause) => this.#toError(cause),
			quiet,
			acquired: () => {
				this.#isAbsent = false;
				log.info({ event: "bus.serves", name: busNames.broker });
			},
			absent: (cause) => {
				if (!this.#isAbsent) log.info({ event: "bus.absent", err: cause });
				this.#isAbsent = true;
			},
		});
		this.#follow();
	}

	/** Nobody would miss us. */
	get isQuiet(): boolean {
		return this.#service.pending === 0 && this.#runs.size === 0 && this.#inhibitions.size === 0;
	}

	/** Gives the name back where nobody has called meanwhile: as BusService.release. */
	release(): Promise<boolean> {
		return this.#service.release();
	}

	/** After a release, where we stay all the same. */
	take(): Promise<void> {
		return this.#service.take();
	}

	close(): void {
		this.#service.close();
	}

	/** Those that are kept ready are not shown before somebody asks for them. */
	#follow(): void {
		const { registry } = this.#options.requests.dependencies;
		const add = (vm: Vm): void => {
			const told = new ToldVm(vm, {
				...this.#host,
				service: this.#service,
				isHidden: () => registry.isPreloaded(vm),
				shown: (isShown) => this.#show(told, isShown),
			});
			this.#told.set(vm, told);
			/** Whether it is kept ready, its maker says a moment later. */
			queueMicrotask(() => told.look());
		};
		for (const vm of registry.all()) add(vm);
		registry.watch({
			added: add,
			gone: (vm) => {
				this.#told.get(vm)?.end();
				this.#told.delete(vm);
			},
			configured: () => {
				for (const told of this.#told.values()) told.look();
			},
		});
	}

	#show({ path, interfaces, name }: ToldVm, isShown: boolean): void {
		if (isShown) this.#objects.add(path, interfaces);
		else this.#objects.remove(path);
		if (!this.#options.requests.mayTell(name)) return;
		if (isShown) this.#service.added(path, interfaces);
		else this.#service.removed(path, interfaces);
		this.#service.emit(rootPath, broker, isShown ? "VMAdded" : "VMRemoved", [name, path]);
	}

	#toError(cause: unknown): BusError {
		if (cause instanceof BusError) return cause;
		const { code, message, remedy } = this.#options.requests.toRefusal(cause);
		const text = remedy === undefined ? message : `${message}\n${remedy}`;
		return new BusError(`org.qubeslite.Error.${code}`, text);
	}
}
