/** Where a user's files are when variables are missing or wrong: never in the working directory. */
import { userInfo } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import {
	configHomeOf,
	dataHomeOf,
	homeOf,
	programHomeOf,
	runtimeHomeOf,
	stateDirectoryOf,
} from "../../src/host/xdg.ts";

const { homedir } = userInfo();

it.each([
	[{ HOME: "/home/me" }, "/home/me"],
	[{ HOME: "" }, homedir],
	[{ HOME: "home/me" }, homedir],
	[{}, homedir],
])("has the home directory of %j", (env, home) => {
	expect(homeOf(env)).toBe(home);
	expect(programHomeOf(env)).toBe(join(home, ".local/bin"));
});

it("passes over relative directories, as the specification has it", () => {
	const env = { HOME: "/h", XDG_CONFIG_HOME: "c", XDG_DATA_HOME: "./d", XDG_STATE_HOME: "", XDG_RUNTIME_DIR: "run" };
	expect([configHomeOf(env), dataHomeOf(env), stateDirectoryOf(env), runtimeHomeOf(env)]).toEqual([
		...["/h/.config", "/h/.local/share", "/h/.local/state/qubes-lite"],
		undefined,
	]);
});
