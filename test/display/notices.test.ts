import { expect, test } from "vitest";
import { Notices } from "../../src/display/notices.ts";

const notice = (message: string) => ({ message, remedy: null });

test("The end of a display is told at once, whatever was told just before.", () => {
	const said: string[] = [];
	let now = 0;
	const notices = new Notices(
		({ message }) => said.push(message),
		() => now,
	);
	notices.tell(notice("a window was lost"));
	now = 100;
	notices.tell(notice("another window was lost"));
	notices.tell(notice("the display was cut"), true);
	expect(said).toEqual(["a window was lost", "the display was cut"]);
});
