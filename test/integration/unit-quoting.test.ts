/** Whatever words a launch plan has, systemd's own parser must hand them on as they are: asked of the real one. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { quoteUnitWord } from "../../src/activation/unit-quoting.ts";
import { rounds } from "../rounds.ts";
import { FakeUser } from "./fake-user.ts";
import { UserManager } from "./user-manager.ts";

let user: FakeUser;
let manager: UserManager;

beforeAll(async () => {
	user = new FakeUser({ hasManager: true, vms: [] });
	manager = await UserManager.start(user);
});

afterAll(async () => {
	await manager.stop();
	expect((await user.leave([])).processes).toEqual([]);
});

/** What systemd makes of words could be anything: these are those that it might not leave alone. */
const hard = [
	"%",
	"%t",
	"%%",
	"$",
	"$HOME",
	"${HOME}",
	"\\",
	"\\x41",
	"'",
	'"',
	";",
	" ",
	"\t",
	"\n",
	"#",
	"-",
	"@",
	"é",
	"\ufdd0",
	"\u{1ffff}",
	"\u{1f600}",
];
const word = fc.oneof(
	fc.string({ unit: fc.constantFrom(...hard) }),
	fc.string({ unit: "binary" }).filter((text) => !text.includes("\0") && text.isWellFormed()),
);

describe("systemd", () => {
	it("reads our words back as they are", async () => {
		const units = join(user.directory, "systemd/user");
		mkdirSync(units, { recursive: true });
		/** Many words at a time: a start takes much longer than a word. */
		const lists = fc.sample(fc.array(word, { minLength: 1, maxLength: 40 }), {
			numRuns: rounds(25, 500),
			seed: fc.sample(fc.nat(), 1)[0] ?? 0,
		});
		for (const [index, words] of lists.entries()) {
			const unit = `words-${index}.service`;
			const out = join(user.directory, `words-${index}`);
			const command = ["/bin/sh", "-c", 'out=$1; shift; printf "%s\\0" "$@" >"$out"', "sh", out, ...words];
			writeFileSync(
				join(units, unit),
				`[Service]\nType=oneshot\nExecStart=${command.map((w) => quoteUnitWord(w)).join(" ")}\n`,
			);
			const { status, stderr } = await manager.run("systemctl", "--user", "start", unit);
			expect({ status, stderr, words }).toEqual({ status: 0, stderr: "", words });
			expect(readFileSync(out, "utf8").split("\0").slice(0, -1)).toEqual(words);
		}
	});
});
