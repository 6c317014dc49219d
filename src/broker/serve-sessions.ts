/** A `ps` request: what runs in one vm, or in all, asked of their agents. */
import { setTimeout } from "node:timers/promises";
import type { SessionStatus } from "../protocol/broker-replies.ts";
import { isAnswerable } from "../statemachines/vm-context.ts";
import { joinLists, toSessionList } from "./session-list.ts";
import type { Vm } from "./vm.ts";

/** Who asks how a vm is does not wait for its guest for long. */
const countWithinMs = 300;

/** Of one vm; nothing runs in one that is not up. Rejects with Unresponsive. */
export const listSessionsOf = async (vm: Vm): Promise<SessionStatus[]> => joinLists([await listSessions(vm)]);

async function listSessions(vm: Vm): Promise<SessionStatus[]> {
	const { instance, state, context } = vm.snapshot();
	/** One that is paused had none when it was, and can't be asked. */
	if (instance === undefined || (state !== "ready" && state !== "idle") || context.paused) return [];
	const facts = await instance.listSessions();
	return toSessionList(vm.config.name, instance.bootTag ?? "", facts, instance.book);
}

/** How many processes each of its sessions has, by number; empty where nobody says. Never rejects. */
export async function countProcesses(vm: Vm): Promise<ReadonlyMap<number, number>> {
	const { context } = vm.snapshot();
	const hasSessions = [...context.leases.values()].some(({ kind }) => kind === "session" || kind === "cgroup");
	if (!hasSessions || !isAnswerable(context)) return new Map();
	const listed = listSessions(vm).catch(() => []);
	const sessions = await Promise.race([listed, setTimeout(countWithinMs, [], { ref: false })]);
	return new Map(sessions.flatMap(({ session, processes }) => (processes === null ? [] : [[session, processes]])));
}

/** One that does not answer is left out: the others are of use without it, and `status` says what it is. */
export async function listAllSessions(vms: readonly Vm[]): Promise<SessionStatus[]> {
	return joinLists(await Promise.all(vms.map((vm) => listSessions(vm).catch(() => []))));
}
