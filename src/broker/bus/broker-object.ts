/** org.qubeslite.Broker1: what is not of one vm. */
import { noSuchVm } from "../../config/vm-name.ts";
import { joinSignature } from "../../dbus/interface-spec.ts";
import { EncodedBody } from "../../dbus/message-codec.ts";
import type { Caller, ServedInterface, Values } from "../../dbus/served-objects.ts";
import { parseSessionId } from "../../protocol/session-id.ts";
import type { Requests } from "../requests.ts";
import { listAllSessions, listSessionsOf } from "../serve-sessions.ts";
import type { Vm } from "../vm.ts";
import { CallOptions } from "./call-options.ts";
import { toCommand } from "./command.ts";
import { brokerSpec, toPath } from "./interfaces.ts";
import type { Opener } from "./opener.ts";
import type { Runs } from "./runs.ts";
import { toEndReply } from "./session-end.ts";

export interface BrokerObjectHost {
	readonly version: string;
	/** What is wrong with the files as they are now, in a sentence each. */
	problems(): { readonly config: string | null; readonly policy: string | null };
	readonly requests: Requests;
	readonly runs: Runs;
	readonly opener: Opener;
	/** Those that are to be seen, and where. */
	visible(): Iterable<readonly [path: string, vm: Vm]>;
}

export type BrokerProperties = Readonly<Record<keyof typeof brokerSpec.properties, string>>;

type Method = keyof typeof brokerSpec.methods;

export class BrokerObject implements ServedInterface {
	readonly spec = brokerSpec;
	readonly #host: BrokerObjectHost;
	/** As it was last, in words and in bytes. */
	#listed: { readonly said: string; readonly body: EncodedBody } | undefined;

	constructor(host: BrokerObjectHost) {
		this.#host = host;
	}

	properties(): BrokerProperties {
		const { version, problems } = this.#host;
		const { config, policy } = problems();
		return { Version: version, ConfigProblem: config ?? "", PolicyProblem: policy ?? "" };
	}

	/** What is wrong with the policy can be read also where that allows nothing. */
	checkReading(): void {}

	checkListing(): void {
		this.#host.requests.require({ target: "@anyvm", service: "list" });
	}

	async call(method: Method, args: readonly unknown[], caller: Caller): Promise<Values> {
		const { runs } = this.#host;
		const options = new CallOptions(args.at(-1));
		const [word] = args as [string];
		switch (method) {
			case "ListVMs":
				return await this.#list();
			case "GetVM":
				return [await this.#find(word)];
			case "ListSessions":
				return [await this.#listSessions(options.string("vm"))];
			case "RunDisposable": {
				const command = toCommand(args[1] as string[], options);
				const session = await runs.run({ vm: word, disposable: true, ...command }, caller);
				return [session, toPath(parseSessionId(session).vm)];
			}
			case "Wait":
				return toEndReply(await runs.wait(word, caller));
			case "Signal":
				await runs.signal(word, String(args[1]), caller);
				return [];
			case "Open":
				return [await this.#host.opener.open(word, options.string("in"), caller)];
		}
	}

	/** Who draws it asks often, and it seldom changes. */
	async #list(): Promise<EncodedBody> {
		await this.#host.requests.admit({ method: "list" });
		const vms = [...this.#host.visible()].map(([path, vm]) => {
			const { name, id } = vm.config;
			return [name, path, id, vm.snapshot().state];
		});
		const said = vms.join();
		if (said !== this.#listed?.said)
			this.#listed = { said, body: new EncodedBody(joinSignature(brokerSpec.methods.ListVMs.out), [vms]) };
		return this.#listed.body;
	}

	async #find(name: string): Promise<string> {
		const { requests, visible } = this.#host;
		await requests.admit({ method: "status", vm: name });
		const vm = requests.dependencies.registry.find(name);
		const path = toPath(vm.config.name);
		if ([...visible()].some(([shown]) => shown === path)) return path;
		throw noSuchVm(
			name,
			[...visible()].map(([, { config }]) => config.name),
		);
	}

	async #listSessions(name: string | null): Promise<readonly unknown[]> {
		const { requests } = this.#host;
		await requests.admit({ method: "sessions", vm: name });
		const { registry } = requests.dependencies;
		const sessions = await (name === null ? listAllSessions(registry.all()) : listSessionsOf(registry.find(name)));
		return sessions.map(({ id, vm, command, state }) => [id, toPath(vm), command, state]);
	}
}
