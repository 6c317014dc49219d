/** A real guest's programs in the host's menu, started as a desktop would, and links and files opened in it. */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makePng } from "../desktop/make-png.ts";
import { parseEntry, readExec, readText } from "../desktop/parse-entry.ts";
import { isRoot, otherUid } from "../integration/fake-user.ts";
import { nothingLeft, openCache, TestUser } from "./harness.ts";

let user: TestUser;
let cache: string;
const at = (...parts: string[]) => join(user.directory, ...parts);
const entry = "qubes-lite-shopping_org.example.Editor";

/** As root in the guest: `content` becomes the file. */
const put = (path: string, content: string | Buffer, mode = "644") =>
	user.sh(
		`run-in-vm -u root --shell 'mkdir -p "\${1%/*}" && cat >"$1" && chmod ${mode} "$1"' shopping '${path}'`,
		content,
	);

beforeAll(async () => {
	cache = openCache();
	user = new TestUser({
		vms: [
			{ id: 5, name: "shopping", memory: 512, network: false, open: ["/usr/bin/handler"] },
			{ id: 15, name: "disp", memory: 512, network: false, disposable: true, open: ["echo", "disposable:"] },
		],
		cache,
		supervisor: "direct",
		...(isRoot ? { uid: otherUid } : {}),
	});
	const app =
		'[Desktop Entry]\nType=Application\nName=Editor\\sÄ\nExec=editor --new %F "two words"\nIcon=editor\nPath=/tmp\n';
	expect(await put("/usr/share/applications/org.example.Editor.desktop", app)).toMatchObject({ status: 0, stderr: "" });
	await put("/usr/share/applications/hidden.desktop", `${app}NoDisplay=true\n`);
	await put("/usr/share/pixmaps/editor.png", makePng(48, 48));
	await put("/usr/bin/editor", '#!/bin/sh\necho "$0 $# $1 $2 $(pwd) $(id -un)"\nyes | head -n 1\n', "755");
	await put(
		"/usr/bin/handler",
		'#!/bin/sh\necho "$# $1"\n[ ! -f "$1" ] || { ls -ld "$1" "${1%/*}"; cat "$1"; }\n',
		"755",
	);
});
afterAll(async () => {
	expect(await user.leave(["shopping", "disp"])).toEqual(nothingLeft);
	rmSync(cache, { recursive: true, force: true });
});

const mainOf = (name: string): Map<string, string> => {
	const [group] = parseEntry(readFileSync(at(".local/share/applications", `${name}.desktop`), "utf8")).groups;
	return new Map(group?.[1]);
};

describe("a program in a real guest", () => {
	it("is in the menu after a sync, with its icon", async () => {
		const { status, stdout, stderr } = await user.sh("qubes-lite desktop sync --json");
		expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
		expect(JSON.parse(stdout)).toMatchObject({ asked: [{ vm: "shopping", programs: 1 }] });
		const main = mainOf(entry);
		expect(readText(main.get("Name") ?? "")).toBe("Editor Ä (shopping)");
		expect(readFileSync(readText(main.get("Icon") ?? ""))).toEqual(makePng(48, 48));
	});

	it("starts by the entry's own line, as an ordinary program of the guest's user", async () => {
		const main = mainOf(entry);
		const [program = "", ...words] = readExec(main.get("Exec") ?? "");
		const running = user.start(program, words);
		running.stdin.end();
		// `yes` ends by SIGPIPE, silently, as it would at a guest's own prompt.
		expect(await running.done).toMatchObject({
			status: 0,
			stdout: "/usr/bin/editor 2 --new two words /tmp user\ny\n",
			stderr: "",
		});
	});

	it("is gone with its entry when that says so", async () => {
		expect(await user.sh("qubes-lite desktop remove")).toMatchObject({ status: 0, stderr: "" });
		expect(existsSync(at(".local"))).toBe(false);
	});
});

describe("what is opened in a real guest", () => {
	it("is a link, word for word", async () => {
		expect(await user.sh("qubes-lite open --in shopping 'https://example.org/?a=$(id)&b=`id` c'")).toMatchObject({
			stdout: "1 https://example.org/?a=$(id)&b=`id`%20c\n",
			stderr: "",
			status: 0,
		});
	});

	it("is a file's content, for the guest's user alone", async () => {
		writeFileSync(at("a letter.txt"), "of the host\n".repeat(100_000));
		const { status, stdout, stderr } = await user.sh(`qubes-lite open --in shopping '${at("a letter.txt")}'`);
		expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
		const [words = "", directory = "", file = "", ...content] = stdout.split("\n");
		expect(words).toMatch(/^1 \/tmp\/qubes-lite-open-\w+\/a letter\.txt$/);
		expect([file.slice(0, 10), directory.slice(0, 10)]).toEqual(["-rw-------", "drwx------"]);
		expect(file).toContain(" user ");
		expect(content.join("\n")).toBe("of the host\n".repeat(100_000));
	});

	it("is a link in a disposable, where nobody can be asked", async () => {
		expect(await user.sh("qubes-lite open http://x.example")).toMatchObject({
			status: 0,
			stdout: "disposable: http://x.example/\n",
		});
	});
});
