import { expect, it } from "vitest";
import { parseEnvironment } from "../../../src/guest/agent/session-environment.ts";

it("an image gives commands what its file says, line by line, to the letter", () => {
	const text = `# NixOS
PATH=/run/current-system/sw/bin:/bin
EMPTY=

QUOTED="a b" c=d
PATH=/bin
no line
1X=y
A B=c
`;
	expect(parseEnvironment(text)).toEqual({ PATH: "/bin", EMPTY: "", QUOTED: '"a b" c=d' });
});
