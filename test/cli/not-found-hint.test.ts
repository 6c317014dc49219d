import { expect, it } from "vitest";
import { hintFor } from "../../src/cli/not-found-hint.ts";

it.each([
	["-u", false, /options stand before VM/],
	["--shell", true, /options stand before VM/],
	["ls | wc -l", false, /--shell/],
	["cd", false, /--shell/],
	["shopping", true, /--disposable=BASE/],
])("knows what %j may have been meant for", (command, isDisposable, hint) => {
	expect(hintFor(command, isDisposable)).toMatch(hint);
});

it("says of a program that is just not there what the built image holds", () => {
	expect(hintFor("firefox", false)).toMatch(/holds BusyBox only; .* "image"/);
});
