/** Links and files that programs on the bus want opened: where, by which handler, and what is refused. */
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { chownAll, nothingLeft, type Outcome } from "../e2e/harness.ts";
import { NotificationServer } from "../fixtures/notification-server.ts";
import { BusCaller } from "./bus-caller.ts";
import { FakeGuestPrograms } from "./fake-guest-programs.ts";
import { InstalledBroker } from "./installed-broker.ts";

const [broker, root, vmInterface] = ["org.qubeslite.Broker1", "/org/qubeslite", "org.qubeslite.VM1"];
let installed: InstalledBroker;
let desktop: NotificationServer;
/** By whom errors are known by their names. */
let caller: BusCaller;
const at = (...parts: string[]): string => join(installed.user.directory, ...parts);
const busctl = (...words: string[]): Promise<Outcome> =>
	installed.manager.run("busctl", "--user", "--timeout=90", "--", "call", broker, ...words);
const open = (target: string, ...options: string[]) =>
	busctl(root, broker, "Open", "sa{sv}", target, ...(options.length > 0 ? options : ["0"]));
const openIn = (vm: string, target: string, ...options: string[]) =>
	busctl(`${root}/vm/${vm}`, vmInterface, "Open", "sa{sv}", target, ...(options.length > 0 ? options : ["0"]));
const session = (vm: string) => ({
	status: 0,
	stdout: expect.stringMatching(`^s "${vm}\\.\\d+\\.[0-9a-f]{4}"\n$`),
	stderr: "",
});
const opened = (): string => readFileSync(at("opened"), "utf8");
const untilOpened = (text: string) => installed.user.until(`${text} is opened`, () => opened().includes(text));
const writePolicy = (text: string): void => writeFileSync(at(".config/qubes-lite/policy.d/1.policy"), text);

beforeAll(async () => {
	installed = await InstalledBroker.start({ vms: [] });
	new FakeGuestPrograms(installed.user);
	writeFileSync(at("opened"), "");
	const handler = (name: string) => [at("fakes/handler"), name];
	/** What it was called with, a line for each; of a file also what is in it. */
	const script = `#!/bin/sh\necho "$@" >>'${at("opened")}'\nfor last; do :; done\n[ ! -f "$last" ] || { cat "$last" >>'${at("opened")}'; rm -r "\${last%/*}"; }\n`;
	writeFileSync(at("fakes/handler"), script, { mode: 0o755 });
	for (const directory of ["docs", ".config/qubes-lite/policy.d"]) mkdirSync(at(directory), { recursive: true });
	writeFileSync(at("docs/letter.txt"), "a letter\n");
	writeFileSync(at("a file.txt"), "x".repeat(1 << 20));
	writeFileSync(at("large"), "");
	truncateSync(at("large"), 300 << 20);
	installed.writeConfig({
		version: 1,
		/** So that the fake guests have the PATH of their user. */
		supervisor: "direct",
		vms: [
			{ id: 5, name: "shopping", open: handler("shopping"), sharedDirectories: [{ tag: "docs", path: at("docs") }] },
			{ id: 7, name: "banking", open: handler("banking") },
			{ id: 15, name: "disp", disposable: true, open: handler("disp") },
		],
	});
	writePolicy("* * @host @anyvm allow\n");
	if (installed.user.uid !== undefined) chownAll(installed.user.directory, installed.user.uid);
	desktop = await NotificationServer.start(at("bus"));
	caller = new BusCaller(installed);
});

afterEach(() => writeFileSync(at("opened"), ""));

afterAll(async () => {
	await caller.kill();
	await desktop.stop();
	expect(await installed.leave(["shopping", "banking"])).toEqual(nothingLeft);
});

it("a link opens in the vm that is called, as one word of its handler's", async () => {
	expect(await openIn("shopping", "https://Example.org/?q=$(reboot) b")).toMatchObject(session("shopping"));
	await untilOpened("shopping https://example.org/?q=$(reboot)%20b\n");
});

it("without a vm the policy's line decides, and without any line a disposable gets it", async () => {
	expect(await open("https://example.org")).toMatchObject(session("disp-[0-9a-f]{4}"));
	await untilOpened("disp https://example.org/\n");
	writePolicy("open-url *.bank.example banking\n* * @host @anyvm allow\n");
	expect(await open("https://my.bank.example")).toMatchObject(session("banking"));
	await untilOpened("banking https://my.bank.example/\n");
	expect(await open("mailto:a@b.c", "1", "in", "s", "@dispvm:banking")).toMatchObject(session("disp-[0-9a-f]{4}"));
	expect(await openIn("shopping", "http://x.example", "1", "disposable", "b", "true")).toMatchObject(
		session("disp-[0-9a-f]{4}"),
	);
});

