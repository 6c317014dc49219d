/** What notifications are about, and what each kind of them needs. */
import type { Vm } from "../vm.ts";
import type { Desk } from "./desk.ts";

export type NotedVm = Pick<
	Vm,
	"config" | "snapshot" | "watch" | "watchDisplay" | "notices" | "usualBootMs" | "request" | "stop" | "settled"
>;

export interface NotedVmOptions {
	readonly vm: NotedVm;
	readonly desk: Desk;
	/** Nobody is told of it: it is kept ready and nobody has asked for it, or the policy says so. */
	readonly isHidden: () => boolean;
	/** Whether the policy lets the reader do this with it. */
	readonly mayDo: (service: "start" | "stop") => boolean;
	readonly newRequest: () => number;
	/** Shows its log to whoever has asked for that. `headline`: what it is about. */
	readonly showLog: (vm: NotedVm, headline: string) => void;
}

/** One kind of notifications about one vm. */
export interface Noter {
	/** Its machine has made a step. */
	look(): void;
	/** It is not watched any more: what is on the screen must not ask for what nobody would do. Resolves when the server knows. Never rejects. */
	end(): Promise<void>;
}
