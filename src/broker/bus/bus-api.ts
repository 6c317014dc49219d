/** qubes-lite on the user's bus: the broker's object and one for each vm, and what happens to them as signals. */
import type { Logger } from "pino";
import { busNames } from "../../dbus/bus-names.ts";
import { BusService } from "../../dbus/bus-service.ts";
import { ServedObjects } from "../../dbus/served-objects.ts";
import { BusError } from "../../dbus/user-bus.ts";
import type { UserBusPlace } from "../../dbus/user-bus-place.ts";
import { QubesLiteError } from "../../errors.ts";
import type { Requests } from "../requests.ts";
import type { Vm } from "../vm.ts";
import { BrokerObject, type BrokerObjectHost, type BrokerProperties } from "./broker-object.ts";
import { Inhibitions } from "./inhibitions.ts";
import { rootPath } from "./interfaces.ts";
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
	/** What is wrong with the files as they are now, in a sentence each. */
	readonly problems: BrokerObjectHost["problems"];
	/** Somebody has called, or nobody waits for an answer any more or for what is kept. */
	readonly called: () => void;
	readonly quiet: () => void;
}

/** The host has slept, or its clock was set. */
const jumpMs = 1_000;
const clockLookMs = 30_000;

export class BusApi {
	readonly #options: BusApiOptions;
	readonly #objects: ServedObjects;
	readonly #service: BusService;
	readonly #runs: Runs;
	readonly #inhibitions: Inhibitions;
	readonly #host: VmObjectHost;
	readonly #vms = new Map<Vm, ToldVm>();
	readonly #broker: BrokerObject;
	#told: BrokerProperties;
	#isAbsent = false;

	constructor(options: BusApiOptions) {
		const { requests, version, quiet, called, problems, log } = options;
		this.#options = options;
		this.#runs = new Runs(requests, quiet);
		this.#inhibitions = new Inhibitions(requests, quiet);
		const opener = new Opener({ ...options.opening, requests, runs: this.#runs });
		const host = { requests, runs: this.#runs, inhibitions: this.#inhibitions, opener };
		this.#host = host;
		const visible = (): [string, Vm][] =>
			[...this.#vms].filter(([, { isShown }]) => isShown).map(([vm, { path }]) => [path, vm]);
		this.#broker = new BrokerObject({ ...host, version, problems, visible });
		this.#told = this.#broker.properties();
		this.#objects = new ServedObjects(rootPath, [this.#broker]);
		this.#service = BusService.start(options.place, {
			name: busNames.broker,
			objects: this.#objects,
			toError: (cause) => this.#toError(cause),
			quiet,
			called,
			leaves: () => new QubesLiteError("Busy", "this broker leaves", { remedy: "ask again: the next one serves" }),
			failed: (cause) => log.error({ event: "bus.signalLost", err: cause }),
			acquired: () => {
				this.#isAbsent = false;
				log.info({ event: "bus.serves", name: busNames.broker });
				for (const told of this.#vms.values()) told.catchUp();
			},
			absent: (cause) => {
				if (!this.#isAbsent) log.info({ event: "bus.absent", err: cause });
				this.#isAbsent = true;
			},
		});
		this.#follow();
		this.#followClocks();
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

	/** We end: as BusService.leave. */
	leave(): Promise<void> {
		return this.#service.leave();
	}

	/** The configuration or the policy has changed, or the wall's clock. */
	look(): void {
		for (const told of this.#vms.values()) told.look();
		const [told, now] = [this.#told, this.#broker.properties()];
		this.#told = now;
		const changed = Object.entries(now).filter(([name, value]) => told[name as keyof BrokerProperties] !== value);
		if (changed.length > 0) this.#service.changed(rootPath, this.#broker, Object.fromEntries(changed));
	}

	/** Those that are kept ready are not shown before somebody asks for them. */
	#follow(): void {
		const { registry, clock } = this.#options.requests.dependencies;
		const add = (vm: Vm): void => {
			const told = new ToldVm(vm, {
				...{ ...this.#host, service: this.#service, clock },
				isHidden: () => registry.isPreloaded(vm),
				shown: (isShown, isTold) => this.#show(told, isShown, isTold),
			});
			this.#vms.set(vm, told);
		};
		for (const vm of registry.all()) add(vm);
		registry.watch({
			added: add,
			gone: (vm) => {
				this.#vms.get(vm)?.end();
				this.#vms.delete(vm);
			},
			configured: () => this.look(),
		});
	}

	/** Instants are told by the wall's clock, and are counted on one that stands still while the host sleeps. */
	#followClocks(): void {
		const { now, wallNow } = this.#options.requests.dependencies;
		let last = wallNow() - now();
		setInterval(() => {
			const next = wallNow() - now();
			if (Math.abs(next - last) < jumpMs) return;
			last = next;
			this.look();
		}, clockLookMs).unref();
	}

	#show({ path, interfaces, name }: ToldVm, isShown: boolean, isTold: boolean): void {
		if (isShown) this.#objects.add(path, interfaces);
		else this.#objects.remove(path);
		if (!isTold) return;
		if (isShown) this.#service.added(path, interfaces);
		else this.#service.removed(path, interfaces);
		this.#service.emit(rootPath, this.#broker, isShown ? "VMAdded" : "VMRemoved", [name, path]);
	}

	#toError(cause: unknown): BusError {
		if (cause instanceof BusError) return cause;
		const { code, message, remedy } = this.#options.requests.toRefusal(cause);
		const text = remedy === undefined ? message : `${message}\n${remedy}`;
		return new BusError(`org.qubeslite.Error.${code}`, text);
	}
}
