/** A `ps` request: what runs in one vm, or in all, asked of their agents. */
import type { SessionStatus } from "../protocol/broker-replies.ts";
import { joinLists, toSessionList } from "./session-list.ts";
import type { Vm } from "./vm.ts";

/** Of one vm; nothing runs in one that is not up. Rejects with Unresponsive. */
export async function listSessions(vm: Vm): Promise<SessionStatus[]> {
	const { instance, state } = vm.snapshot();
	if (instance === undefined || (state !== "ready" && state !== "idle")) return [];
	const facts = await instance.listSessions();
	return toSessionList(vm.config.name, instance.bootTag ?? "", facts, instance.book);
}

/** One that does not answer is left out: the others are of use without it, and `status` says what it is. */
export async function listAllSessions(vms: readonly Vm[]): Promise<SessionStatus[]> {
	return joinLists(await Promise.all(vms.map((vm) => listSessions(vm).catch(() => []))));
}
