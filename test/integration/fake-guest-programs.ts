/** `qubes-lite-guest` on the fake guests of a user: the real program, for which a directory of the test is all that the guest has installed. */
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chownAll } from "../e2e/harness.ts";
import type { FakeUser } from "./fake-user.ts";

const bundle = fileURLToPath(new URL("../../dist/programs.cjs", import.meta.url));

export class FakeGuestPrograms {
	readonly #user: FakeUser;
	/** `$XDG_DATA_HOME` of the guests. */
	readonly data: string;

	constructor(user: FakeUser) {
		this.#user = user;
		this.data = join(user.directory, "guest-data");
		mkdirSync(this.data);
		copyFileSync(bundle, join(user.fakes, "programs.cjs"));
		this.behave(
			`exec env XDG_DATA_HOME='${this.data}' XDG_DATA_DIRS=/none '${process.execPath}' --no-warnings '${user.fakes}/programs.cjs' "$@"`,
		);
	}

	/** A file below the guests' data. */
	write(name: string, content: string | Buffer): void {
		const path = join(this.data, name);
		mkdirSync(dirname(path), { recursive: true });
		writeFileSync(path, content);
		if (this.#user.uid !== undefined) chownAll(this.data, this.#user.uid);
	}

	/** An application that appends its arguments to the user's file `launched`. */
	install(id: string, ...keys: readonly string[]): void {
		const script = join(this.#user.fakes, `app-${id}`);
		writeFileSync(script, `#!/bin/sh\necho ${id} "$@" >>'${this.#user.directory}/launched'\n`, { mode: 0o755 });
		const lines = ["[Desktop Entry]", "Type=Application", `Name=App ${id}`, `Exec="${script}" %u "a b"`, ...keys];
		this.write(`applications/${id}.desktop`, `${lines.join("\n")}\n`);
	}

	/** What the guests' program does from now on: a line of shell. */
	behave(script: string): void {
		writeFileSync(join(this.#user.fakes, "qubes-lite-guest"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
	}
}
