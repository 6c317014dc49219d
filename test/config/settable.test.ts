import { describe, expect, test } from "vitest";
import { toSettable, toSettings } from "../../src/config/lifecycle.ts";
import { vmEntries } from "../../src/config/schema.ts";
import { parseSettings, parseSettingWords, settableKeys } from "../../src/config/settable.ts";

const refused = (message: string) => expect.objectContaining({ code: "BadRequest", message });

test("settings are keys of the configuration, and there and back the same", () => {
	for (const key of settableKeys) expect(vmEntries).toHaveProperty(key);
	const timed = { idleTimeout: 600, idleAction: "pause", pauseTimeout: 0, maxLifetime: 31_536_000 } as const;
	const all = { ...timed, memory: 512 };
	expect(parseSettings(Object.entries(all))).toEqual(all);
	expect(Object.keys(all)).toEqual(settableKeys);
	expect(toSettings({ ...toSettable(all), memoryMiB: 512 })).toEqual(all);
	expect(toSettable({ idleTimeout: 1 })).toEqual({ idleTimeoutMs: 1_000 });
	expect(parseSettingWords(["idleTimeout=600", "idleAction=stop"])).toEqual({ idleTimeout: 600, idleAction: "stop" });
});

const seconds = "expected a whole number of seconds from 0 to 31536000";

describe("what can't be set is told so in one sentence", () => {
	test.each([
		["", "'' is nothing that can be set"],
		["idle", "'idle' is nothing that can be set"],
		["idleTimout=5", "'idleTimout' is nothing that can be set; did you mean 'idleTimeout'?"],
		["pause=5", "'pause' is nothing that can be set; did you mean 'pauseTimeout'?"],
		["toString=5", "'toString' is nothing that can be set"],
		["bootTimeout=5", "'bootTimeout' is nothing that can be set"],
		["idleTimeout", `idleTimeout needs a value: ${seconds}`],
		["idleTimeout=", `idleTimeout can't be '': ${seconds}`],
		["idleTimeout=10min", `idleTimeout can't be '10min': ${seconds}`],
		["maxLifetime=-1", `maxLifetime can't be '-1': ${seconds}`],
		["pauseTimeout=1.5", `pauseTimeout can't be '1.5': ${seconds}`],
		["idleTimeout=31536001", `idleTimeout can't be '31536001': ${seconds}`],
		["idleAction=sleep", "idleAction can't be 'sleep': expected stop or pause"],
		["memory=64", "memory can't be '64': expected a whole number of MiB, at least 128"],
		["memory=1G", "memory can't be '1G': expected a whole number of MiB, at least 128"],
		["idleAction=1", "idleAction can't be '1': expected stop or pause"],
	])("%s", (word, message) => {
		expect(() => parseSettingWords([word])).toThrow(refused(message));
	});

	test("nothing at all, and a key that comes twice", () => {
		expect(() => parseSettingWords([])).toThrow(refused("set what? KEY=VALUE"));
		expect(() => parseSettingWords(["idleTimeout=1", "idleTimeout=1"])).toThrow(refused("idleTimeout is given twice"));
	});
});
