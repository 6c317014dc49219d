import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { checkCrosvmOptions } from "../../src/host/crosvm-options.ts";

const directory = mkdtempSync(join(tmpdir(), "crosvm-"));
const program = join(directory, "crosvm");
afterAll(() => rmSync(directory, { recursive: true }));

let calls = 0;
/** Such a crosvm; each asking leaves a line in a file of its own. */
function install(script: string): void {
	calls += 1;
	writeFileSync(program, `#!/bin/sh\necho asked >>${directory}/asked-${calls}\n${script}\n`);
	chmodSync(program, 0o755);
}

const help = `case $* in
--help) echo '  --extended-status   when set' ;;
'run --help') printf '%s\\n' '  --name            a name' '  -s, --socket      path' '  --vhost-user      comma separated' ;;
*) exit 35 ;;
esac`;
const argv = [
	program,
	"--extended-status",
	"run",
	"--name",
	"shopping",
	"--socket",
	"/x",
	"--params",
	"--none",
	"/kernel",
];
const known = argv.filter((word) => word !== "--params" && word !== "--none");

it("a crosvm that knows all of its options is fine, and is asked once", () => {
	install(help);
	for (let time = 0; time < 3; time++) expect(checkCrosvmOptions(known, [])).toBeUndefined();
	/** For its own options, and for those of run. */
	expect(readFileSync(join(directory, `asked-${calls}`), "utf8")).toBe("asked\nasked\n");
});

it("one that lacks an option is refused by name, but for what its user has added", () => {
	expect(() => checkCrosvmOptions([...known, "--block"], [])).toThrow(
		expect.objectContaining({
			code: "BootFailed",
			message: `${program} does not know --block: it is too old, or too new, for this`,
			remedy: expect.stringContaining('"crosvm": {"binary":'),
		}),
	);
	expect(() => checkCrosvmOptions([...known, "--my-own"], ["--my-own"])).not.toThrow();
});

it("another one in its place is asked anew", () => {
	install(`echo '--block'; ${help}`);
	expect(() => checkCrosvmOptions([...known, "--block"], [])).not.toThrow();
});

it.each([
	["fails", "exit 3", "status 3"],
	["is no program", "", "EACCES"],
])("one that %s can't be run", (_what, script, why) => {
	install(script);
	if (script === "") chmodSync(program, 0o644);
	expect(() => checkCrosvmOptions(known, [])).toThrow(
		expect.objectContaining({ code: "BootFailed", message: `${program} can't be run: ${why}` }),
	);
});

it("one that has gone can't be run", () => {
	expect(() => checkCrosvmOptions(["/nowhere/crosvm"], [])).toThrow("/nowhere/crosvm can't be run: ENOENT");
});
