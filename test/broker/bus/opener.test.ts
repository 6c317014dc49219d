/** What a program on the bus is told where nobody has chosen a vm, and where a guest has chosen the file. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Opener, type OpenerHost } from "../../../src/broker/bus/opener.ts";
import type { Answer, Question } from "../../../src/broker/notifications/question.ts";
import { parsePolicy } from "../../../src/policy/parse-policy.ts";
import { createConfig, createVm } from "../../vmm/facts.ts";

const file = { path: "/p/10-mine.policy", bytes: Buffer.from("open-url * ask\n* * @host @anyvm allow\n") };
const adding = "mkdir -p /p && printf '%s\\n' 'open-url news.example VM' >>/p/10-mine.policy";

async function openWith(answer: Answer): Promise<{ readonly questions: Question[]; readonly ran: unknown[] }> {
	const questions: Question[] = [];
	const ran: unknown[] = [];
	const host = {
		requests: { refresh: async () => {}, require: () => {} },
		runs: { run: async ({ vm, disposable, argv }: Record<string, unknown>) => ran.push([vm, disposable, argv]) },
		config: () => createConfig(createVm({ open: ["see"] }), createVm({ id: 15, name: "disp", disposable: true })),
		openPolicy: () => ({ policy: parsePolicy([file]), directory: "/p" }),
		ask: async (question: Question) => {
			questions.push(question);
			return answer;
		},
	};
	const opener = new Opener(host as unknown as OpenerHost);
	await opener.open("https://news.example/a", null, { gone: new AbortController().signal, begun: () => () => {} });
	return { questions, ran };
}

it("a choice is opened", async () => {
	const { questions, ran } = await openWith({ kind: "chosen", key: "0" });
	expect(questions).toMatchObject([{ summary: "Open news.example", body: ["In which vm?"] }]);
	expect(ran).toEqual([["shopping", false, ["see", "https://news.example/a"]]]);
});

it.each<[Answer["kind"], code: string, message: string, remedy: string]>([
	[
		"unanswered",
		"Denied",
		"nobody has chosen where news.example is opened, and the policy does not say",
		`${adding}   # or: qubes-lite open --in VM …`,
	],
	[
		"unshown",
		"Denied",
		"nobody can be asked where news.example is opened, since no desktop shows the question, and the policy does not say",
		`${adding}   # or: qubes-lite open --in VM …`,
	],
	[
		"unwanted",
		"Denied",
		'nobody is asked where news.example is opened, since "notifications" is false, and the policy does not say',
		`${adding}   # or "notifications": true in the configuration, or: qubes-lite open --in VM …`,
	],
	[
		"tooMany",
		"Limit",
		"there have been too many notifications within a minute to ask where news.example is opened",
		"qubes-lite open --in VM …   # or again in a minute",
	],
])("a question that came to nothing says why, and what helps: %s", async (kind, code, message, remedy) => {
	await expect(openWith({ kind } as Answer)).rejects.toMatchObject({ code, message, remedy });
});

it("a link by which a guest leads out of a directory that it shares is not opened, in whichever vm", async () => {
	const top = mkdtempSync(join(tmpdir(), "ql-opener-"));
	mkdirSync(join(top, "docs"));
	writeFileSync(join(top, "secret"), "");
	symlinkSync("../secret", join(top, "docs/letter"));
	const sharedDirectories = [{ tag: "docs", path: join(top, "docs"), readOnly: false }];
	const ran: unknown[] = [];
	const host = {
		requests: { refresh: async () => {}, require: () => {} },
		runs: { run: async (run: unknown) => ran.push(run) },
		config: () => createConfig(createVm({ sharedDirectories }), createVm({ id: 7, name: "banking" })),
	};
	const opener = new Opener(host as unknown as OpenerHost);
	const asker = { gone: new AbortController().signal, begun: () => () => {} };
	for (const named of ["shopping", "banking", "@dispvm:banking"]) {
		await expect(opener.open(join(top, "docs/letter"), named, asker)).rejects.toMatchObject({
			code: "BadRequest",
			message: expect.stringContaining("where shopping can put links, so it is not opened"),
		});
	}
	expect(ran).toEqual([]);
	rmSync(top, { recursive: true });
});
