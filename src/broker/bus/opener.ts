/** Links and files that a program on the bus wants opened in a vm: where, whether, and by what. The command line's way is admin/open/. */
import type { Config, VmConfig } from "../../config/schema.ts";
import { QubesLiteError } from "../../errors.ts";
import { openFile, toOpenCommand } from "../../host/open-file.ts";
import { type Ask, decideWhere, mustAsk } from "../../open/decide-where.ts";
import { type OpenDestination, parseOpenDestination } from "../../open/open-destination.ts";
import { toOpenPolicy } from "../../open/open-policy.ts";
import { type OpenTarget, parseOpenTarget, schemeOf } from "../../open/open-target.ts";
import type { ParsedPolicy } from "../../policy/parse-policy.ts";
import type { Answer, Question } from "../notifications/question.ts";
import type { Requests } from "../requests.ts";
import type { Runs } from "./runs.ts";
import type { Asker } from "./session-run.ts";

export interface OpenerHost {
	readonly requests: Requests;
	readonly runs: Runs;
	readonly config: () => Config;
	/** The policy as it is now, and where the user's own files of it are. */
	readonly openPolicy: () => { readonly policy: ParsedPolicy; readonly directory: string };
	/** A question to whoever sits there. */
	readonly ask: (question: Question) => Promise<Answer>;
}

/** Whoever has followed a link looks at the screen. */
const askWithinMs = 60_000;
/** As many buttons as a notification has room for. */
const choicesMax = 6;

export class Opener {
	readonly #host: OpenerHost;

	constructor(host: OpenerHost) {
		this.#host = host;
	}

	/** `named`: a vm, or as the policy's lines name it; null: the policy decides. Resolves with the session of the guest's handler. */
	async open(untrusted: string, named: string | null, asker: Asker): Promise<string> {
		const { requests, runs, config } = this.#host;
		const target = parseOpenTarget(untrusted);
		if (target.kind === "file" && !target.path.startsWith("/")) {
			throw new QubesLiteError("BadRequest", "a file is named by its absolute path, or by a file: URI");
		}
		await requests.refresh();
		const given = named === null ? undefined : parseOpenDestination(named, config());
		const file = target.kind === "file" ? await openFile(target.path, config().vms) : undefined;
		let isTaken = false;
		try {
			const where = given ?? (await this.#decide(target, asker.gone));
			requests.require({ target: toPolicyTarget(where), service: "open", argument: schemeOf(target) });
			const { argv, takesContent } = await toOpenCommand(where.vm, target, file);
			const content = takesContent ? file?.handle.createReadStream({ start: 0 }) : undefined;
			const id = await runs.run({ ...toCommand(where, argv), ...(content && { stdin: content }) }, asker);
			/** It is closed at its end, or with the session. */
			isTaken = content !== undefined;
			return id;
		} finally {
			if (!isTaken) await file?.[Symbol.asyncDispose]();
		}
	}

	#decide(target: OpenTarget, abandoned: AbortSignal): Promise<OpenDestination> {
		const { config, openPolicy } = this.#host;
		const { policy, directory } = openPolicy();
		const lines = toOpenPolicy(policy, config(), directory);
		const isAsked = mustAsk(lines, target);
		const host = target.kind === "uri" ? target.host : null;
		const adding = lines.toAdding(`open-url ${host ?? "*"} VM`);
		return decideWhere(target, config(), { policy: lines, ask: isAsked ? this.#asker(abandoned, adding) : undefined });
	}

	/** `adding`: how the question is not asked again. */
	#asker(cancel: AbortSignal, adding: string): Ask {
		return async (what, choices) => {
			const offered = [...choices.slice(0, choicesMax - 1), ...choices.slice(choicesMax - 1).slice(-1)];
			const answer = await this.#host.ask({
				...{ summary: `Open ${what}`, body: ["In which vm?"], withinMs: askWithinMs, cancel },
				choices: offered.map(({ vm, isDisposable }, index) => ({
					key: String(index),
					label: isDisposable ? `a disposable (${vm.name})` : vm.name,
				})),
			});
			const chosen = answer.kind === "chosen" ? offered[Number(answer.key)] : undefined;
			if (chosen !== undefined) return chosen;
			throw toUnchosen(answer.kind, what, adding);
		};
	}
}

/** Why nobody has said where `what` is opened, and what helps. `adding`: the command that makes the policy say it. */
function toUnchosen(kind: Answer["kind"], what: string, adding: string): QubesLiteError {
	const refusal = (sentence: string, remedy: string, code: "Denied" | "Limit" = "Denied") =>
		new QubesLiteError(code, sentence, { remedy });
	const named = "qubes-lite open --in VM …";
	if (kind === "tooMany") {
		const sentence = `there have been too many notifications within a minute to ask where ${what} is opened`;
		return refusal(sentence, `${named}   # or again in a minute`, "Limit");
	}
	if (kind === "unwanted") {
		const sentence = `nobody is asked where ${what} is opened, since "notifications" is false, and the policy does not say`;
		return refusal(sentence, `${adding}   # or "notifications": true in the configuration, or: ${named}`);
	}
	if (kind === "unshown") {
		const sentence = `nobody can be asked where ${what} is opened, since no desktop shows the question, and the policy does not say`;
		return refusal(sentence, `${adding}   # or: ${named}`);
	}
	return refusal(
		`nobody has chosen where ${what} is opened, and the policy does not say`,
		`${adding}   # or: ${named}`,
	);
}

const toPolicyTarget = ({ vm, isDisposable }: { readonly vm: VmConfig; readonly isDisposable: boolean }): string =>
	isDisposable ? `@dispvm:${vm.name}` : vm.name;

const toCommand = ({ vm, isDisposable }: OpenDestination, argv: readonly string[]) => ({
	...{ vm: vm.name, disposable: isDisposable, argv, env: {}, user: null, directory: null },
	...{ start: true, timeoutMs: 0, capture: false },
});
