import { expect, it } from "vitest";
import type { Question } from "../../../src/broker/notifications/question.ts";
import type { Reason } from "../../../src/statemachines/vm-events.ts";
import { FakeBroker, FakeVm, settle } from "./fake-desktop.ts";

const crash: Reason = { code: "BootFailed", sentence: "its vmm ended with status 1" };

const fleet = (count: number): FakeBroker =>
	new FakeBroker(...Array.from({ length: count }, (_, index) => (now: () => number) => new FakeVm(`vm${index}`, now)));

function fail(vm: FakeVm): void {
	vm.step("booting");
	vm.step("failed", { reason: crash });
}

it("of one vm and kind there is one in 10 s", async () => {
	const broker = fleet(1);
	for (const wait of [0, 5_000, 4_999, 1]) {
		await broker.advance(wait);
		fail(broker.vm());
	}
	await settle();
	expect(broker.desktop.bubbles.map(({ saidAt }) => (saidAt[0] ?? 0) - 1_000_000)).toEqual([0, 10_000]);
});

it("a hundred vms that fail are twelve notifications, of which the last one names the rest", async () => {
	const broker = fleet(100);
	for (const vm of broker.vms) {
		fail(vm);
		await broker.advance(20);
	}
	await broker.advance(1_000);
	expect(broker.desktop.bubbles.length).toBe(12);
	const last = broker.desktop.bubbles.at(-1);
	expect(last?.note).toEqual({
		summary: "89 other vms have failed",
		body: ["vm11, vm12, vm13 and 86 more", "qubes-lite ls"],
		urgency: "critical",
	});
	expect(last?.said[0]?.summary).toBe("Another vm has failed");
	/** Two in a second. */
	expect(last?.said.length).toBeLessThanOrEqual(6);
	await broker.advance(60_000);
	fail(broker.vm());
	await settle();
	expect(broker.desktop.bubbles.at(-1)?.note.summary).toBe("vm0 did not start");
});

it("what is no failure leaves the last one of a minute to those", async () => {
	const broker = fleet(40);
	for (const vm of broker.vms) {
		const now = broker.clock.now();
		vm.step("idle", { idleSince: now, announcedStopAt: now + 30_000 });
		vm.notice({ type: "stop.announced", at: now + 30_000, sentence: "idle for 10 min" });
	}
	fail(broker.vm(39));
	await settle();
	expect(broker.desktop.bubbles.length).toBe(12);
	expect(broker.desktop.bubbles.at(-1)?.note).toMatchObject({
		summary: "Another vm has failed",
		body: ["vm39", "qubes-lite ls"],
	});
});

const question = (changes: Partial<Question> = {}): Question => ({
	summary: "shopping asks to open a link",
	body: ["https://example.org/"],
	choices: [
		{ key: "allow", label: "Allow" },
		{ key: "deny", label: "Deny" },
	],
	withinMs: 30_000,
	...changes,
});

it("a question resolves with the choice, and is gone then", async () => {
	const broker = fleet(0);
	const answer = broker.notifications.ask(question());
	await settle();
	broker.desktop.open[0]?.click("default");
	broker.desktop.open[0]?.click("allow");
	expect(await answer).toEqual({ kind: "chosen", key: "allow" });
	await settle();
	expect([broker.desktop.summaries, broker.clock.pending]).toEqual([[], 0]);
});

it.each<[string, (broker: FakeBroker, cancel: AbortController) => void | Promise<void>]>([
	["that nobody answers in time", (broker) => broker.advance(30_000)],
	["that is closed", (broker) => broker.desktop.open[0]?.dismiss()],
	["that is withdrawn", (_, cancel) => cancel.abort()],
	[
		"of a broker that leaves",
		async (broker) => {
			await broker.notifications.close();
			await broker.advance(250);
		},
	],
])("a question %s has no answer", async (_, happen) => {
	const broker = fleet(0);
	const cancel = new AbortController();
	const answer = broker.notifications.ask(question({ cancel: cancel.signal }));
	await settle();
	expect(broker.desktop.open.length).toBe(1);
	await happen(broker, cancel);
	expect(await answer).toEqual({ kind: "unanswered" });
	await settle();
	expect([broker.desktop.summaries, broker.clock.pending]).toEqual([[], 0]);
});

it.each<[string, string, (broker: FakeBroker) => void]>([
	[
		"nobody shows it",
		"unshown",
		(broker) => {
			broker.desktop.isAbsent = true;
		},
	],
	[
		"nobody can click",
		"unshown",
		(broker) => {
			broker.desktop.hasActions = false;
		},
	],
	[
		"it is not wanted",
		"unwanted",
		(broker) => {
			broker.isWanted = false;
		},
	],
])("a question has no answer at once where %s, and says so", async (_, kind, begin) => {
	const broker = fleet(0);
	begin(broker);
	expect(await broker.notifications.ask(question())).toEqual({ kind });
	expect(broker.clock.pending).toBe(0);
});

it("who asks what is on the screen already hears the same answer, and nothing more is shown", async () => {
	const broker = fleet(0);
	const answers = [broker.notifications.ask(question()), broker.notifications.ask(question())];
	await settle();
	answers.push(broker.notifications.ask(question()));
	expect(broker.desktop.bubbles.length).toBe(1);
	broker.desktop.open[0]?.click("deny");
	/** It is answered: this is another question. */
	const late = broker.notifications.ask(question());
	const denied = { kind: "chosen", key: "deny" };
	expect(await Promise.all(answers)).toEqual([denied, denied, denied]);
	await settle();
	expect(broker.desktop.bubbles.length).toBe(2);
	broker.desktop.open[0]?.click("allow");
	expect(await late).toEqual({ kind: "chosen", key: "allow" });
});

it("a question stays for those who still ask it, and goes with the last one", async () => {
	const broker = fleet(0);
	const [first, second] = [new AbortController(), new AbortController()];
	const ask = ({ signal }: AbortController) => broker.notifications.ask(question({ cancel: signal }));
	const answers = [ask(first), ask(second)];
	await settle();
	first.abort();
	expect(await answers[0]).toEqual({ kind: "unanswered" });
	expect(broker.desktop.open.length).toBe(1);
	second.abort();
	expect(await answers[1]).toEqual({ kind: "unanswered" });
	await settle();
	expect([broker.desktop.summaries, broker.clock.pending]).toEqual([[], 0]);
});

it("what offers other choices is another question", async () => {
	const broker = fleet(0);
	const other = { choices: [{ key: "allow", label: "Allow, and more" }] };
	const answers = [broker.notifications.ask(question()), broker.notifications.ask(question(other))];
	await settle();
	broker.desktop.open[1]?.click("allow");
	broker.desktop.open[0]?.click("deny");
	expect(await Promise.all(answers)).toMatchObject([{ key: "deny" }, { key: "allow" }]);
});

it("who asks and asks is not heard any more", async () => {
	const broker = fleet(0);
	const ask = (_: unknown, index: number) => broker.notifications.ask(question({ summary: `vm${index} asks` }));
	const answers = Array.from({ length: 20 }, ask);
	await settle();
	expect(broker.desktop.open.length).toBe(11);
	for (const bubble of broker.desktop.open) bubble.click("deny");
	const kinds = (await Promise.all(answers)).map(({ kind }) => kind);
	expect(kinds).toEqual([...Array(11).fill("chosen"), ...Array(9).fill("tooMany")]);
});
