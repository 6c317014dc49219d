import { expect, it } from "vitest";
import { type Ask, type Deciders, decideWhere } from "../../src/open/decide-where.ts";
import { parseOpenTarget } from "../../src/open/open-target.ts";
import { createConfig, createVm } from "../vmm/facts.ts";

const config = createConfig(createVm(), createVm({ id: 15, name: "disp", disposable: true }));
const link = parseOpenTarget("https://bank.example/x");
type OpenPolicy = Deciders["policy"];
const toAdding = (added: string): string => `add ${added}`;
const nothing: OpenPolicy = { lineFor: () => null, hasLines: false, toAdding };
const line = (target: string): OpenPolicy => ({
	lineFor: (host) => (host === "bank.example" ? { target, place: "/p/1.policy:3" } : null),
	hasLines: true,
	toAdding,
});

async function decide(policy: OpenPolicy, ask?: Ask, target = link, from = config): Promise<[string, boolean]> {
	const { vm, isDisposable } = await decideWhere(target, from, { policy, ask });
	return [vm.name, isDisposable];
}

const second: Ask = async (what, choices) => {
	expect(what).toBe("bank.example");
	expect(choices.map(({ vm, isDisposable }) => [vm.name, isDisposable])).toEqual([
		["shopping", false],
		["disp", false],
		["disp", true],
	]);
	const [, chosen] = choices;
	if (chosen === undefined) throw new Error("no choice");
	return chosen;
};

it("the policy's line decides, without a question", async () => {
	const never: Ask = () => Promise.reject(new Error("asked"));
	expect(await decide(line("shopping"), never)).toEqual(["shopping", false]);
	expect(await decide(line("@dispvm"), never)).toEqual(["disp", true]);
	expect(await decide(line("@dispvm:shopping"))).toEqual(["shopping", true]);
});

it("somebody at a terminal is asked where it says so, or says nothing", async () => {
	expect(await decide(line("ask"), second)).toEqual(["disp", false]);
	expect(await decide(nothing, second)).toEqual(["disp", false]);
});

it("without a terminal it is a disposable, as long as there is no line at all", async () => {
	expect(await decide(nothing)).toEqual(["disp", true]);
	expect(await decide(nothing, undefined, parseOpenTarget("/a.txt"))).toEqual(["disp", true]);
	const other = decide(line("shopping"), undefined, parseOpenTarget("https://other.example/"));
	await expect(other).rejects.toMatchObject({
		code: "Denied",
		message: "other.example is opened nowhere: no line of the policy says where",
		remedy: "add open-url other.example VM   # or: qubes-lite open --in VM …",
	});
	await expect(decide(nothing, undefined, link, createConfig(createVm()))).rejects.toMatchObject({ code: "Denied" });
	await expect(decide(line("ask"))).rejects.toMatchObject({
		message: "bank.example is opened nowhere: /p/1.policy:3 says to ask, and there is no terminal",
	});
});

it("a line that leads nowhere is named", async () => {
	await expect(decide(line("shoping"))).rejects.toMatchObject({
		code: "NoSuchVm",
		message: "/p/1.policy:3: there is no vm 'shoping'; did you mean 'shopping'?",
	});
});
