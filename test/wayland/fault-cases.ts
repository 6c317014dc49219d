/** What a guest may not do: each is one sentence, which ends "the display of shopping was cut: …". */
import { expect, test } from "vitest";
import { GuestFault } from "../../src/wayland/faults.ts";
import type { DisplayLimits } from "../../src/wayland/limits.ts";
import { newDisplay, TestProgram } from "./test-program.ts";
import { wire } from "./wire.ts";

export interface Case {
	readonly what: string;
	readonly sentence: string;
	readonly limits?: Partial<DisplayLimits>;
	readonly act: (program: TestProgram, bound: Record<string, number>) => void;
}

export const sends =
	(...messages: readonly Buffer[]): Case["act"] =>
	(program) =>
		program.send(...messages);
export const protocol = (...parts: readonly Buffer[]): Case["act"] => sends(wire("protocol", ...parts));

/** What is thrown, and whether the connection is silent after it was closed. */
function faultOf({ act, limits = {} }: Case): Error | undefined {
	const program = new TestProgram(newDisplay({ limits }));
	const bound = program.bindAll();
	try {
		act(program, bound);
	} catch (error) {
		program.bytes();
		program.connection.close();
		program.connection.close();
		program.send(Buffer.alloc(100, 0xff));
		program.hostSends(Buffer.alloc(100, 0xff));
		expect(program.bytes()).toEqual({ toHost: Buffer.alloc(0), toGuest: Buffer.alloc(0) });
		return error as Error;
	}
	return undefined;
}

export function testCases(cases: readonly Case[]): void {
	test.each(cases)("$what cuts the display: $sentence", (one) => {
		const fault = faultOf(one);
		expect(fault?.message).toBe(one.sentence);
		expect(fault).toBeInstanceOf(GuestFault);
	});
}
