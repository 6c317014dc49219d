/** One vm, as it is shown on the bus: what changes of it is announced. */
import type { BusService } from "../../dbus/bus-service.ts";
import { formatSessionId } from "../../protocol/session-id.ts";
import type { VmNotice } from "../../statemachines/vm-events.ts";
import type { Instance } from "../instance.ts";
import type { SessionNews } from "../session-news.ts";
import type { Vm } from "../vm.ts";
import { toPath } from "./interfaces.ts";
import { toCodeAndSignal } from "./session-end.ts";
import { VmObject, type VmObjectHost } from "./vm-object.ts";
import { differences, type VmProperties } from "./vm-properties.ts";

export interface ToldVmHost extends VmObjectHost {
	readonly service: Pick<BusService, "emit" | "changed">;
	isHidden(): boolean;
	/** Called when it is to be seen from now on, or no longer. */
	shown(isShown: boolean): void;
}

export class ToldVm {
	readonly path: string;
	readonly name: string;
	readonly #host: ToldVmHost;
	readonly #object: VmObject;
	readonly #unwatch: readonly (() => void)[];
	/** As it was told last; undefined: it is not shown. */
	#told: VmProperties | undefined;

	constructor(vm: Vm, host: ToldVmHost) {
		this.#host = host;
		this.name = vm.config.name;
		this.path = toPath(this.name);
		this.#object = new VmObject(vm, host);
		this.#unwatch = [
			vm.watch(() => this.look()),
			vm.notices((notice) => this.#notice(notice)),
			vm.watchSessions((news, instance) => this.#session(news, instance)),
		];
	}

	get isShown(): boolean {
		return this.#told !== undefined;
	}

	get interfaces(): readonly VmObject[] {
		return [this.#object];
	}

	/** Something has happened to it, maybe nothing that shows. */
	look(): void {
		const told = this.#told;
		if (this.#host.isHidden()) {
			if (told !== undefined) this.#hide();
			return;
		}
		const now = this.#object.properties();
		this.#told = now;
		if (told === undefined) {
			this.#host.shown(true);
			return;
		}
		const changed = differences(told, now);
		if (Object.keys(changed).length === 0) return;
		if (changed.State !== undefined) this.#emit("StateChanged", [told.State, now.State, now.Reason]);
		if (this.#host.requests.mayTell(this.name)) this.#host.service.changed(this.path, this.#object, changed);
	}

	/** It is no more. */
	end(): void {
		for (const unwatch of this.#unwatch) unwatch();
		if (this.isShown) this.#hide();
	}

	#hide(): void {
		this.#told = undefined;
		this.#host.shown(false);
	}

	#notice(notice: VmNotice): void {
		if (notice.type === "stop.averted") this.#emit("StopAverted", []);
		if (notice.type !== "stop.announced") return;
		const { now, wallNow } = this.#host.requests.dependencies;
		const at = Math.round((wallNow() - now() + notice.at) * 1000);
		this.#emit("StopAnnounced", [BigInt(at), notice.sentence]);
	}

	#session(news: SessionNews, { bootTag, book }: Instance): void {
		const id = formatSessionId({ vm: this.name, session: news.session, boot: bootTag });
		if (news.type === "started") this.#emit("SessionStarted", [id, book.nameOf(news.session) ?? ""]);
		else this.#emit("SessionEnded", [id, ...toCodeAndSignal(news.end)]);
	}

	#emit(signal: string, body: readonly unknown[]): void {
		if (this.isShown && this.#host.requests.mayTell(this.name))
			this.#host.service.emit(this.path, this.#object, signal, body);
	}
}
