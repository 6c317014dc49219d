/** `qubes-lite desktop`: the host's menu, from the configuration and from guests. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makePng } from "../desktop/make-png.ts";
import { parseEntry, readExec, readText } from "../desktop/parse-entry.ts";
import { chownAll, nothingLeft } from "../e2e/harness.ts";
import { FakeGuestPrograms } from "./fake-guest-programs.ts";
import { FakeUser, isRoot, otherUid } from "./fake-user.ts";
import { listTree } from "./user-places.ts";

const icon = "/usr/share/none.png";
const editor = { id: "editor", name: "Editor", command: ["app-editor", "100%", "$x", 'a "b"'], terminal: true };
const shopping = { id: 5, name: "shopping", programs: [editor] };
const banking = { id: 7, name: "banking" };

let user: FakeUser;
let guest: FakeGuestPrograms;
const at = (...parts: string[]) => join(user.directory, ...parts);
const entryAt = (name: string) => at(".local/share/applications", `${name}.desktop`);
const entryOf = (name: string) => {
	const [[, main], [, action]] = parseEntry(readFileSync(entryAt(name), "utf8")).groups as [
		[string, Map<string, string>],
		[string, Map<string, string>],
	];
	return { main, exec: readExec(main.get("Exec") ?? ""), action: readExec(action.get("Exec") ?? "") };
};
const command = (line: string) => user.sh(`qubes-lite desktop ${line}`);
const entries = () =>
	readdirSync(at(".local/share/applications"))
		.filter((name) => name.endsWith(".desktop"))
		.sort();
const put = (path: string, content: string | Buffer) => {
	mkdirSync(dirname(path), { recursive: true });
	writeFileSync(path, content);
	if (user.uid !== undefined)
		for (const name of [".local", "pictures"]) if (existsSync(at(name))) chownAll(at(name), user.uid);
};

function makeUser(): void {
	user = new FakeUser({ vms: [shopping, banking], ...(isRoot ? { uid: otherUid } : {}) });
	guest = new FakeGuestPrograms(user);
	put(at("pictures/editor.png"), makePng(48, 48));
	user.configure([{ ...shopping, programs: [{ ...editor, icon: at("pictures/editor.png") }] }, banking]);
}

describe("the menu", () => {
	beforeAll(makeUser);
	afterAll(async () => {
		expect(await user.leave(["shopping", "banking"])).toEqual(nothingLeft);
	});

	it("gets the programs of the configuration, and a second sync changes nothing", async () => {
		const before = listTree(user);
		const dry = await command("sync --dry-run");
		expect(dry).toMatchObject({ status: 0, stderr: "" });
		expect(dry.stdout).toMatch(
			/^would make +shopping +editor +~\/\.local\/share\/applications\/qubes-lite-shopping_editor\.desktop$/m,
		);
		expect(listTree(user)).toEqual(before);
		const { status, stdout, stderr } = await command("sync");
		expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
		expect(stdout).toMatch(
			/^CHANGE +VM +PROGRAM +FILE\nmade +shopping +editor +~\/\.local\/share\/applications\/qubes-lite-shopping_editor\.desktop$/m,
		);
		const { main, exec, action } = entryOf("qubes-lite-shopping_editor");
		const runInVm = exec[0] ?? "";
		expect(runInVm).toMatch(/\/bin\/run-in-vm$/);
		expect(exec).toEqual([runInVm, "shopping", "--", ...editor.command]);
		expect(action).toEqual([runInVm, "--disposable=shopping", "--", ...editor.command]);
		expect([main.get("Terminal"), main.get("Name"), main.get("TryExec")]).toEqual([
			"true",
			"Editor (shopping)",
			runInVm,
		]);
		expect(readFileSync(readText(main.get("Icon") ?? ""))).toEqual(makePng(48, 48));
		expect(entries()).toEqual(["qubes-lite-open.desktop", "qubes-lite-shopping_editor.desktop"]);
		expect(readFileSync(at(".config/menus/applications-merged/qubes-lite.menu"), "utf8")).toContain(
			"<Directory>qubes-lite.directory<",
		);
		const validated = spawnSync("desktop-file-validate", [
			...entries().map((name) => at(".local/share/applications", name)),
			at(".local/share/desktop-directories/qubes-lite.directory"),
		]);
		expect([validated.status, `${validated.stdout}${validated.stderr}`]).toEqual([0, ""]);
		const after = listTree(user);
		expect(await command("sync")).toMatchObject({ stdout: "", stderr: "qubes-lite: the menu is as it should be\n" });
		expect(listTree(user)).toEqual(after);
		expect(user.brokerPids()).toEqual([]);
	});

	it("gets what a running guest reports, and starts that by its id", async () => {
		guest.install("web.App", "Icon=web");
		guest.install("hidden", "NoDisplay=true");
		guest.write("pixmaps/web.png", makePng(64, 64));
		expect((await command("sync shopping")).stdout).toBe("");
		await user.run("shopping", "true");
		const { stdout, stderr } = await command("sync --json shopping");
		expect(stderr).toBe("");
		expect(JSON.parse(stdout)).toMatchObject({ schema: 1, asked: [{ vm: "shopping", programs: 1 }], left: [] });
		const { main, exec } = entryOf("qubes-lite-shopping_web.App");
		expect(exec.slice(1)).toEqual(["shopping", "--", "qubes-lite-guest", "launch", "web.App"]);
		expect(readFileSync(readText(main.get("Icon") ?? ""))).toEqual(makePng(64, 64));
		const [program = "", ...words] = exec;
		expect(await user.start(program, words).done).toMatchObject({ status: 0, stderr: "" });
		expect(user.lines("launched")).toEqual(["web.App a b"]);
	});

	it("keeps what a guest has reported last, when that is stopped", async () => {
		await user.sh("qubes-lite stop shopping");
		guest.install("later");
		expect(await command("sync")).toMatchObject({ stdout: "", status: 0 });
		const { stdout } = await command("ls");
		expect(stdout).toMatch(
			/^VM +PROGRAM +FROM +IN MENU +NAME\nshopping +editor +configuration +yes +Editor\nshopping +web.App +guest +yes +App web.App\n$/,
		);
		expect(await user.stateOf("shopping")).toBe("stopped");
		expect((await command("sync --boot shopping")).stdout).toMatch(/^made +shopping +later /m);
		await user.sh("qubes-lite stop shopping");
	});

	it("believes nothing of a guest, and goes on without one that floods or hangs up", async () => {
		await user.run("shopping", "true");
		const evil = {
			id: "evil",
			name: "x\nExec=reboot\n[Desktop Action disposable]\nExec=reboot",
			terminal: false,
			Exec: "reboot",
		};
		put(at("evil"), `${JSON.stringify(evil)}\n${JSON.stringify({ ...evil, id: "../../x" })}\nnot json\n`);
		guest.behave(`cat '${at("evil")}'`);
		await command("sync shopping");
		expect(entryOf("qubes-lite-shopping_evil").exec.slice(1)).toEqual([
			"shopping",
			"--",
			"qubes-lite-guest",
			"launch",
			"evil",
		]);
		expect(entries()).toHaveLength(3);
		const kept = entries();
		guest.behave("yes");
		expect((await command("sync shopping")).stderr).toContain(
			"shopping was not heard: it has reported more than there is room for\n",
		);
		guest.behave("echo '\\033[31mno' >&2; exit 3");
		expect((await command("sync shopping")).stderr).toContain("shopping was not heard: \uFFFD[31mno\n");
		guest.behave("exit 127");
		expect((await command("sync shopping")).stderr).toContain("its image has no qubes-lite-guest");
		expect(entries()).toEqual(kept);
		await user.sh("qubes-lite stop --force shopping");
	});

	it("leaves alone what is not ours, and what somebody has changed", async () => {
		user.configure([{ ...shopping, programs: [editor, { ...editor, id: "second" }] }, banking]);
		put(entryAt("qubes-lite-shopping_second"), "[Desktop Entry]\nType=Application\nName=Mine\nExec=mine\n");
		put(
			entryAt("qubes-lite-shopping_editor"),
			`${readFileSync(entryAt("qubes-lite-shopping_editor"), "utf8")}Hidden=true\n`,
		);
		const { status, stderr } = await command("sync");
		expect(status).toBe(0);
		expect(stderr).toContain(
			"~/.local/share/applications/qubes-lite-shopping_editor.desktop was changed by hand, and stays\n",
		);
		expect(stderr).toContain(
			"~/.local/share/applications/qubes-lite-shopping_second.desktop is none of ours, and stays\n",
		);
		expect(readFileSync(entryAt("qubes-lite-shopping_second"), "utf8")).toContain("Name=Mine");
		await command("remove");
		expect(entries()).toEqual(["qubes-lite-shopping_editor.desktop", "qubes-lite-shopping_second.desktop"]);
		for (const name of ["editor", "second"]) rmSync(entryAt(`qubes-lite-shopping_${name}`));
	});

	it("loses the programs of a vm that has left the configuration, and those that no list has", async () => {
		user.configure([shopping, { ...banking, programs: [editor] }]);
		await command("sync");
		expect(entries()).toContain("qubes-lite-banking_editor.desktop");
		rmSync(join(user.state, "desktop.json"));
		user.configure([banking]);
		expect((await command("sync")).stdout).toMatch(/^removed +shopping +editor /m);
		expect(entries()).toEqual(["qubes-lite-open.desktop"]);
		expect(existsSync(at(".config/menus"))).toBe(true);
		user.configure([shopping, banking]);
	});

	it("says what is wrong with an icon, and goes on", async () => {
		put(at("pictures/bad.svg"), "<svg><script/></svg>");
		const programs = [
			{ ...editor, icon: at("pictures/bad.svg") },
			{ ...editor, id: "none", icon },
		];
		user.configure([{ ...shopping, programs }, banking]);
		const { stderr } = await command("sync");
		expect(stderr).toContain(`shopping's editor has no icon: ${at("pictures/bad.svg")} has scripts\n`);
		expect(stderr).toContain(`shopping's none has no icon: ${icon} is not there\n`);
		expect(entries()).toContain("qubes-lite-shopping_none.desktop");
	});

	it.each([
		["sync shoping", "there is no vm 'shoping'; did you mean 'shopping'?"],
		["sync --no-ask shopping", "--no-ask asks nobody: it goes with neither --boot nor a VM"],
		["sync ../x", "'../x' is not a vm name"],
	])("says what is wrong with a command line: %s", async (line, sentence) => {
		const { status, stderr } = await command(line);
		expect(status).toBeGreaterThan(0);
		expect(stderr).toContain(sentence);
	});
});

describe("an installation", () => {
	beforeAll(makeUser);
	afterAll(async () => {
		expect(await user.leave(["shopping", "banking"])).toEqual(nothingLeft);
	});

	it("makes the menu at its end, and uninstall takes it away", async () => {
		const before = listTree(user);
		expect((await user.sh("qubes-lite install")).stdout).toContain(
			"made     ~/.local/share/applications/qubes-lite-shopping_editor.desktop\n",
		);
		expect((await user.sh("qubes-lite uninstall --dry-run")).stdout).toContain(
			"would remove ~/.local/share/applications/qubes-lite-shopping_editor.desktop\n",
		);
		expect((await user.sh("qubes-lite uninstall")).stdout).toContain(
			"removed  ~/.local/share/applications/qubes-lite-shopping_editor.desktop\n",
		);
		expect(listTree(user)).toEqual(before);
	});

	it("that is only tried asks no guest: what it has reported last does", async () => {
		guest.install("web.App");
		await user.run("shopping", "true");
		await command("sync shopping");
		rmSync(entryAt("qubes-lite-shopping_web.App"));
		guest.install("later");
		const { status, stdout } = await user.sh("qubes-lite install --dry-run");
		expect(status).toBe(0);
		expect(stdout).toContain("would make   ~/.local/share/applications/qubes-lite-shopping_web.App.desktop\n");
		expect(stdout).not.toContain("shopping_later");
		expect((await command("sync shopping")).stdout).toContain("shopping_later");
		await command("remove");
		await user.sh("qubes-lite stop --force shopping");
	});

	it("leaves the menu alone where the configuration says so", async () => {
		user.configure([shopping, banking], { desktop: false });
		expect((await user.sh("qubes-lite install")).stdout).not.toContain("applications");
		await user.sh("qubes-lite uninstall");
		user.configure([shopping, banking]);
	});

	it("has a broker that follows the configuration, and asks a guest that has booted", async () => {
		await user.sh("qubes-lite install");
		user.env.QUBES_LITE_BROKER_IDLE_MS = "5000";
		await user.run("shopping", "true");
		await user.until("the guest was asked", () => existsSync(join(user.state, "programs/shopping.json")));
		await user.endBrokers();
		expect((await user.sh("qubes-lite ls -q")).stdout).toBe("shopping\nbanking\n");
		user.configure([shopping, { ...banking, programs: [editor] }]);
		await user.until("the menu has it", () => existsSync(entryAt("qubes-lite-banking_editor")));
		await user.endBrokers("SIGTERM");
		await user.sh("qubes-lite stop --force shopping");
		await user.until("no sync runs", () => user.processes().every(({ words }) => !words.includes("admin.mjs")));
		expect(await user.sh("qubes-lite uninstall")).toMatchObject({ status: 0 });
		expect(existsSync(at(".local/share/applications"))).toBe(false);
	});
});
