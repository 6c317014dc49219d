/** The broker's interfaces on a real user bus, used by strangers' tools: busctl and gdbus. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nothingLeft, type Outcome } from "../e2e/harness.ts";
import { managerUids } from "./fake-user.ts";
import { InstalledBroker } from "./installed-broker.ts";

const vms = [
	{ id: 5, name: "shopping", idleTimeout: 60 },
	{ id: 7, name: "my-bank" },
	{ id: 15, name: "disp", disposable: true },
];
const names = ["shopping", "my-bank"];
const [broker, vm] = ["org.qubeslite.Broker1", "org.qubeslite.VM1"];
const shopping = "/org/qubeslite/vm/shopping";

describe.each(managerUids)("the broker on the bus, uid %s", (uid) => {
	let installed: InstalledBroker;
	const busctl = (...words: string[]): Promise<Outcome> => installed.manager.run("busctl", "--user", ...words);
	const call = (path: string, name: string, ...words: string[]) => busctl("call", broker, path, name, ...words);
	const root = (...words: string[]) => call("/org/qubeslite", broker, ...words);
	const of = (path: string, ...words: string[]) => call(path, vm, ...words);

	beforeAll(async () => {
		installed = await InstalledBroker.start({ vms, ...(uid === undefined ? {} : { uid }) });
	});

	afterAll(async () => {
		expect(await installed.leave(names)).toEqual(nothingLeft);
	});

	it("try", { timeout: 120_000 }, async () => {
		const show = async (o: Promise<Outcome>) => console.log(JSON.stringify(await o, null, 1).replaceAll("\\n", "\n"));
		await show(busctl("tree", broker));
		await show(busctl("introspect", broker, shopping));
		await show(root("ListVMs", "a{sv}", "0"));
		console.log(installed.log().split("\n").map((l) => l.slice(0, 250)).slice(0, 40).join("\n"));

		await show(of(shopping, "Start", "a{sv}", "0"));
		await show(of(shopping, "Run", "asa{sv}", "2", "echo", "hello", "1", "capture", "b", "true"));
		await show(root("Wait", "sa{sv}", "shopping.1", "0"));
		await show(root("ListSessions", "a{sv}", "0"));
		console.log(installed.log().split("\n").map((l) => l.slice(0, 250)).slice(0, 60).join("\n"));
	});
});
