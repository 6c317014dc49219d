/** What is wrong with a policy. One problem is enough for it to allow nothing. */
import { QubesLiteError } from "../errors.ts";

export interface PolicyProblem {
	/** A file, or a directory of such. */
	readonly file: string;
	/** null: the file as a whole. */
	readonly line: number | null;
	/** What is there; and what was expected, behind a semicolon. */
	readonly sentence: string;
	/** One line for a shell. */
	readonly remedy?: string;
	/** The system refused a read: the next one may succeed (EMFILE, EIO), although no file looks any different by then. */
	readonly isFailedRead?: true;
}

/** "/etc/qubes-lite/policy.d/10-mine.policy:3" */
export const formatProblemPlace = ({ file, line }: PolicyProblem): string => (line === null ? file : `${file}:${line}`);

export const lintCommand = "qubes-lite policy lint";

/** "it allows nothing until its mistake is mended: FILE:LINE: …"; null where nothing is wrong. */
export function explainProblems(problems: readonly PolicyProblem[]): string | null {
	const [first, ...more] = problems;
	if (first === undefined) return null;
	const mistakes = more.length === 0 ? "its mistake is" : `its ${problems.length} mistakes are`;
	return `it allows nothing until ${mistakes} mended: ${formatProblemPlace(first)}: ${first.sentence}`;
}

/** What whoever asks is told; null where nothing is wrong. */
export function toRefusal(problems: readonly PolicyProblem[]): QubesLiteError | null {
	const why = explainProblems(problems);
	if (why === null) return null;
	return new QubesLiteError("Denied", `the policy can't be used: ${why}`, { remedy: lintCommand });
}
