import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, type Mock, vi } from "vitest";
import { LiveConfig } from "../../src/broker/live-config.ts";

let directory: string;
/** A watch lasts as long as the process: each test has events of its own. */
let events: { readonly reading: Mock<() => void>; readonly read: Mock<() => void> };

beforeEach(() => {
	directory = mkdtempSync(join(tmpdir(), "ql-config-"));
	events = { reading: vi.fn(), read: vi.fn() };
});

afterEach(() => {
	rmSync(directory, { recursive: true, force: true });
});

const text = (name: string): string => JSON.stringify({ version: 1, vms: [{ id: 5, name }] });
const names = (live: LiveConfig): string[] => live.config.vms.map((vm) => vm.name);
const file = (): string => join(directory, "xdg/qubes-lite/config.json");

function write(name: string, path = file()): void {
	mkdirSync(dirname(path), { recursive: true });
	writeFileSync(path, text(name));
}

describe("a named file", () => {
	const open = () => LiveConfig.open({ QUBES_LITE_CONFIG: file() });

	it("is read once, and again only after it has changed", async () => {
		write("one");
		const live = await open();
		await live.refresh(events);
		expect(events.reading).not.toHaveBeenCalled();
		write("two");
		await live.refresh(events);
		expect(names(live)).toEqual(["two"]);
		expect(live.path).toBe(file());
		await live.refresh(events);
		expect(events.read).toHaveBeenCalledTimes(1);
	});

	it("is read although it has not changed where somebody asks for it", async () => {
		write("one");
		const live = await open();
		await live.refresh(events, true);
		expect(events.reading).toHaveBeenCalledTimes(1);
		expect(events.read).toHaveBeenCalledTimes(1);
	});

	it("is read once for many who look at the same time, and none is served before", async () => {
		write("one");
		const live = await open();
		write("two");
		await Promise.all(Array.from({ length: 10 }, () => live.refresh(events).then(() => names(live)))).then((all) =>
			expect(all).toEqual(all.map(() => ["two"])),
		);
		expect(events.read).toHaveBeenCalledTimes(1);
	});

	it("that is bad, or gone, leaves the old one as it is, with what is wrong", async () => {
		write("one");
		const live = await open();
		writeFileSync(file(), "{");
		await live.refresh(events);
		expect(names(live)).toEqual(["one"]);
		expect(live.problem?.message).toContain("not JSON");
		expect(live.refusal).toBeNull();
		rmSync(file());
		await live.refresh(events);
		expect(live.problem?.message).toContain("there is no configuration file");
		write("two");
		await live.refresh(events);
		expect(names(live)).toEqual(["two"]);
		expect(live.problem).toBeNull();
	});

	it("is read again although whoever hears of it has failed", async () => {
		write("one");
		const live = await open();
		write("two");
		events.read.mockImplementationOnce(() => {
			throw new Error("no systemd");
		});
		await expect(live.refresh(events)).rejects.toThrow("no systemd");
		write("three");
		await live.refresh(events);
		expect(names(live)).toEqual(["three"]);
	});

	it("that never was good is a refusal, until it is", async () => {
		const live = await open();
		expect(names(live)).toEqual([]);
		expect(live.refusal?.message).toContain("there is no configuration file");
		write("one");
		await live.refresh(events);
		expect(live.refusal).toBeNull();
	});
});

describe("a watched configuration", () => {
	const watched = async () => {
		const live = await LiveConfig.open({ XDG_CONFIG_HOME: join(directory, "xdg") });
		live.watch(events);
		return live;
	};
	const becomes = (live: LiveConfig, name: string) =>
		vi.waitFor(() => expect(names(live)).toEqual([name]), { timeout: 5_000, interval: 10 });

	it("is read when it appears, with the directories on its way, changes, is replaced, goes and comes again", async () => {
		const live = await watched();
		expect(live.path).toBeUndefined();
		write("one");
		await becomes(live, "one");
		write("two");
		await becomes(live, "two");
		write("three", `${file()}.new`);
		renameSync(`${file()}.new`, file());
		await becomes(live, "three");
		rmSync(join(directory, "xdg"), { recursive: true });
		await vi.waitFor(() => expect(live.path).toBeUndefined(), 5_000);
		write("four");
		await becomes(live, "four");
	});

	it("is read when the directory is replaced by another", async () => {
		write("one");
		const live = await watched();
		write("two", join(directory, "new/qubes-lite/config.json"));
		renameSync(join(directory, "xdg/qubes-lite"), join(directory, "old"));
		renameSync(join(directory, "new/qubes-lite"), join(directory, "xdg/qubes-lite"));
		await becomes(live, "two");
		write("three");
		await becomes(live, "three");
	});

	it("is read when the file that it is a link to changes", async () => {
		write("one", join(directory, "store/real.json"));
		mkdirSync(dirname(file()), { recursive: true });
		symlinkSync(join(directory, "store/real.json"), file());
		const live = await watched();
		expect(names(live)).toEqual(["one"]);
		write("two", join(directory, "store/real.json"));
		await becomes(live, "two");
	});

	it("is not read for what else happens beside it", async () => {
		write("one");
		const live = await watched();
		const mark = join(dirname(file()), "other.json");
		writeFileSync(mark, "x");
		write("two");
		await becomes(live, "two");
		expect(events.read).toHaveBeenCalledTimes(1);
	});
});
