/** Windows of "vms" on a real compositor: foot, wl-copy and wl-paste behind waypipe, ours between. */
import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Compositor } from "../e2e/compositor.ts";
import { token } from "../wayland/wire.ts";
import { FilteredDisplay } from "./filtered-display.ts";

const compositor = new Compositor();
/** waypipe 0.8 in the guest can't give more than 200 KB of a program's at once (src/wayland/pipes.ts). */
const shopping = new FilteredDisplay(compositor, {
	vm: "shopping",
	limits: { toplevels: 20, clipboardBytes: 150_000 },
});
const banking = new FilteredDisplay(compositor, { vm: "banking" });

beforeAll(async () => {
	await compositor.start();
	await Promise.all([shopping.start(), banking.start()]);
});
afterAll(async () => {
	await Promise.all([shopping.stop(), banking.stop()]);
	await compositor.stop();
});

const namesOnScreen = (): (string | null)[] => compositor.tree().map(({ name }) => name);

test("A window says whose it is in title and app-id, whatever its program calls it, and is on the list until it closes.", async () => {
	const script = "read line; printf '\\033]2;Mail \\342\\200\\256 [banking]\\007'; read line";
	shopping.run("foot", "--app-id", "mail/er", "sh", "-c", script);
	await compositor.until("it is there", () => namesOnScreen().includes("[shopping] foot"));
	await compositor.type("x\n");
	await compositor.until("it is renamed", () => namesOnScreen().includes("[shopping] Mail \ufffd [banking]"));
	expect(compositor.tree()).toMatchObject([{ appId: "qubes-lite.shopping.mail_er" }]);
	expect(shopping.display.windows).toMatchObject([{ title: "Mail \ufffd [banking]", appId: "mail_er" }]);
	await compositor.type("x\n");
	await compositor.until("it is gone", () => compositor.tree().length === 0);
	expect(shopping.display.windows).toEqual([]);
	expect(shopping.fault).toBeUndefined();
});

/** Keeps it on the clipboard as wl-copy does, and resolves when it is there. */
async function copy(vm: FilteredDisplay, content: string | Buffer, type = "text/plain"): Promise<void> {
	let isThere = false;
	const { clipboard } = vm.display;
	const forget = clipboard.watch(() => {
		isThere = clipboard.types().length > 0;
	});
	vm.run("wl-copy", "--foreground", "--type", type).stdin?.end(content);
	await compositor.until("it is copied", () => isThere);
	forget();
}

const paste = async (vm: FilteredDisplay, ...words: readonly string[]): Promise<string> =>
	(await vm.output("", "wl-paste", "--no-newline", ...words)).toString();

test("What is copied in a vm is pasted in that vm, and nowhere else: neither in another nor on the host.", async () => {
	compositor.run("sh", ["-c", "wl-copy 'of the host' >/dev/null 2>&1"]);
	await copy(shopping, "of shopping");
	await copy(banking, "of banking");
	expect(await paste(shopping)).toBe("of shopping");
	expect(await paste(banking)).toBe("of banking");
	expect(compositor.run("wl-paste", ["--no-newline"]).stdout).toBe("of the host");
	banking.display.clipboard.clear();
	expect(await paste(banking)).toBe("");
	expect(compositor.run("wl-paste", ["--list-types"]).stdout).not.toContain("x-qubes-lite");
	expect([shopping.fault, banking.fault]).toEqual([undefined, undefined]);
});

test("The host reads a vm's clipboard and sets it, text and pictures, when it is asked to.", async () => {
	const picture = Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), randomBytes(100_000)]);
	const { clipboard } = shopping.display;
	await copy(shopping, picture, "image/png");
	expect(clipboard.types()).toEqual(["image/png"]);
	expect((await clipboard.read("image/png", 150_000, AbortSignal.timeout(10_000))).equals(picture)).toBe(true);
	await expect(clipboard.read("image/png", 1_000)).rejects.toThrow(
		"the clipboard has more than 1000 bytes as image/png",
	);
	clipboard.set(new Map([["text/plain", Buffer.from("grüße")]]));
	expect(await paste(shopping)).toBe("grüße");
	clipboard.set(new Map([["image/png", picture]]));
	expect((await shopping.output("", "wl-paste", "--type", "image/png")).equals(picture)).toBe(true);
	expect(() => clipboard.set(new Map([["image/png", Buffer.alloc(150_001)]]))).toThrow("too many for a clipboard");
});

test("A paste that is too large stops at its limit, and the clipboard goes on.", async () => {
	await copy(shopping, Buffer.alloc(180_000, "x"));
	expect((await paste(shopping)).length).toBeLessThanOrEqual(150_000);
	await copy(shopping, "small");
	expect(await paste(shopping)).toBe("small");
	expect(shopping.fault).toBeUndefined();
});

test("A guest that sends garbage, or opens windows without end, is cut; its neighbour goes on.", async () => {
	banking.run("foot", "sh", "-c", "while read line; do printf '\\033]2;%s\\007' \"$line\"; done");
	await compositor.until("the neighbour has its window", () => namesOnScreen().includes("[banking] foot"));
	const many = [...Array(25).keys()].map((number) => `foot --title=w${number} sleep 60 &`).join(" ");
	shopping.run("sh", "-c", `${many} wait`);
	await compositor.until("it is cut", () => shopping.fault !== undefined, 50_000);
	expect(shopping.fault).toBe("it opened more than 20 windows");
	await compositor.until("its windows are gone", () => namesOnScreen().every((name) => name?.startsWith("[banking] ")));
	expect(shopping.display.windows).toEqual([]);

	shopping.fault = undefined;
	const garbage = connect(shopping.guestSocket, () => garbage.write(Buffer.concat([token, randomBytes(100_000)])));
	garbage.on("error", () => {});
	await new Promise((resolve) => garbage.once("close", resolve));
	expect(shopping.fault).toMatch(/^it (sent|opened|numbered)|^its /);

	await compositor.type("still here\n");
	await compositor.until("the neighbour answers", () => namesOnScreen().includes("[banking] still here"));
	expect(banking.fault).toBeUndefined();
});
