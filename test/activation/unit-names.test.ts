import { describe, expect, it } from "vitest";
import {
	fromUnitPath,
	parseUnitFileName,
	parseUnitName,
	toInstanceUnitName,
	toUnitFileName,
	toUnitName,
	toUnitPath,
} from "../../src/activation/unit-names.ts";

describe("a unit's name", () => {
	it.each([
		["qubes-lite-shopping.service", { vm: "shopping", base: null }],
		["qubes-lite-a-b-9.service", { vm: "a-b-9", base: null }],
		["qubes-lite-disp@1a2b.service", { vm: "disp-1a2b", base: "disp" }],
		[toUnitName("vault"), { vm: "vault", base: null }],
		[toInstanceUnitName("shopping", "03e8"), { vm: "disp-03e8", base: "shopping" }],
	])("%s says which vm it runs", (unit, vm) => {
		expect(parseUnitName(unit)).toEqual(vm);
	});

	it.each([
		"qubes-lite-broker.service",
		"qubes-lite-broker.socket",
		"qubes-lite-disp@.service",
		"qubes-lite-disp@1a2.service",
		"qubes-lite-disp@1A2B.service",
		"qubes-lite-Shopping.service",
		"qubes-lite-thirteenchars.service",
		"qubes-lite-.service",
		"dbus.service",
	])("%s is no vm's", (unit) => {
		expect(parseUnitName(unit)).toBeUndefined();
	});
});

describe("a unit file's name", () => {
	it.each([
		["qubes-lite-shopping.service", "shopping"],
		["qubes-lite-shopping@.service", "shopping"],
		["qubes-lite-broker.service", undefined],
		["qubes-lite-@.service", undefined],
		["qubes-lite-shopping.service.42.tmp", undefined],
	])("%s says which vm it is for", (file, vm) => {
		expect(parseUnitFileName(file)).toBe(vm);
	});
});

it("a unit's file is its own, or its template's", () => {
	expect(["qubes-lite-shopping.service", "qubes-lite-disp@1a2b.service"].map(toUnitFileName)).toEqual([
		"qubes-lite-shopping.service",
		"qubes-lite-disp@.service",
	]);
});

describe("a unit's object path", () => {
	it.each([
		["qubes-lite-shopping.service", "qubes_2dlite_2dshopping_2eservice"],
		["qubes-lite-disp@1a2b.service", "qubes_2dlite_2ddisp_401a2b_2eservice"],
		["9.service", "_39_2eservice"],
	])("of %s is as systemd spells it", (unit, path) => {
		expect(toUnitPath(unit)).toBe(`/org/freedesktop/systemd1/unit/${path}`);
		expect(fromUnitPath(toUnitPath(unit))).toBe(unit);
	});

	it("is none of other objects", () => {
		expect(fromUnitPath("/org/freedesktop/systemd1/job/7")).toBeUndefined();
	});
});
