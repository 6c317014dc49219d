import { describe, expect, it } from "vitest";
import { type Surroundings, terminalSize, toExec } from "../../src/cli/exec-request.ts";
import { parseRunArguments, type RunArguments } from "../../src/cli/run-arguments.ts";

const terminal = { isTTY: true, rows: 50, columns: 132 };
const pipe = { isTTY: false, rows: 0, columns: 0 };
const on = (stdin: object, stdout: object, stderr: object, env = {}): Surroundings =>
	({ env, stdin, stdout, stderr }) as Surroundings;
const options = (line: string): RunArguments => parseRunArguments(line.split(" ")) as RunArguments;

describe("what is to be run", () => {
	it("gets a terminal only if all three streams are one", () => {
		const run = options("vm ls");
		expect(toExec(run, on(terminal, terminal, terminal)).tty).toEqual({ rows: 50, columns: 132 });
		expect(toExec(run, on(pipe, terminal, terminal)).tty).toBeNull();
		expect(toExec(run, on(terminal, pipe, terminal)).tty).toBeNull();
		expect(toExec(run, on(terminal, terminal, pipe)).tty).toBeNull();
	});

	it("gets one, or none, where that is asked for", () => {
		expect(toExec(options("-T vm ls"), on(terminal, terminal, terminal)).tty).toBeNull();
		expect(toExec(options("-t vm ls"), on(pipe, pipe, pipe)).tty).toEqual({ rows: 24, columns: 80 });
		expect(toExec(options("-d vm ls"), on(terminal, terminal, terminal))).toMatchObject({ tty: null, detach: true });
		expect(toExec(options("-d -t vm ls"), on(terminal, terminal, terminal)).tty).not.toBeNull();
	});

	it("has no environment but what is asked for; with a terminal also its kind", () => {
		const env = { TERM: "xterm", COLORTERM: "truecolor", SECRET: "x", PASSED: "y" };
		expect(toExec(options("vm ls"), on(pipe, pipe, pipe, env)).env).toEqual({});
		expect(toExec(options("-e PASSED -e UNSET -e A=b=c vm ls"), on(pipe, pipe, pipe, env)).env).toEqual({
			PASSED: "y",
			A: "b=c",
		});
		expect(toExec(options("vm ls"), on(terminal, terminal, terminal, env)).env).toEqual({
			TERM: "xterm",
			COLORTERM: "truecolor",
		});
		expect(toExec(options("-e TERM=dumb vm ls"), on(terminal, terminal, terminal, env)).env.TERM).toBe("dumb");
	});

	it("takes the usual size for a terminal that has none", () => {
		const unknown = { isTTY: true, rows: 0, columns: 0 };
		expect(terminalSize(on(unknown, unknown, unknown))).toEqual({ rows: 24, columns: 80 });
		expect(terminalSize(on(pipe, pipe, terminal))).toEqual({ rows: 50, columns: 132 });
	});
});
