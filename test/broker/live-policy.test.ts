/** The policy in the broker: what holds for the next request, and what whoever is denied is told. */
import fs, { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Logger, pino } from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LivePolicy } from "../../src/broker/live-policy.ts";
import type { PolicyRequest } from "../../src/broker/policy.ts";

let directory: string;
let file: string;
let logged: Record<string, unknown>[];

beforeEach(() => {
	directory = mkdtempSync(join(tmpdir(), "ql-policy-"));
	file = join(directory, "policy.d/10.policy");
	logged = [];
});

afterEach(() => rmSync(directory, { recursive: true }));

function write(text: string, path = file): void {
	mkdirSync(join(path, ".."), { recursive: true, mode: 0o755 });
	writeFileSync(path, text, { mode: 0o644 });
}

const log = (): Logger =>
	pino({ base: null, timestamp: false }, { write: (line: string) => void logged.push(JSON.parse(line)) });

const open = (wallNow = (): number => Date.now()): LivePolicy =>
	new LivePolicy({
		directories: [join(directory, "policy.d"), join(directory, "none")],
		...{ uid: process.getuid?.() ?? 0, log: log(), wallNow },
		names: { defaultBase: () => "disp", baseOf: (name) => (name === "disp-1a2b" ? "work" : null) },
	});

/** `during` has a process whose limit of open files is reached. */
function withoutDescriptors<T>(call: "openSync" | "readdirSync", during: () => T): T {
	const real = fs[call];
	const put = (value: unknown): void => {
		Object.assign(fs, { [call]: value });
		syncBuiltinESMExports();
	};
	put(() => {
		throw Object.assign(new Error("EMFILE: too many open files"), { code: "EMFILE" });
	});
	try {
		return during();
	} finally {
		put(real);
	}
}

const stop: PolicyRequest = { source: "@host", target: "vault", service: "stop" };
const allowed = { allow: true };
const all = "* * @host @anyvm allow\n";
const noStop = `stop * @host vault deny\n${all}`;

const brokenIn = (line: number): string =>
	`it allows nothing until its mistake is mended: ${file}:${line}: is 'x'; expected SERVICE ARGUMENT SOURCE TARGET ACTION`;