it("a line that says to ask asks whoever sits there", { timeout: 60_000 }, async () => {
	writePolicy("open-url * ask\n* * @host @anyvm allow\n");
	const asked = open("https://news.example");
	await installed.user.until("it asks", () => desktop.summaries.includes("Open news.example"));
	const question = desktop.open.find(({ summary }) => summary === "Open news.example");
	const labels = question?.actions.filter((_, index) => index % 2 === 1);
	expect(labels).toEqual(["shopping", "banking", "disp", "a disposable (disp)"]);
	desktop.click(question?.id ?? 0, "1");
	expect(await asked).toMatchObject(session("banking"));
	await untilOpened("banking https://news.example/\n");
	const unanswered = open("https://other.example");
	await installed.user.until("it asks again", () => desktop.summaries.includes("Open other.example"));
	desktop.dismiss(desktop.open.find(({ summary }) => summary === "Open other.example")?.id ?? 0);
	expect((await unanswered).stderr).toContain("nobody has chosen where other.example is opened");
});

it("who opens the same while the question is on the screen gets the same answer", async () => {
	writePolicy("open-url * ask\n* * @host @anyvm allow\n");
	const asked = desktop.notified.length;
	const links = ["twice.example/a", "twice.example/b", "twice.example/c", "last.example/"].map(
		(link) => `https://${link}`,
	);
	/** One program's calls are taken in their order: when the last one asks, all have. */
	for (const link of links) await caller.send(root, broker, "Open", `('${link}', @a{sv} {})`);
	await installed.user.until("it asks", () => desktop.summaries.includes("Open last.example"));
	for (const { id } of desktop.open) desktop.click(id, "1");
	for (const link of links) await untilOpened(`banking ${link}\n`);
	const summaries = desktop.notified.slice(asked).map(({ summary }) => summary);
	expect(summaries).toEqual(["Open twice.example", "Open last.example"]);
});

it("`qubes-lite open` without a terminal has the desktop asked", { timeout: 60_000 }, async () => {
	const asked = installed.manager.run("qubes-lite", "open", "https://link.example");
	await installed.user.until("it asks", () => desktop.summaries.includes("Open link.example"));
	desktop.click(desktop.open.find(({ summary }) => summary === "Open link.example")?.id ?? 0, "0");
	expect(await asked).toMatchObject({ status: 0, stdout: "", stderr: "" });
	await untilOpened("shopping https://link.example/\n");
	const unanswered = installed.manager.run("qubes-lite", "open", "https://no.example");
	await installed.user.until("it asks again", () => desktop.summaries.includes("Open no.example"));
	desktop.dismiss(desktop.open.find(({ summary }) => summary === "Open no.example")?.id ?? 0);
	expect(await unanswered).toMatchObject({
		status: 1,
		stderr: expect.stringMatching(
			/^qubes-lite: nobody has chosen where no\.example is opened, and the policy does not say\n {2}→ .*open-url no\.example VM.*\n$/,
		),
	});
});

it("a file goes over whole; one in a shared directory is opened where it is", async () => {
	writePolicy("* * @host @anyvm allow\n");
	expect(await openIn("shopping", at("a file.txt"))).toMatchObject(session("shopping"));
	await installed.user.until("all of it is there", () => opened().length > 1 << 20);
	expect(opened()).toMatch(/^shopping \/.*\/qubes-lite-open-\w+\/a file\.txt\nx{1048576}$/);
	writeFileSync(at("opened"), "");
	expect(await openIn("shopping", `file://${at("docs/letter.txt")}`)).toMatchObject(session("shopping"));
	await untilOpened("shopping /mnt/docs/letter.txt\n");
});

it.each([
	["javascript:alert(1)", "BadRequest", "is not opened in vms"],
	["letter.txt", "BadRequest", "absolute path"],
	["/nonexistent", "BadRequest", "is not there"],
	["/dev/null", "BadRequest", "is not a regular file"],
	["", "BadRequest", "nothing to open"],
	[`https://example.org/${"x".repeat(10_000)}`, "BadRequest", "longer than 8 KiB"],
	["large", "Limit", "is larger than 256 MiB"],
])("%s is refused by name, and nothing is started", async (target, code, words) => {
	const starts = installed.user.starts("banking");
	const word = target === "large" ? at(target) : target;
	const answer = await caller.call(`${root}/vm/banking`, vmInterface, "Open", `(${JSON.stringify(word)}, @a{sv} {})`);
	expect(answer).toEqual(["error", `org.qubeslite.Error.${code}`, expect.stringContaining(words)]);
	expect(installed.user.starts("banking")).toBe(starts);
});

it("is asked of the policy as opening, by its scheme", async () => {
	writePolicy("open +https @host banking deny\n* * @host @anyvm allow\n");
	expect((await openIn("banking", "https://x.example")).stderr).toContain("the policy does not allow this");
	expect(await openIn("banking", "http://x.example")).toMatchObject(session("banking"));
	writePolicy("* * @host @anyvm allow\n");
});
