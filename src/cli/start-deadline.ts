/** `--timeout`, whoever keeps us waiting: a broker that is being replaced, a guest that takes the ticket and says no more. */
import { QubesLiteError } from "../errors.ts";
import type { Options } from "./run-arguments.ts";

/** The broker keeps to --timeout as well, and knows what the wait was for: it gets this long to say so first. */
const brokerFirstMs = 500;

export interface StartDeadline {
	readonly signal: AbortSignal;
	end(): void;
}

export function createStartDeadline(options: Options): StartDeadline {
	const { timeoutMs } = options;
	const controller = new AbortController();
	const what =
		options.kind === "run" ? `the command did not start in ${targetOf(options)}` : "the session did not answer";
	const expire = (): void =>
		controller.abort(
			new QubesLiteError("BootTimeout", `${what} within ${timeoutMs / 1000} s`, { remedy: statusRemedy(options) }),
		);
	const timer = timeoutMs === 0 ? undefined : setTimeout(expire, timeoutMs + brokerFirstMs);
	return { signal: controller.signal, end: () => clearTimeout(timer) };
}

/** The vm, in words. */
export function targetOf(options: Options): string {
	if (options.kind === "attach") return options.id.vm;
	return options.disposable ? "a disposable vm" : options.vm;
}

export const statusRemedy = (options: Options): string =>
	options.kind === "run" && options.disposable ? "qubes-lite ls" : `qubes-lite status ${targetOf(options)}`;
