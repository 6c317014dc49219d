import { execFileSync, spawnSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { quote, renderShim } from "../../src/activation/shim-script.ts";
import type { LaunchPlan } from "../../src/launch-plan.ts";

const directory = "/run/user/1000/qubes-lite/shopping";

const plan: LaunchPlan = {
	vm: "shopping",
	id: 3,
	hypervisor: "crosvm",
	directory,
	helpers: [
		{
			name: "vhost-device-vsock",
			argv: ["/usr/bin/vhost-device-vsock", "--vm", `guest-cid=3,uds-path=${directory}/vsock`],
			socket: `${directory}/vhost-vsock.sock`,
		},
	],
	vmm: { name: "crosvm", argv: ["/usr/bin/crosvm", "run", "--params", "qubeslite.vm=shopping quiet", "it's"] },
	stale: [`${directory}/vhost-vsock.sock`],
	vsock: `${directory}/vsock`,
	control: { kind: "crosvm", path: `${directory}/control.sock` },
};

describe("the shim's script", () => {
	it("is this one", async () => {
		await expect(renderShim(plan)).toMatchFileSnapshot("shim-script.golden.sh");
	});

	it.each([["dash"], ["busybox", "sh"]])("is good grammar to %s", (...shell) => {
		const [file = "", ...args] = shell;
		execFileSync(file, [...args, "-n"], { input: renderShim(plan) });
	});

	it("has its bounds from its arguments, in steps of 10 ms", () => {
		const script = renderShim(plan, { helperReadyMs: 123, endMs: 450, followMs: 70 });
		expect(script).toContain('-le 13 ] || problem="took longer than 123 ms');
		expect(script).toContain("-le 45 ] || kill -s KILL");
		expect(script).toContain("-le 7 ]; do sleep 0.01");
	});
});

describe("a quoted word", () => {
	const awkward = fc.constantFrom(
		"'",
		'"',
		"\\",
		"$",
		"`",
		"\n",
		"\r",
		"\t",
		" ",
		"-",
		"!",
		"*",
		"~",
		"#",
		"%",
		"\u0081",
		"\u0088",
		"é",
		"🐧",
	);
	const character = fc.oneof(awkward, fc.string({ unit: "binary", minLength: 1, maxLength: 1 }));
	const word = fc.string({ unit: character, maxLength: 20 }).filter((text) => !text.includes("\0"));

	it.each([["dash"], ["busybox", "sh"]])("is read back byte for byte by %s", (...shell) => {
		const [file = "", ...args] = shell;
		fc.assert(
			fc.property(fc.array(word, { minLength: 1, maxLength: 30 }), (words) => {
				const script = `printf '%s\\0' ${words.map(quote).join(" ")}`;
				const { stdout } = spawnSync(file, args, { input: script });
				expect(stdout).toEqual(Buffer.from(words.map((text) => `${text}\0`).join("")));
			}),
			{ numRuns: 150 },
		);
	});

	it("can't hold a NUL", () => {
		expect(() => quote("a\0b")).toThrow('An argument holds a NUL character: "a\\u0000b"');
	});
});
