import { expect, test } from "vitest";
import { qemuDriver } from "../../src/vmm/qemu.ts";
import { createConfig, createVm, facts, imageFacts } from "./facts.ts";

const desktop = { ...facts, image: { ...imageFacts, windows: "waypipe" as const } };

const helperOf = (vm: Parameters<typeof createVm>[0], host: typeof facts = desktop) =>
	qemuDriver.plan(createConfig(), createVm(vm), host).helpers.find(({ name }) => name === "vm-display");

test("a vm whose image has windows has a helper for them and for sound, which it can do without", () => {
	const directory = "/run/user/1000/qubes-lite/shopping";
	expect(helperOf({})).toEqual({
		name: "vm-display",
		argv: [
			...["/opt/node", "/opt/vm-display.cjs", "--vm", "shopping", "--directory", directory],
			...["--windows", "waypipe", "--sound", "playback"],
		],
		socket: `${directory}/display.sock`,
		isVital: false,
	});
});

test.each([
	["no sound", { sound: "none" }, ["--windows", "waypipe"]],
	["the microphone, too", { sound: "playback+capture" }, ["--windows", "waypipe", "--sound", "playback+capture"]],
	["sound alone", { display: "none" }, ["--windows", "none", "--sound", "playback"]],
	["neither, of which programs are told", { display: "none", sound: "none" }, ["--windows", "none"]],
] as const)("it is told what the configuration allows: %s", (_, vm, words) => {
	expect(helperOf(vm)?.argv.slice(6)).toEqual(words);
});

test("there is none where its image has no windows, or the host's facts name no program", () => {
	expect(helperOf({}, facts)).toBeUndefined();
	expect(helperOf({}, { ...desktop, displayProgram: null })).toBeUndefined();
});

test("an image of one's own has windows where the configuration says how", () => {
	expect(helperOf({ display: "waypipe" }, facts)?.argv.slice(6)).toEqual(["--windows", "waypipe"]);
});
