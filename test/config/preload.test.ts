import { expect, test } from "vitest";
import { checkPreload } from "../../src/config/preload.ts";
import { createConfig, createVm } from "../vmm/facts.ts";

const path = "/etc/qubes-lite/config.json";
const disp = createVm({ name: "disp", memoryMiB: 1024, preload: 2 });
const work = createVm({ name: "work", memoryMiB: 4096, preload: 1 });

test("instances that are kept ready may take half of the host's memory", () => {
	expect(() => checkPreload({ config: createConfig(disp, work), path }, 12_288)).not.toThrow();
	expect(() => checkPreload({ config: createConfig(createVm()), path: undefined }, 1)).not.toThrow();
});

test("more is refused, with who takes it and what there is", () => {
	expect(() => checkPreload({ config: createConfig(disp, work, createVm()), path }, 12_286)).toThrow(
		expect.objectContaining({
			code: "BadRequest",
			message:
				"the instances to preload take 6144 MiB (2 × 1024 MiB of disp, 1 × 4096 MiB of work), and half of this host's memory is 6143 MiB",
			remedy: `lower "preload" or "memory" in ${path}`,
		}),
	);
});
