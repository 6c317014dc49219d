import { expect, it } from "vitest";
import { BrokerObject, type BrokerObjectHost } from "../../../src/broker/bus/broker-object.ts";
import type { Caller } from "../../../src/dbus/served-objects.ts";

const caller: Caller = {
	...{ name: ":1.7", gone: new AbortController().signal, begun: () => () => {}, onGone: () => () => {} },
};

it("names no object of a vm that is kept ready, which there is not before somebody asks for it", async () => {
	const registry = {
		find: (name: string) => ({ config: { name } }),
	};
	const requests = { admit: async () => {}, dependencies: { registry } };
	const host = { requests, visible: () => [["/org/qubeslite/vm/shopping", registry.find("shopping")]] };
	const object = new BrokerObject(host as unknown as BrokerObjectHost);
	expect(await object.call("GetVM", ["shopping", {}], caller)).toEqual(["/org/qubeslite/vm/shopping"]);
	await expect(object.call("GetVM", ["disp-1a2b", {}], caller)).rejects.toMatchObject({ code: "NoSuchVm" });
});
