/** org.qubeslite.VM1: one vm, as other programs see and use it. */
import type { Caller, ServedInterface } from "../../dbus/served-objects.ts";
import { QubesLiteError } from "../../errors.ts";
import { labelMaxChars } from "../../protocol/limits.ts";
import type { WireSettings } from "../../protocol/settings.ts";
import { onAbort, orAborted } from "../../session-client/on-abort.ts";
import type { PlainRequest, Requests } from "../requests.ts";
import type { Vm } from "../vm.ts";
import { CallOptions } from "./call-options.ts";
import { parseArgvBytes, toCommand } from "./command.ts";
import type { Inhibitions } from "./inhibitions.ts";
import { vmSpec } from "./interfaces.ts";
import type { Opener } from "./opener.ts";
import type { Runs } from "./runs.ts";
import { toVmProperties } from "./vm-properties.ts";

export interface VmObjectHost {
	readonly requests: Requests;
	readonly runs: Runs;
	readonly inhibitions: Inhibitions;
	readonly opener: Opener;
}

type Method = keyof typeof vmSpec.methods;

export class VmObject implements ServedInterface {
	readonly spec = vmSpec;
	readonly #vm: Vm;
	readonly #host: VmObjectHost;

	constructor(vm: Vm, host: VmObjectHost) {
		this.#vm = vm;
		this.#host = host;
	}

	properties(): ReturnType<typeof toVmProperties> {
		return toVmProperties(this.#vm, this.#host.requests.status(this.#vm));
	}

	checkReading(): void {
		this.#host.requests.require({ target: this.#vm.config.name, service: "status" });
	}

	async call(method: Method, args: readonly unknown[], caller: Caller): Promise<readonly unknown[]> {
		const vm = this.#vm.config.name;
		const options = new CallOptions(args.at(-1));
		switch (method) {
			case "Start":
				return this.#start({ method: "start", vm }, caller);
			case "Stop":
				return this.#ask({ method: "stop", vm, force: options.boolean("force") }, caller);
			case "Kill":
				return this.#ask({ method: "stop", vm, force: true }, caller);
			case "Restart":
				return this.#restart({ method: "stop", vm, force: options.boolean("force") }, caller);
			case "Set":
				return this.#ask({ method: "set", vm, settings: parseSettings(new CallOptions(args[0])) }, caller);
			case "Run":
				return [await this.#run(args[0] as string[], options, caller)];
			case "RunBytes":
				return [await this.#run(parseArgvBytes(args[0] as Buffer[]), options, caller)];
			case "Inhibit":
				return [await this.#host.inhibitions.add(vm, toLabel(String(args[0])), caller)];
			case "Uninhibit":
				this.#host.inhibitions.release(Number(args[0]), caller);
				return [];
			case "Open":
				return [
					await this.#host.opener.open(String(args[0]), options.boolean("disposable") ? `@dispvm:${vm}` : vm, caller),
				];
		}
	}

	/** What is begun with goes on without the caller. */
	async #ask(request: PlainRequest, { gone }: Pick<Caller, "gone">): Promise<readonly unknown[]> {
		const { requests } = this.#host;
		await requests.admit(request);
		gone.throwIfAborted();
		await requests.answer(request, requests.nextNumber());
		return [];
	}

	/** Who leaves asks no longer: what waits for another vm, or for the end of a stop, is not booted for them. A boot goes on. */
	async #start(request: PlainRequest & { readonly method: "start" }, { gone }: Caller): Promise<readonly unknown[]> {
		const { requests } = this.#host;
		await requests.admit(request);
		gone.throwIfAborted();
		const number = requests.nextNumber();
		const forget = onAbort(gone, () => this.#vm.withdraw(number));
		await orAborted(gone, requests.answer(request, number)).finally(forget);
		return [];
	}

	/** Nothing is stopped that must not be started again, or can't, and nothing is left stopped by a caller that does not wait. */
	async #restart(stop: PlainRequest & { readonly method: "stop" }, { gone }: Caller): Promise<readonly unknown[]> {
		const { vm } = stop;
		const start = { method: "start", vm } as const;
		if (this.#vm.config.instanceOf !== undefined) {
			throw new QubesLiteError("Unsupported", `${vm} is a disposable, of which there is no other when it has stopped`);
		}
		await this.#host.requests.admit(start);
		await this.#ask(stop, { gone });
		return this.#ask(start, { gone: stays });
	}

	#run(argv: readonly string[], options: CallOptions, caller: Caller): Promise<string> {
		return this.#host.runs.run({ vm: this.#vm.config.name, disposable: false, ...toCommand(argv, options) }, caller);
	}
}

/** Of who is taken to wait. */
const stays = new AbortController().signal;

/** Its keys and their values are checked by whoever takes them. */
function parseSettings(settings: CallOptions): WireSettings {
	return Object.fromEntries(
		settings.entries().map(([key, value]) => {
			if (typeof value === "string" || typeof value === "number") return [key, value];
			if (typeof value === "bigint" && value <= Number.MAX_SAFE_INTEGER) return [key, Number(value)];
			throw new QubesLiteError("BadRequest", `the setting '${key.slice(0, 64)}' is neither a number nor a string`);
		}),
	);
}

function toLabel(why: string): string {
	if (why.length <= labelMaxChars) return why;
	throw new QubesLiteError("BadRequest", `the reason has ${why.length} characters; the limit is ${labelMaxChars}`);
}
