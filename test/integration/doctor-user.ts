/** A fake user who asks the doctor, as it is and after they have followed its advice. */
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import type { Result } from "../../src/admin/doctor/check.ts";
import { FakeUser, type FakeUserOptions } from "./fake-user.ts";

const launchers = fileURLToPath(new URL("../../bin", import.meta.url));

export interface Diagnosis {
	readonly status: number | null;
	readonly checks: readonly Result[];
	readonly ms: number;
	/** The one of that name; fails where there is none. */
	of(name: string): Result;
}

export class DoctorUser extends FakeUser {
	constructor(options: FakeUserOptions) {
		super(options);
		// Remedies for root are tried by root.
		this.fake("sudo", 'exec "$@"');
	}

	/** A program of the user's own, first on PATH. */
	fake(name: string, script: string): void {
		writeFileSync(join(this.fakes, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
	}

	/** What the doctor says after the shell has done `before`, in `wrapper` (a command that runs `sh -c`). */
	async diagnose(before = ":", wrapper = ""): Promise<Diagnosis> {
		const script = join(this.directory, "doctor.sh");
		writeFileSync(script, `${before}\nqubes-lite doctor --json\n`);
		const { status, stdout, stderr, ms } = await this.sh(`${wrapper} /bin/sh ${script}`);
		const json = stdout.slice(stdout.indexOf('{\n  "schema"'));
		if (json === "") throw new Error(`no diagnosis: ${stderr}`);
		const { schema, checks }: { schema: number; checks: Result[] } = JSON.parse(json);
		expect(schema).toBe(1);
		expect(status, stdout).toBe(checks.some((check) => check.status === "FAIL") ? 1 : 0);
		await this.#expectPastable(checks);
		return { status, checks, ms, of: (name) => find(checks, name) };
	}

	/** The check's remedy, after which it passes in the same shell. */
	async cure(name: string, sick: Diagnosis, before = ":", wrapper = ""): Promise<void> {
		const { remedy, status } = sick.of(name);
		expect(status).not.toBe("PASS");
		const healthy = await this.diagnose(`${before}\n{ ${remedy}\n} >&2`, wrapper);
		expect(healthy.of(name)).toMatchObject({ status: "PASS", remedy: null });
	}

	/** A PATH to nothing but the launchers and programs that the doctor may need, without some of them. */
	pathWithout(...missing: readonly string[]): string {
		const directory = join(this.directory, `without-${missing.join("-")}`);
		mkdirSync(directory);
		for (const from of ["/bin", "/usr/bin", this.fakes]) {
			for (const name of readdirSync(from)) {
				if (missing.includes(name)) continue;
				try {
					symlinkSync(join(from, name), join(directory, name));
				} catch {
					// The same from another directory.
				}
			}
		}
		return `${launchers}:${directory}`;
	}

	/** Where no broker has been, none is started only to stop vms. */
	override async leave(vms: readonly string[]): ReturnType<FakeUser["leave"]> {
		if (existsSync(this.runtime)) return super.leave(vms);
		const census = { processes: this.processes().map(({ words }) => words), files: [] };
		rmSync(this.directory, { recursive: true, force: true });
		return census;
	}

	/** One line that sh understands for all that is not well, nothing for what is. */
	async #expectPastable(checks: readonly Result[]): Promise<void> {
		for (const { status, remedy } of checks) expect(remedy === null, `${remedy}`).toBe(status === "PASS");
		const remedies = checks.flatMap(({ remedy }) => remedy ?? []);
		for (const remedy of remedies) expect(remedy).not.toContain("\n");
		expect(await this.sh("sh -n", remedies.join("\n"))).toMatchObject({ status: 0, stderr: "" });
	}
}

function find(checks: readonly Result[], name: string): Result {
	const found = checks.find((check) => check.name === name);
	if (found === undefined) throw new Error(`no check ${name} among ${checks.map((check) => check.name).join(" ")}`);
	return found;
}
