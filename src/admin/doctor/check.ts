/** A check looks at one thing, changes nothing, and says what it found and what helps. */

export type CheckStatus = "PASS" | "WARN" | "FAIL";

export interface Finding {
	/** WARN: it works, but not as well as it could, or not for long. FAIL: something does not work. */
	readonly status: CheckStatus;
	/** May hold line breaks where it quotes a list of problems. */
	readonly sentence: string;
	/** One line for a shell, to be pasted; what can't be typed stands behind a #. null with PASS. */
	readonly remedy: string | null;
}

export interface Check {
	/** Stable: programs may look for it. What belongs to one vm ends in ":<vm>". */
	readonly name: string;
	run(): Finding | Promise<Finding>;
}

export type Result = Finding & { readonly name: string };

export const pass = (sentence: string): Finding => ({ status: "PASS", sentence, remedy: null });
export const warn = (sentence: string, remedy: string): Finding => ({ status: "WARN", sentence, remedy });
export const fail = (sentence: string, remedy: string): Finding => ({ status: "FAIL", sentence, remedy });

/** Whatever it waits for: what takes longer would keep the doctor's reader longer than three seconds in all. */
const boundMs = 1200;

/** All at once, each with its bound; in the order they were given. */
export function runChecks(checks: readonly Check[]): Promise<Result[]> {
	return Promise.all(checks.map(async (check) => ({ name: check.name, ...(await runBounded(check)) })));
}

async function runBounded({ name, run }: Check): Promise<Finding> {
	let timer: NodeJS.Timeout | undefined;
	const late = new Promise<Finding>((resolve) => {
		const sentence = `this could not be found out within ${boundMs} ms: something on this machine does not answer`;
		timer = setTimeout(() => resolve(fail(sentence, "ps -eo pid,stat,wchan:20,args | grep ' D'")), boundMs);
	});
	try {
		return await Promise.race([late, (async () => await run())()]);
	} catch (cause) {
		// A check that breaks says nothing about the machine, and must not hide the others.
		return fail(`the check ${name} broke: ${cause instanceof Error ? cause.message : cause}`, "qubes-lite --version");
	} finally {
		clearTimeout(timer);
	}
}
