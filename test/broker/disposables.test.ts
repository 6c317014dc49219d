import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
	findBase,
	instancesMax,
	isInstance,
	type NewInstance,
	toAdoptedInstance,
	toInstance,
} from "../../src/broker/disposables.ts";
import { poolIdOf } from "../../src/config/addresses.ts";
import { isVmName } from "../../src/config/vm-name.ts";
import { createConfig, createVm, toDisks } from "../vmm/facts.ts";

const shopping = createVm();
const disp = createVm({ id: 15, name: "disp", disposable: true });
const other = createVm({ id: 17, name: "throwaway", disposable: true });

/** Gives these tags, one after the other. */
const tags = (...list: string[]): NewInstance => ({ newTag: () => list.shift() ?? "", takeTap: () => null });
const withTap = (poolId: number, ...list: string[]): NewInstance => ({ ...tags(...list), takeTap: () => poolId });

describe("the base", () => {
	test("that nobody names is disp, else the first disposable", () => {
		expect(findBase(createConfig(shopping, other, disp), "")).toBe(disp);
		expect(findBase(createConfig(shopping, other), "")).toBe(other);
		expect(findBase(createConfig(shopping, { ...disp, disposable: false }), "").name).toBe("disp");
	});

	test("that nobody names, where there is none, is asked for", () => {
		expect(() => findBase(createConfig(shopping), "")).toThrow(
			expect.objectContaining({
				code: "BadRequest",
				message: "no vm is configured as disposable, so there is no default to start from",
				remedy: "name one: run-in-vm --disposable=BASE …",
			}),
		);
	});

	test("may be any configured vm, and nothing else", () => {
		const config = createConfig(shopping, disp);
		expect(findBase(config, "shopping")).toBe(shopping);
		expect(() => findBase(config, "shoping")).toThrow("there is no vm 'shoping'; did you mean 'shopping'?");
		expect(() => findBase(config, "disp-1a2b")).toThrow(expect.objectContaining({ code: "NoSuchVm" }));
		expect(() => findBase(config, "../x")).toThrow(expect.objectContaining({ code: "BadName" }));
	});
});

describe("an instance", () => {
	test("is as its base, but disposable, never idle, and with a name and an id of its own", () => {
		const base = createVm({ memoryMiB: 4096, cpus: 4, image: "/images/big", autoStart: true, bootTimeoutMs: 90_000 });
		expect(toInstance(base, [base], tags("1a2b"))).toEqual({
			...base,
			...{ id: 0x1a2a, name: "disp-1a2a", disposable: true, autoStart: false, idleTimeoutMs: 0 },
			instanceOf: { name: "shopping", id: 5 },
		});
	});

	test("has a name that nobody has, and the same as its id, beyond those of configured vms", () => {
		const first = toInstance(disp, [disp], tags("03e7", "03e8"));
		expect(first).toMatchObject({ name: "disp-03e8", id: 1000 });
		const second = toInstance(disp, [disp, first], tags("03e8", "0000", "03e9", "ffff"));
		expect(second).toMatchObject({ name: "disp-fffe", id: 65_534 });
	});

	test("has in its name and id which TAP it has, and that it has none", () => {
		const instance = toInstance(disp, [disp], withTap(101, "0300", "1a2b"));
		expect(instance).toMatchObject({ name: "disp-1a65", id: 0x1a65 });
		expect(poolIdOf(instance.id)).toBe(101);
		const second = toInstance(disp, [disp, instance], withTap(101, "1aff", "ff00"));
		expect(second).toMatchObject({ name: "disp-ff65" });
		expect(poolIdOf(toInstance(disp, [disp], tags("1a65")).id)).toBeNull();
	});

	test("has a name that every entrance takes, and by which another broker knows it again", () => {
		fc.assert(
			fc.property(fc.integer({ min: 1000, max: 0xffff }), (number) => {
				const tag = number.toString(16).padStart(4, "0");
				const { name, id } = toInstance(disp, [], tags(tag));
				expect(isVmName(name) && isInstance(name, id)).toBe(true);
			}),
		);
		expect(isInstance("disp-1a2b", 255)).toBe(false);
		expect(isInstance("disp", 1000)).toBe(false);
	});

	test("of a base with disks is refused, with the reason in words", () => {
		expect(() => toInstance(createVm({ disks: toDisks(["/data/home.img"]) }), [], tags("1a2b"))).toThrow(
			expect.objectContaining({
				code: "Unsupported",
				message: "shopping has disks, which a disposable instance can't share with it",
			}),
		);
	});

	test("is refused beyond the limit, which counts instances only, adopted ones too", () => {
		const existing = [shopping, disp, toAdoptedInstance(createVm({ id: 2000, name: "disp-ffff" }))];
		while (existing.length < 2 + instancesMax) {
			existing.push(toInstance(disp, existing, tags((0x1000 + 2 * existing.length).toString(16))));
		}
		expect(() => toInstance(disp, existing, tags("abcd"))).toThrow(
			expect.objectContaining({
				code: "Limit",
				message: "32 instances of disposables run already, which is the limit",
			}),
		);
		existing.pop();
		expect(toInstance(disp, existing, tags("abcd")).name).toBe("disp-abcc");
	});

	test("that an earlier broker left has the bounds that it was started with, else those of its base", () => {
		const orphan = createVm({ id: 2000, name: "disp-07d0" });
		const shutdown = { askMs: 1, buttonMs: 2, terminateMs: 3, killMs: 4 };
		const base = { ...disp, maxLifetimeMs: 60_000 };
		expect(toAdoptedInstance(orphan, { maxLifetimeMs: 30_000, shutdown }, base)).toMatchObject({
			...{ disposable: true, maxLifetimeMs: 30_000, shutdown, instanceOf: { name: "disp", id: disp.id } },
		});
		expect(toAdoptedInstance(orphan, null, base)).toMatchObject({ maxLifetimeMs: 60_000, shutdown: base.shutdown });
		expect(toAdoptedInstance(orphan)).toMatchObject({ maxLifetimeMs: 0, shutdown: orphan.shutdown, instanceOf: null });
	});
});
