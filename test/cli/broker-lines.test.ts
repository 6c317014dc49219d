import { expect, test } from "vitest";
import { BrokerLines } from "../../src/cli/broker-lines.ts";

const time = Date.UTC(2026, 10, 24, 18, 2, 11, 123);
const line = (facts: object): string => `${JSON.stringify({ level: 30, time, pid: 7, ...facts })}\n`;
const format = (text: string, vm = "shopping"): string => new BrokerLines(vm).push(Buffer.from(text)).toString();

test("a line about the vm is told with its time, its event and its facts", () => {
	const said = line({ event: "vm.state", vm: "shopping", state: "stopped", reason: "stopped by request" });
	expect(format(said)).toBe('2026-11-24T18:02:11.123Z vm.state state=stopped reason="stopped by request"\n');
});

test("the phases of a guest's boot are told in words, not in JSON", () => {
	const phases = [
		{ name: "init", uptimeMs: 812 },
		{ name: "agent", uptimeMs: 1310 },
	];
	expect(format(line({ event: "guest.hello", vm: "shopping", phases }))).toBe(
		'2026-11-24T18:02:11.123Z guest.hello phases="init 0.8 s, agent 1.3 s"\n',
	);
});

test("lines about others, about none, and what is no line of ours are left out", () => {
	const others = [line({ event: "vm.state", vm: "shop" }), line({ event: "broker.serves" })];
	expect(format([...others, "null\n", "qubes-lite: no such file\n", "{\n", "[1]\n", '"shopping"\n'].join(""))).toBe("");
});

test("a line break or an escape in a fact stays in its line", () => {
	expect(format(line({ event: "guest.refused", vm: "shopping", why: "a\n\x1b[2J" }))).toBe(
		'2026-11-24T18:02:11.123Z guest.refused why="a\\n\\u001b[2J"\n',
	);
});

test("the log may be cut anywhere, also in a character", () => {
	const whole = Buffer.from(line({ event: "vm.state", vm: "shopping", reason: "größer" }).repeat(2));
	const expected = new BrokerLines("shopping").push(whole).toString();
	expect(expected).toContain('reason="größer"');
	for (let at = 0; at <= whole.length; at++) {
		const lines = new BrokerLines("shopping");
		expect(lines.push(whole.subarray(0, at)).toString() + lines.push(whole.subarray(at)).toString()).toBe(expected);
	}
});

test("what never ends is not kept for ever", () => {
	const lines = new BrokerLines("shopping");
	for (let count = 0; count < 100; count++) lines.push(Buffer.alloc(64 * 1024, "x"));
	expect(lines.push(Buffer.from(`\n${line({ event: "e", vm: "shopping" })}`)).toString()).toMatch(/ e\n$/);
});
