/** `copy SOURCE… DEST`: `qubes-lite cp` in a program of its own, since it needs the configuration, which the client that everybody starts does not. */
import { errnoOf, QubesLiteError } from "../../errors.ts";
import { formatError } from "../command-line.ts";
import { UsageError } from "../commands/parse-command.ts";
import { program } from "../commands/qubes-lite.ts";
import { copy } from "./copy.ts";
import { Interrupted } from "./interrupted.ts";

/** Whoever reads no further has what they wanted; a full disk has not, which the copy itself says. */
process.stdout.on("error", (cause) => {
	if (errnoOf(cause) !== "EPIPE") process.exitCode = 1;
});
copy(process.argv.slice(2)).then(
	(done) => {
		process.exitCode ??= done;
	},
	(cause: unknown) => {
		const error = QubesLiteError.from(cause);
		process.stderr.write(formatError(program, error));
		process.exitCode = error instanceof UsageError ? 2 : 1;
		if (error instanceof Interrupted) process.kill(process.pid, error.signal);
	},
);
