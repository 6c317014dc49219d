/** What the guest of a session has told of its end, whoever is connected to it. */
import { QubesLiteError } from "../../errors.ts";
import type { CommandEnd } from "../../protocol/session.ts";
import type { SessionId } from "../../protocol/session-id.ts";
import { isAnswerable } from "../../statemachines/vm-context.ts";
import type { Instance } from "../instance.ts";
import type { Vm } from "../vm.ts";

export class ToldEnd {
	readonly #vm: Vm;
	readonly #session: SessionId;
	readonly #next = Promise.withResolvers<CommandEnd | null>();
	/** Where it runs, or ran. */
	#instance: Instance | undefined;
	/** Until it is called, `next` waits for it. */
	readonly forget: () => void;

	constructor(vm: Vm, session: SessionId) {
		this.#vm = vm;
		this.#session = session;
		this.#instance = instanceOf(vm, session);
		this.forget = vm.watchSessions((news, instance) => {
			if (news.type !== "ended" || news.session !== session.session) return;
			if (session.boot !== null && instance.bootTag !== session.boot) return;
			this.#instance = instance;
			this.#next.resolve(news.end);
		});
	}

	/** undefined: it has not been told, or that is long ago; null: that it has ended, and nobody knows how. */
	get known(): CommandEnd | null | undefined {
		return instanceOf(this.#vm, this.#session)?.sessions.endOf(this.#session.session);
	}

	/** As `known`, once it is told. */
	get next(): Promise<CommandEnd | null> {
		return this.#next.promise;
	}

	/** Why nobody knows how it has ended. */
	async whyUnknown(): Promise<QubesLiteError> {
		const instance = this.#instance;
		if (instance !== undefined && this.#vm.snapshot().instance !== instance) return this.#vm.endError(instance);
		const { vm, session } = this.#session;
		const message = `session ${session} of ${vm} has ended, and its guest does not say how`;
		return new QubesLiteError("NotRunning", message, {
			remedy: "run it with the option 'capture': then its end is kept here",
		});
	}
}

/** Rejects with Unresponsive where the guest, who alone knows of one that has just ended, does not say. */
export async function hasEnded(vm: Vm, session: SessionId): Promise<boolean> {
	const instance = instanceOf(vm, session);
	if (instance === undefined) return false;
	if (instance.sessions.endOf(session.session) !== undefined) return true;
	if (!isAnswerable(vm.snapshot().context)) return false;
	const listed = await instance.listSessions();
	return listed.some((fact) => fact.session === session.session && fact.end !== null);
}

/** A session's id may leave out its boot. */
function instanceOf(vm: Vm, { boot }: SessionId): Instance | undefined {
	const { instance } = vm.snapshot();
	return boot === null || instance?.bootTag === boot ? instance : undefined;
}
