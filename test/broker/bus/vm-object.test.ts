/** What goes on of a call whose caller leaves the bus before it is answered. */
import { beforeEach, describe, expect, it } from "vitest";
import { VmObject, type VmObjectHost } from "../../../src/broker/bus/vm-object.ts";
import type { Vm } from "../../../src/broker/vm.ts";
import type { Caller } from "../../../src/dbus/served-objects.ts";

let gone: AbortController;
let caller: Caller;
let admission: PromiseWithResolvers<void>;
let asked: { readonly method: string; readonly number: number; done(): void }[];
let withdrawn: number[];
let object: VmObject;

beforeEach(() => {
	gone = new AbortController();
	caller = { name: ":1.7", gone: gone.signal, begun: () => () => {}, onGone: () => () => {} };
	admission = Promise.withResolvers();
	[asked, withdrawn] = [[], []];
	const vm = { config: { name: "shopping" }, withdraw: (number: number) => withdrawn.push(number) };
	let numbers = 0;
	const requests = {
		admit: () => admission.promise,
		nextNumber: () => ++numbers,
		answer: ({ method }: { readonly method: string }, number: number) =>
			new Promise<void>((resolve) => asked.push({ method, number, done: resolve })),
	};
	object = new VmObject(vm as unknown as Vm, { requests } as unknown as VmObjectHost);
});

const turns = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const methods = () => asked.map(({ method }) => method);

describe("a caller that leaves", () => {
	it.each([
		["Start", [{}]],
		["Stop", [{}]],
		["Kill", [{}]],
		["Restart", [{}]],
		["Set", [{}, {}]],
	] as const)("before %s is begun with has asked for nothing", async (method, args) => {
		const call = object.call(method, args, caller);
		gone.abort();
		admission.resolve();
		await expect(call).rejects.toThrow();
		expect(asked).toEqual([]);
	});

	it("asks no longer for a Start that waits, and is no longer waited for", async () => {
		admission.resolve();
		const call = object.call("Start", [{}], caller);
		await turns();
		expect(methods()).toEqual(["start"]);
		gone.abort();
		await expect(call).rejects.toThrow();
		expect(withdrawn).toEqual([1]);
	});

	it("leaves no vm stopped by half a Restart", async () => {
		admission.resolve();
		const call = object.call("Restart", [{}], caller);
		await turns();
		gone.abort();
		expect(methods()).toEqual(["stop"]);
		asked[0]?.done();
		await turns();
		expect(methods()).toEqual(["stop", "start"]);
		asked[1]?.done();
		expect(await call).toEqual([]);
		expect(withdrawn).toEqual([]);
	});
});

it("withdraws nothing that was answered", async () => {
	admission.resolve();
	const call = object.call("Start", [{}], caller);
	await turns();
	asked[0]?.done();
	expect(await call).toEqual([]);
	gone.abort();
	expect(withdrawn).toEqual([]);
});
