/** What each request on the socket asks of the policy. */
import { type Logger, pino } from "pino";
import { describe, expect, it } from "vitest";
import { authorize } from "../../src/broker/authorize.ts";
import type { Decision, PolicyRequest } from "../../src/broker/policy.ts";
import type { BrokerRequest } from "../../src/protocol/broker.ts";
import { encodeExec } from "../../src/protocol/exec.ts";

const exec = (...argv: string[]): Buffer =>
	encodeExec({ argv, env: {}, cwd: null, user: null, tty: null, detach: false });
const run = { method: "run", vm: "vault", disposable: false, start: true, timeoutMs: 0, pid: 1 } as const;
const vm = { vm: "vault" } as const;

function ask(request: BrokerRequest, bytes: Buffer | null, decide: (asked: PolicyRequest) => Decision) {
	const asked: string[] = [];
	const logged: object[] = [];
	const log: Logger = pino(
		{ base: null, timestamp: false },
		{ write: (line: string) => void logged.push(JSON.parse(line)) },
	);
	const policy = {
		decide: (query: PolicyRequest): Decision => {
			const { source, target, service, argument } = query;
			asked.push([source, target, service, ...(argument === undefined ? [] : [`+${argument}`])].join(" "));
			return decide(query);
		},
	};
	let error: unknown;
	try {
		authorize(request, bytes, { policy, log });
	} catch (cause) {
		error = cause;
	}
	return { asked, logged, error };
}

const allow = (): Decision => ({ allow: true });

describe("a request", () => {
	it.each<[BrokerRequest, Buffer | null, string[]]>([
		[run, exec("firefox", "-x"), ["@host vault exec +firefox"]],
		[{ ...run, disposable: true, vm: "" }, exec("sh"), ["@host @dispvm exec +sh"]],
		[{ ...run, disposable: true, instance: "disp-0001" }, exec("sh"), ["@host @dispvm:vault exec +sh"]],
		[{ method: "attach", ...vm, boot: null, timeoutMs: 0, pid: 1 }, Buffer.from("{}"), ["@host vault attach"]],
		[{ method: "hold", ...vm, boot: "x", session: 1, pid: 1 }, null, ["@host vault attach"]],
		[{ method: "sessions", vm: null }, null, ["@host @anyvm sessions"]],
		[{ method: "sessions", ...vm }, null, ["@host vault sessions"]],
		[{ method: "events", vm: null }, null, ["@host @anyvm events"]],
		[{ method: "events", ...vm }, null, ["@host vault events"]],
		[{ method: "broker" }, null, ["@host @anyvm broker"]],
		[{ method: "list" }, null, ["@host @anyvm list"]],
		[{ method: "status", ...vm }, null, ["@host vault status"]],
		[{ method: "console", ...vm }, null, ["@host vault console"]],
		[{ method: "inhibit", ...vm, label: "x", pid: 1 }, null, ["@host vault inhibit"]],
		[
			{ method: "set", ...vm, settings: { memory: 256, idleTimeout: 1 } },
			null,
			["@host vault set +memory", "@host vault set +idleTimeout"],
		],
		[{ method: "set", ...vm, settings: {} }, null, ["@host vault set"]],
		[{ method: "start", ...vm }, null, ["@host vault start"]],
		[{ method: "stop", ...vm, force: true }, null, ["@host vault stop"]],
	])("%j asks", (request, bytes, questions) => {
		expect(ask(request, bytes, allow)).toEqual({ asked: questions, logged: [], error: undefined });
	});

	it("that is denied is refused with what helps, and noted once, without the command", () => {
		const { logged, error } = ask(run, exec("secret-program"), () => ({
			...{ allow: false, why: "/p:3 says: no", remedy: "qubes-lite policy lint", rule: "/p:3" },
		}));
		expect(error).toMatchObject({
			...{ code: "Denied", message: "the policy does not allow this: /p:3 says: no", remedy: "qubes-lite policy lint" },
		});
		expect(logged).toEqual([
			{ level: 30, event: "policy.denied", source: "@host", target: "vault", service: "exec", rule: "/p:3" },
		]);
	});

	it("to set two things is denied where one of them is, and noted once", () => {
		const decide = ({ argument }: PolicyRequest): Decision =>
			argument === "memory" ? { allow: false, why: "no", rule: null } : { allow: true };
		for (const settings of [
			{ memory: 256, idleTimeout: 1 },
			{ idleTimeout: 1, memory: 256 },
		]) {
			const { logged, error } = ask({ method: "set", vm: "vault", settings }, null, decide);
			expect(error).toMatchObject({ code: "Denied" });
			expect(logged).toHaveLength(1);
		}
	});

	it("whose command can't be read, or is missing, is refused before it is asked about", () => {
		for (const bytes of [Buffer.from("x"), null]) {
			const { asked, error } = ask(run, bytes, allow);
			expect(asked).toEqual([]);
			expect(error).toMatchObject({ code: "BadRequest" });
		}
	});
});
