/** What a request of the host's asks of the policy, by whatever way it comes. */
import type { Logger } from "pino";
import { QubesLiteError } from "../errors.ts";
import type { BrokerRequest } from "../protocol/broker.ts";
import { parseExec } from "../protocol/exec.ts";
import type { Policy, PolicyRequest } from "./policy.ts";
import { toSafeLine } from "./safe-line.ts";

export interface Authority {
	readonly policy: Pick<Policy, "decide">;
	readonly log: Logger;
}

/** `bytes`: the exec bytes of a run. Throws Denied, and BadRequest where they are malformed or missing. */
export function authorize(request: BrokerRequest, bytes: Buffer | null, authority: Authority): void {
	const query = { source: "@host", target: targetOf(request), service: serviceOf(request) };
	for (const argument of argumentsOf(request, bytes)) {
		requireAllowed(argument === undefined ? query : { ...query, argument }, authority);
	}
}

/** Throws Denied, and notes it without the argument, which is nobody's but the user's. */
export function requireAllowed(query: PolicyRequest, { policy, log }: Authority): void {
	const decision = policy.decide(query);
	if (decision.allow) return;
	const { source, target, service } = query;
	log.info({ event: "policy.denied", source, target: toSafeLine(target), service, rule: decision.rule });
	const message = `the policy does not allow this: ${decision.why}`;
	throw new QubesLiteError("Denied", message, { remedy: decision.remedy });
}

/** Each has to be allowed. */
function argumentsOf(request: BrokerRequest, bytes: Buffer | null): (string | undefined)[] {
	if (request.method === "run") {
		/** Nobody gets past a rule for a command by not saying it. */
		if (bytes === null) throw new QubesLiteError("BadRequest", "a run is judged by its command, and has none");
		return parseExec(bytes).argv.slice(0, 1);
	}
	if (request.method === "clip") return [request.way];
	if (request.method === "set") {
		const keys = Object.keys(request.settings);
		if (keys.length > 0) return keys;
	}
	return [undefined];
}

const serviceOf = ({ method }: BrokerRequest): PolicyRequest["service"] => {
	if (method === "run") return "exec";
	return method === "hold" ? "attach" : method;
};

function targetOf(request: BrokerRequest): string {
	if (!("vm" in request) || request.vm === null) return "@anyvm";
	if (request.method !== "run" || !request.disposable) return request.vm;
	return request.vm === "" ? "@dispvm" : `@dispvm:${request.vm}`;
}
