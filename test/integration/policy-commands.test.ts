/** `qubes-lite policy lint` and `explain`, the doctor's look at a policy, and the README's example. No broker is started. */
import { chmodSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { nothingLeft, type Outcome } from "../e2e/harness.ts";
import type { FakeUser } from "./fake-user.ts";
import { allowAll, PolicyUser, policyVmNames } from "./policy-user.ts";

describe("qubes-lite policy", () => {
	let mine: PolicyUser;
	let user: FakeUser;

	beforeAll(() => {
		mine = new PolicyUser();
		user = mine.user;
	});

	afterAll(async () => {
		expect(user.brokerPids()).toEqual([]);
		expect(await user.leave(policyVmNames)).toEqual(nothingLeft);
	});

	afterEach(() => mine.forget());

	const lint = (words = ""): Promise<Outcome> => user.sh(`qubes-lite policy lint ${words}`);
	const explain = (words: string): Promise<Outcome> => user.sh(`qubes-lite policy explain ${words}`);

	it("lint says that there is nothing to say", async () => {
		expect(await lint()).toMatchObject({
			...{ status: 0, stderr: "" },
			stdout: "PASS  policy  there is no policy file: the default holds, * * @host @anyvm allow\n",
		});
		mine.write(`exec * @host vault deny\n${allowAll}open-url * @dispvm\n`);
		expect(await lint()).toMatchObject({ status: 0, stdout: "PASS  policy  2 rules and 1 of open-url in 1 file\n" });
		expect(JSON.parse((await lint("--json")).stdout)).toEqual({
			...{ schema: 1, files: [mine.file], rules: 2, openUrls: 1, findings: [] },
		});
	});

	it("lint lists all that is wrong, and then what is hardly meant", async () => {
		mine.write(`exec * @host vautl deny\nexce * me vault allow\n* * @host vault allow\nstop * @host vault deny\n`);
		const other = join(mine.directory, "20.policy");
		mine.write(allowAll, other);
		chmodSync(other, 0o664);
		const [own, indent] = [mine.file, " ".repeat(6 + mine.file.length + 4)];
		const services =
			"exec, attach, broker, list, sessions, status, console, start, stop, set, inhibit, events, open, clip";
		const expected = [
			`FAIL  ${other.padEnd(own.length + 2)}  may be written to by others than its owner (mode 0664); expected only its owner`,
			`${indent}→ chmod go-w ${other}`,
			`FAIL  ${own}:2  SERVICE is 'exce'; expected one of *, ${services}; did you mean 'exec'?`,
			`WARN  ${own}:1  there is no vm 'vautl' in the configuration; did you mean 'vault'?`,
			`WARN  ${own}:4  never decides: ${own}:3 has all of it (* * @host vault allow)`,
			"",
		];
		expect(await lint()).toMatchObject({ status: 1, stderr: "", stdout: expected.join("\n") });
		const { findings } = JSON.parse((await lint("--json")).stdout);
		expect(findings.map(({ status, file, line }: Record<string, unknown>) => [status, file, line])).toEqual([
			["FAIL", other, null],
			["FAIL", own, 2],
			["WARN", own, 1],
			["WARN", own, 4],
		]);
	});

	it("lint warns with status 0, also where nobody could list the vms, or the configuration can't be read", async () => {
		mine.write("exec * @host vault allow\n");
		expect(await lint()).toMatchObject({
			...{ status: 0, stdout: "WARN  policy  @host may not even list the vms (qubes-lite ls): no rule allows it\n" },
		});
		mine.write(allowAll);
		expect(await user.sh("QUBES_LITE_CONFIG=/nowhere qubes-lite policy lint")).toMatchObject({
			...{ status: 0, stderr: "" },
			stdout:
				"WARN  policy  names of vms were not looked at: the configuration can't be read\n              → qubes-lite doctor   # has what is wrong with it\n",
		});
	});

	const text = `exec +firefox @host shopping allow # the one
exec * @host shopping deny
open +https shopping @dispvm:work allow
* * @host @anyvm allow
open-url *.bank.example vault
open-url other.example ask
`;

	it.each([
		["@host shopping exec firefox", "allow: FILE:1: exec +firefox @host shopping allow # the one"],
		["@host shopping exec +firefox", "allow: FILE:1: exec +firefox @host shopping allow # the one"],
		["@host shopping exec /bin/sh", "deny: FILE:2: exec * @host shopping deny"],
		["@host shopping exec", "deny: FILE:2: exec * @host shopping deny"],
		["@host vault stop", "allow: FILE:4: * * @host @anyvm allow"],
		["@host @anyvm list", "allow: FILE:4: * * @host @anyvm allow"],
		["shopping @dispvm:work open https", "allow: FILE:3: open +https shopping @dispvm:work allow"],
		["shopping @dispvm open https", "deny: no rule matches"],
		["vault shopping exec sh", "deny: no rule matches"],
		["@host www.Bank.example open-url", "vault: FILE:5: open-url *.bank.example vault"],
		["@host other.example open-url", "ask: FILE:6: open-url other.example ask"],
		["@host else.example open-url", "no line matches"],
	])("explain %s: %s", async (words, answer) => {
		mine.write(text);
		expect(await explain(words)).toMatchObject({
			...{ status: 0, stderr: "", stdout: `${answer.replace("FILE", mine.file)}\n` },
		});
	});

	it("explain names the default, where it holds", async () => {
		const stdout = "allow: there is no policy file, so that the default holds: * * @host @anyvm allow\n";
		expect(await explain("@host vault stop")).toMatchObject({ status: 0, stdout, stderr: "" });
		expect(await explain("vault shopping exec")).toMatchObject({ status: 0, stdout: "deny: no rule matches\n" });
	});

	it("explain speaks of a vm that is not there, and answers", async () => {
		expect(await explain("@host vautl stop")).toMatchObject({
			...{ status: 0, stderr: "qubes-lite: there is no vm 'vautl'; did you mean 'vault'?\n" },
			stdout: expect.stringMatching(/^allow: /),
		});
	});

	it("explain is JSON for programs", async () => {
		mine.write(text);
		const json = async (words: string) => JSON.parse((await explain(`--json ${words}`)).stdout);
		expect(await json("@host shopping exec sh")).toEqual({
			...{ schema: 1, decision: "deny", by: "rule", file: mine.file, line: 2, text: "exec * @host shopping deny" },
		});
		const nothing = { by: "nothing", file: null, line: null, text: null };
		expect(await json("vault shopping stop")).toEqual({ schema: 1, decision: "deny", ...nothing });
		expect(await json("@host x.example open-url")).toEqual({ schema: 1, target: null, ...nothing });
		expect(await json("@host bank.example open-url")).toEqual({
			...{ schema: 1, target: "vault", by: "rule", file: mine.file, line: 5, text: "open-url *.bank.example vault" },
		});
		mine.forget();
		expect(await json("@host vault stop")).toEqual({
			...{ schema: 1, decision: "allow", by: "default", file: null, line: null, text: "* * @host @anyvm allow" },
		});
	});

	it("explain has no answer by a bad policy", async () => {
		mine.write(`${text}x\n`);
		expect(await explain("@host vault stop")).toMatchObject({
			...{ status: 1, stdout: "" },
			stderr: `qubes-lite: the policy can't be used: it allows nothing until its mistake is mended: ${mine.file}:7: is 'x'; expected SERVICE ARGUMENT SOURCE TARGET ACTION\n  → qubes-lite policy lint\n`,
		});
	});

	it.each([
		["explain", "who, about what, and which SERVICE?"],
		["explain @host vault", "who, about what, and which SERVICE? SOURCE TARGET SERVICE"],
		["explain @host vault stpo", "SERVICE is 'stpo'; expected one of exec, attach, "],
		["explain @hots vault stop", "SOURCE is '@hots'; expected @host, @anyvm or a vm's name ("],
		["explain @host ../x stop", "TARGET is '../x'; expected @anyvm, @dispvm, @dispvm:BASE or a vm's name ("],
		[
			"explain @host disp-1a2b stop",
			"disp-1a2b is an instance: ask about what it is one of",
			"qubes-lite policy explain @host @dispvm:BASE stop",
		],
		[
			"explain @host vault list",
			"list is about no single vm: its TARGET is @anyvm",
			"qubes-lite policy explain @host @anyvm list",
		],
		["explain @host vault stop now", "stop takes no ARGUMENT"],
		["explain @host vault set colour", "ARGUMENT is '+colour'; expected one of *, +idleTimeout, "],
		["explain @host vault exec a b", "'b' is one word too many"],
		["explain shopping x.example open-url", "open-url lines are for @host, not for 'shopping'"],
		["explain @host '*.example' open-url", "TARGET is '*.example'; expected a host (bank.example), in ASCII"],
		["lint now", "'now' is one word too many", "qubes-lite policy lint --help"],
		["", "which policy command: lint, explain?", "qubes-lite policy --help"],
	])("%s is bad usage", async (words, sentence, remedy = "qubes-lite policy explain --help") => {
		const { status, stdout, stderr } = await user.sh(`qubes-lite policy ${words}`);
		expect([status, stdout]).toEqual([2, ""]);
		expect(stderr).toMatch(/^qubes-lite: .*\n {2}→ .*\n$/);
		expect(stderr.slice("qubes-lite: ".length)).toContain(sentence);
		expect(stderr).toContain(`→ ${remedy}\n`);
	});

	it("is looked at by the doctor", async () => {
		const { user } = mine;
		expect((await user.diagnose()).of("policy")).toEqual({
			...{ name: "policy", status: "PASS", remedy: null },
			sentence: "there is no policy file: the default holds, * * @host @anyvm allow",
		});
		mine.write(`${allowAll}stop * @host vault deny\n`);
		expect((await user.diagnose()).of("policy")).toMatchObject({
			...{ status: "WARN", remedy: "qubes-lite policy lint" },
			sentence: `${mine.file}:2: never decides: ${mine.file}:1 has all of it (* * @host @anyvm allow)`,
		});
		mine.write("x\ny\n");
		expect((await user.diagnose()).of("policy")).toMatchObject({
			...{ status: "FAIL", remedy: "qubes-lite policy lint   # has all that is wrong, line by line" },
			sentence: `nothing is allowed: ${mine.file}:1: is 'x'; expected SERVICE ARGUMENT SOURCE TARGET ACTION (and 1 more)`,
		});
		mine.write(allowAll);
		chmodSync(mine.file, 0o646);
		await user.cure("policy", await user.diagnose());
	});
});

it("the README's example is a good policy, and decides what the README says", async () => {
	const mine = new PolicyUser();
	const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
	const [, text = ""] = /```\n(# ~\/\.config\/qubes-lite\/policy\.d\/[^`]*)```/.exec(readme) ?? [];
	mine.write(text);
	expect(await mine.user.sh("qubes-lite policy lint")).toMatchObject({
		...{ status: 0, stderr: "", stdout: "PASS  policy  5 rules and 2 of open-url in 1 file\n" },
	});
	const asked = [...readme.matchAll(/^\$ (qubes-lite policy explain .*)\n(.*)$/gm)];
	expect(asked.length).toBeGreaterThan(1);
	for (const [, command = "", answer = ""] of asked) {
		const { stdout } = await mine.user.sh(command);
		expect(stdout.replace(mine.user.directory, "/home/me")).toBe(`${answer}\n`);
	}
	rmSync(mine.user.directory, { recursive: true });
});
