import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { imageOf, readImageOf } from "../../src/host/gather-host-facts.ts";
import { wishPath } from "../../src/vmm/image-wish.ts";
import { fakeCache } from "../e2e/harness.ts";

const wish = { packages: ["firefox-esr", "foot"] };
const vm = { name: "shopping", image: wish };
const remedy = "qubes-lite image build shopping";

let directory: string;
let cacheDirectory: string;

beforeEach(() => {
	directory = fakeCache(mkdtempSync(join(tmpdir(), "ql-image-")));
	cacheDirectory = join(directory, "qubes-lite");
});
afterEach(() => rmSync(directory, { recursive: true }));

const make = (): void => {
	mkdirSync(join(cacheDirectory, "images/by-wish"));
	symlinkSync("../current", join(cacheDirectory, wishPath(wish)));
};

describe("the image of a vm", () => {
	test("is the directory that it names, the default one, or that of all vms with its wish", () => {
		expect(imageOf({ cacheDirectory }, { image: "/images/own" })).toBe("/images/own");
		expect(imageOf({ cacheDirectory }, {})).toBe(join(cacheDirectory, "images/current"));
		const reversed = { packages: wish.packages.toReversed() };
		expect(imageOf({ cacheDirectory }, vm)).toBe(imageOf({ cacheDirectory }, { image: reversed }));
	});

	test("with packages is read through its pointer, so that a vm that runs keeps its own", () => {
		make();
		expect(readImageOf({ cacheDirectory }, vm).root).toBe(join(cacheDirectory, "images/current/root.erofs"));
	});

	test("with packages that is not built yet is missed by what it would hold, also for an instance", () => {
		const missing = {
			code: "BootFailed",
			message: "there is no guest image with firefox-esr and foot for shopping",
			remedy,
		};
		expect(() => readImageOf({ cacheDirectory }, vm)).toThrow(expect.objectContaining(missing));
		const instance = { ...vm, name: "disp-00ff", instanceOf: { name: "shopping", id: 5 } };
		expect(() => readImageOf({ cacheDirectory }, instance)).toThrow(expect.objectContaining(missing));
	});

	test("that is damaged, or gone behind its pointer, is built anew by the same command", () => {
		make();
		writeFileSync(join(cacheDirectory, "images/current/root.erofs"), "too long");
		expect(() => readImageOf({ cacheDirectory }, vm)).toThrow(
			expect.objectContaining({ message: expect.stringContaining("is damaged: root.erofs has 8 bytes"), remedy }),
		);
		rmSync(join(cacheDirectory, "images/current"), { recursive: true });
		expect(() => readImageOf({ cacheDirectory }, vm)).toThrow(
			expect.objectContaining({ message: expect.stringContaining("no guest image with firefox-esr and foot"), remedy }),
		);
	});
});
