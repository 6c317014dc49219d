/** An inhibitor: somebody on the host who keeps a vm from stopping by idleness, for as long as their connection is open. */
import { QubesLiteError } from "../errors.ts";
import type { BrokerRequest } from "../protocol/broker.ts";
import type { ClientConnection } from "./client-connection.ts";
import type { Registry } from "./registry.ts";
import { toSafeLine } from "./safe-line.ts";
import type { Vm } from "./vm.ts";

/** Of one vm: far more than a person has in mind, and few enough to be listed. */
const inhibitorsMax = 64;

export interface InhibitOptions {
	readonly registry: Registry;
	readonly vm: Vm;
	/** Unique for the life of this broker. */
	readonly number: number;
	/** Tells the client that the vm is held. */
	readonly held: () => void;
}

/**
 * Resolves when the client is gone. One whose vm is gone is cut, and hears from its next request that there is none. Throws Limit.
 */
export async function serveInhibit(
	client: Pick<ClientConnection, "gone" | "cut">,
	{ label }: Extract<BrokerRequest, { readonly method: "inhibit" }>,
	{ registry, vm, number, held }: InhibitOptions,
): Promise<void> {
	const { name } = vm.config;
	if (vm.inhibitors.size >= inhibitorsMax) {
		throw new QubesLiteError("Limit", `${name} is kept by ${inhibitorsMax} inhibitors already, which is the limit`, {
			remedy: `end some of them: qubes-lite why ${name}`,
		});
	}
	const release = vm.inhibitors.add(number, toSafeLine(label).trim() || "somebody");
	let unwatch = (): void => {};
	try {
		held();
		await new Promise<void>((resolve) => {
			if (client.gone.aborted) resolve();
			client.gone.addEventListener("abort", () => resolve(), { once: true });
			unwatch = registry.watch({
				gone(other) {
					if (other !== vm) return;
					client.cut();
					resolve();
				},
			});
		});
	} finally {
		unwatch();
		release();
	}
}
