import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { defaultConfig } from "../../src/config/default-config.ts";
import { configMaxBytes, findConfig } from "../../src/config/find-config.ts";

/** A file system of texts; a path with an errno as its text fails with it. */
function createFiles(files: Record<string, string>) {
	const asked: string[] = [];
	const readText = async (path: string) => {
		asked.push(path);
		const text = files[path] ?? "ENOENT";
		if (/^E[A-Z]+$/.test(text)) throw Object.assign(new Error(`${text}: said the system`), { code: text });
		return text;
	};
	return { asked, readText };
}

const none = '{"version": 1, "vms": []}';
const inHome = "/home/u/.config/qubes-lite/config.json";
const inXdg = "/xdg/qubes-lite/config.json";
const inEtc = "/etc/qubes-lite/config.json";

describe("the order", () => {
	const all = { "/named.json": none, [inXdg]: none, [inHome]: none, [inEtc]: none };

	test.each([
		[{ QUBES_LITE_CONFIG: "/named.json", XDG_CONFIG_HOME: "/xdg", HOME: "/home/u" }, "/named.json"],
		[{ QUBES_LITE_CONFIG: "", XDG_CONFIG_HOME: "/xdg", HOME: "/home/u" }, inXdg],
		[{ XDG_CONFIG_HOME: "", HOME: "/home/u" }, inHome],
		[{ XDG_CONFIG_HOME: "relative", HOME: "/home/u" }, inHome],
		[{ HOME: "relative" }, inEtc],
		[{}, inEtc],
	])("%j", async (env, path) => {
		expect((await findConfig(env, createFiles(all).readText)).path).toBe(path);
	});

	test("files that nobody named are passed over when they are not there", async () => {
		const { asked, readText } = createFiles({ [inXdg]: "ENOTDIR" });
		const env = { XDG_CONFIG_HOME: "/xdg", HOME: "/home/u" };
		expect(await findConfig(env, readText)).toEqual({ config: defaultConfig, path: undefined });
		expect(asked).toEqual([inXdg, inEtc]);
	});

	test("a relative $QUBES_LITE_CONFIG is one of the working directory, and named absolutely", async () => {
		const path = join(process.cwd(), "named.json");
		const { readText } = createFiles({ [path]: none });
		expect((await findConfig({ QUBES_LITE_CONFIG: "./named.json" }, readText)).path).toBe(path);
	});
});

describe("never passed over", () => {
	test.each(["ENOENT", "ENOTDIR"])("a named file that is missing (%s)", async (errno) => {
		const { asked, readText } = createFiles({ "/named.json": errno, [inEtc]: none });
		await expect(findConfig({ QUBES_LITE_CONFIG: "/named.json" }, readText)).rejects.toMatchObject({
			code: "BadRequest",
			message: "there is no configuration file /named.json",
			remedy: "create the file, or unset QUBES_LITE_CONFIG",
		});
		expect(asked).toEqual(["/named.json"]);
	});

	test("a file that may not be read", async () => {
		const { readText } = createFiles({ [inHome]: "EACCES", [inEtc]: none });
		await expect(findConfig({ HOME: "/home/u" }, readText)).rejects.toMatchObject({
			code: "BadRequest",
			message: `the configuration file ${inHome} may not be read`,
			remedy: `look at its permissions with: namei -l '${inHome}'`,
		});
	});

	test("a file that fails in another way", async () => {
		const { readText } = createFiles({ [inHome]: "EIO", [inEtc]: none });
		await expect(findConfig({ HOME: "/home/u" }, readText)).rejects.toMatchObject({
			message: `the configuration file ${inHome} can't be read: EIO: said the system`,
		});
	});

	test("a file that is wrong inside", async () => {
		const { readText } = createFiles({ [inHome]: "{}", [inEtc]: none });
		await expect(findConfig({ HOME: "/home/u" }, readText)).rejects.toThrow(`${inHome} has 2 problems:`);
	});
});

describe("real files", () => {
	let directory: string;
	beforeAll(async () => {
		directory = await mkdtemp(join(tmpdir(), "ql-config-"));
	});
	afterAll(() => rm(directory, { recursive: true }));

	async function find(name: string, content?: string | Uint8Array) {
		const path = join(directory, name);
		if (content !== undefined) await writeFile(path, content);
		return findConfig({ QUBES_LITE_CONFIG: path });
	}

	test("one of the largest size is read, with a byte order mark and through a symlink too", async () => {
		const text = `\ufeff{"version": 1, "vms": []}`;
		await expect(find("largest.json", text.padEnd(configMaxBytes - 2))).resolves.toMatchObject({ config: { vms: [] } });
		await symlink("largest.json", join(directory, "link.json"));
		await expect(find("link.json")).resolves.toMatchObject({ path: join(directory, "link.json") });
	});

	test("one byte more is refused", async () => {
		await expect(find("large.json", none.padEnd(configMaxBytes + 1))).rejects.toThrow(
			/large.json is larger than 1 MiB$/,
		);
	});

	test("a directory is refused", async () => {
		await mkdir(join(directory, "directory"));
		await expect(find("directory")).rejects.toThrow(/directory is a directory$/);
	});

	test("a device is refused", async () => {
		await expect(findConfig({ QUBES_LITE_CONFIG: "/dev/null" })).rejects.toThrow("/dev/null is not a regular file");
	});

	test("a file that is not UTF-8 is refused", async () => {
		await expect(find("latin1.json", Uint8Array.of(0x22, 0xe4, 0x22))).rejects.toThrow(/latin1.json is not UTF-8$/);
	});
});
