/** Clients of sessions that run already: those that come back to one, and those whose broker was replaced meanwhile. Neither boots a vm. */
import { QubesLiteError } from "../errors.ts";
import type { BrokerRequest } from "../protocol/broker.ts";
import { parseAttach } from "../protocol/exec.ts";
import { formatSessionId } from "../protocol/session-id.ts";
import type { SessionClient } from "./client-connection.ts";
import type { Instance } from "./instance.ts";
import type { ServeOptions } from "./serve-run.ts";
import { keepConnected, serveSession } from "./serve-session.ts";
import type { Vm } from "./vm.ts";

type AttachRequest = Extract<BrokerRequest, { readonly method: "attach" }>;
type HoldRequest = Extract<BrokerRequest, { readonly method: "hold" }>;

/** Resolves when the client is gone; rejects with what it must be told. */
export async function serveAttach(
	client: SessionClient,
	request: AttachRequest,
	{ registry, number, bytes, askedAt, now, clock }: ServeOptions,
): Promise<void> {
	const { session } = parseAttach(bytes);
	const vm = registry.find(request.vm);
	const { state, instance } = vm.snapshot();
	if (instance === undefined || (state !== "ready" && state !== "idle")) throw notUp(vm, session, state);
	if (request.boot !== null && request.boot !== instance.bootTag) throw earlierBoot(vm, session, request.boot);
	const { timeoutMs, pid } = request;
	await serveSession(client, {
		...{
			request: number,
			type: "attach.requested",
			mayBoot: false,
			attachTo: session,
			label: `attach to session ${session}`,
			command: null,
		},
		...{ vm, bytes, timeoutMs, pid, askedAt, now, clock },
	});
}

/** The end of the connection is the end of the session's client. No answer while all is well; rejects like a run. */
export async function serveHold(client: SessionClient, request: HoldRequest, vm: Vm): Promise<void> {
	const { boot, session: number, pid } = request;
	const instance = await greetedInstance(client, vm);
	if (instance?.bootTag !== boot) throw earlierBoot(vm, number, boot);
	instance.clientCame(number, { session: number, pid });
	await keepConnected(client, { vm, instance, number });
}

/** The vm's instance once its boot is known: of one that a broker found running, that may take until its agent dials. */
function greetedInstance(client: SessionClient, vm: Vm): Promise<Instance | undefined> {
	return new Promise((resolve) => {
		const look = (): void => {
			const { instance } = vm.snapshot();
			if (instance !== undefined && instance.bootTag === null && !client.gone.aborted) return;
			unwatch();
			resolve(instance);
		};
		const unwatch = vm.watch(look);
		client.gone.addEventListener("abort", look, { once: true });
		look();
	});
}

const remedy = "qubes-lite ps";

function notUp(vm: Vm, session: number, state: string): QubesLiteError {
	const { name } = vm.config;
	return new QubesLiteError("NotRunning", `${name} is ${state}, so session ${session} has ended`, { remedy });
}

function earlierBoot(vm: Vm, session: number, boot: string): QubesLiteError {
	const { name } = vm.config;
	const id = formatSessionId({ vm: name, session, boot });
	return new QubesLiteError("NotRunning", `session ${id} was of an earlier boot of ${name}, which has ended`, {
		remedy,
	});
}