describe("a policy that changes", () => {
	it("holds for the next request: files that come, change, are replaced, are linked to, and go", () => {
		const policy = open();
		expect(policy.decide(stop)).toEqual(allowed);
		write(noStop);
		expect(policy.decide(stop)).toMatchObject({ allow: false, rule: `${file}:1` });
		write(all);
		expect(policy.decide(stop)).toEqual(allowed);
		write(noStop, join(directory, "new"));
		renameSync(join(directory, "new"), file);
		expect(policy.decide(stop)).toMatchObject({ allow: false, rule: `${file}:1` });
		write("", join(directory, "policy.d/00.policy"));
		write("stop * @host @anyvm deny", join(directory, "policy.d/00.policy"));
		expect(policy.decide(stop)).toMatchObject({ rule: `${join(directory, "policy.d/00.policy")}:1` });
		rmSync(join(directory, "policy.d"), { recursive: true });
		expect(policy.decide(stop)).toEqual(allowed);
		write(noStop, join(directory, "target"));
		mkdirSync(join(directory, "policy.d"), { mode: 0o755 });
		symlinkSync(join(directory, "target"), file);
		expect(policy.decide(stop)).toMatchObject({ allow: false });
		write(all, join(directory, "target"));
		expect(policy.decide(stop)).toEqual(allowed);
	});

	it("holds although it has as many bytes as before, and came within the same tick of the clock of files", () => {
		write("stop * @host vault deny \n* * @host @anyvm allow");
		const policy = open();
		for (let round = 0; round < 50; round++) {
			write("stop * @host vault allow\n* * @host @anyvm allow");
			expect(policy.decide(stop)).toEqual(allowed);
			write("stop * @host vault deny \n* * @host @anyvm allow");
			expect(policy.decide(stop)).toMatchObject({ allow: false });
		}
	});

	it("is noted once for each change, and so is what is wrong with it", () => {
		write(all);
		const policy = open();
		const minutesAgo = new Date(Date.now() - 600_000);
		for (let round = 0; round < 5; round++) policy.decide(stop);
		utimesSync(file, minutesAgo, minutesAgo);
		policy.decide(stop);
		write(`${all}x\n`);
		for (let round = 0; round < 5; round++) policy.decide(stop);
		rmSync(file);
		policy.decide(stop);
		expect(logged).toMatchObject([
			{ event: "policy.read", files: [file], rules: 1 },
			{ event: "policy.refused", why: `the policy can't be used: ${brokenIn(2)}` },
			{ event: "policy.read", files: [], rules: 1 },
		]);
		expect(logged).toHaveLength(3);
	});

	it("is told to who listens although a request has seen it first, once, and not in the middle of that request", async () => {
		const policy = open();
		const changed = vi.fn();
		const forget = policy.onChange(changed);
		write(noStop);
		expect(policy.decide(stop)).toMatchObject({ allow: false });
		expect(changed).not.toHaveBeenCalled();
		await Promise.resolve();
		expect(changed).toHaveBeenCalledTimes(1);
		policy.decide(stop);
		write(all);
		policy.now();
		await Promise.resolve();
		expect(changed).toHaveBeenCalledTimes(2);
		forget();
		write(noStop);
		policy.decide(stop);
		await Promise.resolve();
		expect(changed).toHaveBeenCalledTimes(2);
	});

	it("is noticed without a request where it is watched", async () => {
		const policy = open();
		const changed = vi.fn();
		policy.onChange(changed);
		policy.watch();
		write("x");
		await vi.waitFor(() => expect(changed).toHaveBeenCalled(), { timeout: 5_000, interval: 10 });
		expect(policy.problem?.message).toContain(`${file}:1: is 'x'`);
	});

	it.each(["openSync", "readdirSync"] as const)(
		"that could not be read for lack of descriptors (%s) denies, and holds again once there are some, although no file has changed",
		(call) => {
			write(noStop);
			/** Long after the files were written, so that a look is all that is taken where nothing has changed. */
			const later = (): number => Date.now() + 60_000;
			const list: PolicyRequest = { source: "@host", target: "vault", service: "list" };
			const refused = { allow: false, why: expect.stringContaining("can't be read (EMFILE)") };
			const policy = withoutDescriptors(call, () => {
				const opened = open(later);
				expect(opened.decide(list)).toMatchObject(refused);
				expect(opened.decide(list)).toMatchObject(refused);
				return opened;
			});
			expect(policy.decide(list)).toEqual(allowed);
			expect(policy.decide(stop)).toMatchObject({ allow: false, rule: `${file}:1` });
			expect(policy.problem).toBeNull();
			expect(logged).toMatchObject([{ event: "policy.refused" }, { event: "policy.read", files: [file] }]);
			expect(logged).toHaveLength(2);
			/** What is whole is only looked at. */
			withoutDescriptors("openSync", () => expect(policy.decide(list)).toEqual(allowed));
		},
	);

	it("allows nothing while a line is bad, whatever the others say", () => {
		write(`${all}x\n`);
		const policy = open();
		const remedy = "qubes-lite policy lint";
		for (const service of ["list", "stop", "exec", "broker", "events"] as const) {
			const decision = policy.decide({ source: "@host", target: "vault", service });
			expect(decision).toEqual({ allow: false, why: brokenIn(2), remedy, rule: `${file}:2` });
		}
		write(`${all}x\ny\n`);
		expect(policy.decide(stop)).toMatchObject({
			why: expect.stringMatching(/^it allows nothing until its 2 mistakes are mended: .*:2: is 'x'/),
		});
		write(all);
		expect(policy.decide(stop)).toEqual(allowed);
		expect(policy.problem).toBeNull();
	});
});

describe("who is denied", () => {
	const deniedBy = (text: string, request: PolicyRequest) => {
		write(text);
		return open().decide(request);
	};

	it("is told by which rule, and how to ask again", () => {
		expect(deniedBy(noStop, stop)).toEqual({
			...{ allow: false, why: `${file}:1 says: stop * @host vault deny`, rule: `${file}:1` },
			remedy: "qubes-lite policy explain @host vault stop",
		});
	});

	it("is told that there is none", () => {
		expect(deniedBy("", { source: "shopping", target: "@dispvm", service: "open", argument: "https" })).toEqual({
			...{ allow: false, why: "no rule allows 'open +https' from shopping to '@dispvm'", rule: null },
			remedy: "qubes-lite policy explain shopping @dispvm open +https",
		});
	});

	it.each([
		[{ target: "vault", argument: "a b" }, "vault exec '+a b'"],
		[{ target: "vault", argument: "-x" }, "vault exec +-x"],
		[{ target: "vault", argument: "+x" }, "vault exec ++x"],
		[{ target: "vault", argument: "a\x1bb" }, "vault exec"],
		[{ target: "vault", argument: "x".repeat(64) }, "vault exec"],
		[{ target: "disp-1a2b", argument: "sh" }, "@dispvm:work exec +sh"],
		[{ target: "@dispvm:work" }, "@dispvm:work exec"],
	])("is told what can be typed: %j", (asked, words) => {
		const decision = deniedBy("", { source: "@host", service: "exec", ...asked });
		expect(decision).toMatchObject({ remedy: `qubes-lite policy explain @host ${words}` });
	});

	it("is told nothing that a terminal would obey", () => {
		const { why, remedy } = {
			why: "",
			remedy: "",
			...deniedBy("", { source: "@host", target: "a\x1b[31m\n", service: "stop" }),
		};
		expect(`${why}${remedy}`).toMatch(/^[\x20-\x7e]*$/);
	});
});
