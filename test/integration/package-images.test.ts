/** Images that vms ask for by packages: how a build fails, and ends, and what lists and removes them. */
import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { toWishKey } from "../../src/vmm/image-wish.ts";
import { chownAll, nothingLeft, type Running, signalProcess } from "../e2e/harness.ts";
import { isRoot, otherUid } from "./fake-user.ts";
import { PackageBuilder } from "./package-builder.ts";

const desk = { id: 9, name: "desk", image: { packages: ["foot"] } };
const vault = { id: 11, name: "vault" };

let user: PackageBuilder;

afterEach(async () => {
	expect(await user.leave([])).toEqual(nothingLeft);
});

const pointerOf = (packages: readonly string[]): string => join(user.cache, "images/by-wish", toWishKey({ packages }));
const imageOf = (packages: readonly string[]): string => realpathSync(pointerOf(packages));
const manifestOf = (packages: readonly string[]) =>
	JSON.parse(readFileSync(join(imageOf(packages), "image.json"), "utf8"));

describe("a build", () => {
	it("makes one image for all that ask for the same, and none where nothing has changed", async () => {
		user = new PackageBuilder([desk, { ...desk, id: 13, name: "other" }, vault]);
		expect(await user.sh("qubes-lite image build")).toMatchObject({
			...{ status: 0, stdout: "", stderr: expect.stringContaining("desk, other: foot\n") },
		});
		const { key, suite, packages, windows } = manifestOf(["foot"]);
		expect({ suite, packages, windows }).toEqual({ suite: expect.any(String), packages: ["foot"], windows: "waypipe" });
		expect(user.madeImages()).toEqual([key]);

		const again = await user.sh("qubes-lite image build desk");
		expect(again).toMatchObject({ status: 0, stderr: expect.stringContaining(`${key} is up to date`) });

		// Laid before, and so again where only our own files are others: mmdebstrap would fail now.
		expect(await user.sh(`qubes-lite image rm --force ${key}`)).toMatchObject({ status: 0 });
		user.behave("broken");
		expect(await user.sh("qubes-lite image build")).toMatchObject({
			...{ status: 0, stderr: expect.stringContaining("packages, laid before\n") },
		});
		expect(imageOf(["foot"])).toMatch(key);
		expect(await user.sh("qubes-lite image build --force")).toMatchObject({
			...{ status: 1, stderr: expect.stringContaining("The package foot can't be installed") },
		});
		user.behave("good");

		const old = imageOf(["foot"]);
		user.configure([{ ...desk, image: { packages: ["foot", "systemd"] } }]);
		expect(await user.sh("qubes-lite image build")).toMatchObject({ status: 0 });
		expect(imageOf(["foot", "systemd"])).not.toBe(old);
		expect([imageOf(["foot"]), existsSync(join(old, "root.erofs"))]).toEqual([old, true]);
		// Of files that are in the cache none is fetched again.
		expect(user.downloads()).toBe(1);
	});

	it("gets a file of a package again that is damaged, although it is as long as it should be", async () => {
		user = new PackageBuilder([desk]);
		expect(await user.sh("qubes-lite image build")).toMatchObject({ status: 0 });
		const packages = join(user.cache, "packages");
		const [suite = ""] = readdirSync(packages);
		const file = join(packages, suite, "foot_1%3a1.0_all.deb");
		const whole = readFileSync(file, "utf8");
		writeFileSync(file, "?".repeat(whole.length));
		expect(await user.sh("qubes-lite image build --force")).toMatchObject({ status: 0 });
		expect(readFileSync(file, "utf8")).toBe(whole);
		expect(user.downloads()).toBe(2);
	});

	it("is refused for a vm that there is not, and for a package that Debian has not, with names that it has", async () => {
		user = new PackageBuilder([{ ...desk, image: { packages: ["nosuch"] } }]);
		expect(await user.sh("qubes-lite image build dusk")).toMatchObject({
			...{ status: 1, stderr: expect.stringContaining("'dusk'") },
		});
		const { status, stderr } = await user.sh("qubes-lite image build");
		expect(status).toBe(1);
		expect(stderr).toMatch(
			/Debian \w+ has no package nosuch; did you mean nosuch-thing\?\n {2}→ apt-cache search nosuch /,
		);
		expect(user.madeImages()).toEqual([]);
	});

	it("is refused for a release that Debian has not, with the one that was meant", async () => {
		user = new PackageBuilder([{ ...desk, image: { packages: ["foot"], suite: "bookwurm" } }]);
		const { status, stderr } = await user.sh("qubes-lite image build desk");
		expect([status, stderr]).toEqual([
			1,
			expect.stringMatching(
				/Debian has no release "bookwurm"; did you mean "bookworm"\?\n {2}→ Correct "suite" of desk /,
			),
		]);
	});

	it.each([
		["full", /There is no room left in \S+: building an image needs \d+ MB\.\n {2}→ Make room there/],
		["broken", /The package foot can't be installed into an image: its script failed\n {2}→ Leave foot/],
		["unreachable", /Debian's package lists can't be fetched: .*mirror\.example.*\n {2}→ .*apt-get update/s],
	] as const)("says in a sentence what was in its way, and leaves nothing half-built: %s", async (mode, words) => {
		user = new PackageBuilder([desk]);
		user.behave(mode);
		expect(await user.sh("qubes-lite image build")).toMatchObject({ status: 1, stderr: expect.stringMatching(words) });
		expect(user.madeImages()).toEqual([]);
		expect(existsSync(pointerOf(["foot"]))).toBe(false);
	});

	it("lets nothing be removed, and no other build begin, until it has ended in whatever way", async () => {
		user = new PackageBuilder([desk]);
		expect(await user.sh("qubes-lite image build")).toMatchObject({ status: 0 });
		user.behave("hanging");
		user.configure([{ ...desk, image: { packages: ["foot", "systemd"] } }]);
		const build = user.start("qubes-lite", ["image", "build"]);
		await user.until("mmdebstrap hangs", () => user.isHanging());
		const before = user.madeImages();
		expect(before).toHaveLength(2);

		const others = ["gc", "rm --force nosuch", "build"].map((words) =>
			user.start("/bin/sh", ["-c", `exec qubes-lite image ${words} 2>&1`]),
		);
		const waits = /^.*another qubes-lite image build, rm or gc is at work: waiting for it\n$/;
		await user.until("they wait", () => others.every(({ stdout }) => waits.test(stdout())));
		expect(await user.sh("qubes-lite image gc --dry-run")).toMatchObject({
			...{ status: 0, stdout: expect.stringContaining("would go"), stderr: "" },
		});
		expect(user.madeImages()).toEqual(before);
		const [gc, rm, second] = others;
		second?.kill("SIGTERM");
		expect(await second?.done).toMatchObject({ status: 143 });

		const builder = user.processes().find(({ words }) => words.endsWith("image.mjs build"));
		signalProcess(builder?.pid, "SIGKILL");
		await build.done;
		expect(await gc?.done).toMatchObject({ status: 0, stdout: expect.stringMatching(/^\w+: .* foot\n/m) });
		expect(await rm?.done).toMatchObject({ status: 1, stdout: expect.stringContaining('there is no image "nosuch"') });
		await user.until("all are gone", () => user.processes().length === 0);
	});

	/** It, and that nothing of it is left. */
	async function expectEnd(build: Running, signal: NodeJS.Signals, status: number): Promise<void> {
		build.kill(signal);
		expect(await build.done).toMatchObject({ status });
		await user.until("all are gone", () => user.processes().length === 0);
		expect(user.madeImages()).toEqual([]);
		expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(user.directory);
	}

	it.each([
		["SIGTERM", 143],
		["SIGHUP", 129],
	] as const)("ends with all that it has started, and mounted, on %s", async (signal, status) => {
		user = new PackageBuilder([desk]);
		user.behave("hanging");
		const build = user.start("qubes-lite", ["image", "build"]);
		await user.until("mmdebstrap hangs", () => user.isHanging());
		await expectEnd(build, signal, status);
	});

	it("goes on under nohup when its terminal hangs up, and ends when it is told to", async () => {
		user = new PackageBuilder([desk]);
		user.behave("hanging");
		const build = user.start("setsid", ["sh", "-c", "trap '' HUP; exec qubes-lite image build"]);
		await user.until("mmdebstrap hangs", () => user.isHanging());
		const before = user.processes().map(({ pid }) => pid);
		process.kill(-build.pid, "SIGHUP");
		await new Promise((resolve) => setTimeout(resolve, 500));
		expect(user.processes().map(({ pid }) => pid)).toEqual(before);
		await expectEnd(build, "SIGTERM", 143);
	});

	it("and a removal say where they may not write", async () => {
		user = new PackageBuilder([desk]);
		const cache = join(user.cache, "..");
		await user.sh(`rm -rf '${cache}'; touch '${cache}'`);
		for (const words of ["build", "gc", "rm x"]) {
			expect(await user.sh(`qubes-lite image ${words}`), words).toMatchObject({
				...{ status: 1, stdout: "" },
				stderr: expect.stringMatching(
					/^qubes-lite image: \S+ can't be written, where guest images are kept\.\n {2}→ Make it yours, or set XDG_CACHE_HOME/m,
				),
			});
		}
	});

	it("that is killed takes them with it, and the next one clears up behind it", async () => {
		user = new PackageBuilder([desk]);
		user.behave("hanging");
		const build = user.start("qubes-lite", ["image", "build"]);
		await user.until("mmdebstrap hangs", () => user.isHanging());
		const builder = user.processes().find(({ words }) => words.endsWith("image.mjs build"));
		signalProcess(builder?.pid, "SIGKILL");
		expect((await build.done).status).not.toBe(0);
		await user.until("all are gone", () => user.processes().length === 0);
		expect(user.madeImages()).toEqual([expect.stringMatching(/^\.tmp-/)]);

		user.behave("good");
		expect(await user.sh("qubes-lite image build")).toMatchObject({ status: 0 });
		expect(user.madeImages()).toEqual([manifestOf(["foot"]).key]);
	});
});

/** Words before a program: it sees these as the ranges of uids of this machine's users. */
const withinOf = (ranges: string): string[] => {
	const bind = ["/etc/subuid", "/etc/subgid"].map((path) => `mount --bind $XDG_RUNTIME_DIR/ranges ${path}`);
	const lines = [`printf '${ranges}' >$XDG_RUNTIME_DIR/ranges`, ...bind, 'exec "$@"'];
	return ["unshare", "--mount", "sh", "-c", lines.join(" && "), "sh"];
};

describe("an ordinary user", () => {
	it("builds and clears up as well, with a range of uids, and is told how to get one", async () => {
		const users = isRoot ? { uid: otherUid, within: withinOf("nobody:100000:65536\\n") } : {};
		user = new PackageBuilder([desk], users);
		// Of a build that was killed where the tree was on the disk: another uid's of the range, and nobody else's to enter.
		const left = join(user.cache, "images/.tmp-1-1-abcd");
		mkdirSync(join(left, "tree/own"), { recursive: true });
		if (isRoot) chownAll(left, otherUid);
		if (isRoot) chownAll(join(left, "tree"), 100999);
		chmodSync(join(left, "tree"), isRoot ? 0o700 : 0o755);
		expect(await user.sh("qubes-lite image build")).toMatchObject({ status: 0 });
		expect(manifestOf(["foot"]).packages).toEqual(["foot"]);
		expect(existsSync(left)).toBe(false);
		expect(await user.leave([])).toEqual(nothingLeft);

		user = new PackageBuilder([desk], isRoot ? { uid: otherUid, within: withinOf("") } : {});
		// Who runs the tests as an ordinary user has one.
		const told = {
			status: 1,
			stderr: expect.stringContaining("--add-subuids 100000-165535 --add-subgids 100000-165535 nobody"),
		};
		expect(await user.sh("qubes-lite image build")).toMatchObject(isRoot ? told : { status: 0 });
	});
});

describe("a build with little memory", () => {
	it("lays the tree on the disk, from where the next one removes what a killed one has left", async () => {
		const poor =
			'printf "MemAvailable: 1 kB\\n" >$XDG_RUNTIME_DIR/meminfo && mount --bind $XDG_RUNTIME_DIR/meminfo /proc/meminfo';
		user = new PackageBuilder(
			[desk],
			isRoot ? { within: ["unshare", "--mount", "sh", "-c", `${poor} && exec "$@"`, "sh"] } : {},
		);
		user.behave("hanging");
		const build = user.start("qubes-lite", ["image", "build"]);
		await user.until("mmdebstrap hangs", () => user.isHanging());
		const builder = user.processes().find(({ words }) => words.endsWith("image.mjs build"));
		signalProcess(builder?.pid, "SIGKILL");
		await build.done;
		await user.until("all are gone", () => user.processes().length === 0);
		const [left = ""] = user.madeImages();
		expect(existsSync(join(user.cache, "images", left, "root/place/tree/etc"))).toBe(isRoot);

		user.behave("good");
		expect(await user.sh("qubes-lite image build")).toMatchObject({ status: 0 });
		expect(user.madeImages()).toEqual([manifestOf(["foot"]).key]);
	});
});

describe("a vm whose image is not built yet", () => {
	const words = "there is no guest image with foot for desk";
	const remedy = "qubes-lite image build desk";

	it("says what builds it: at its start, and in doctor", async () => {
		user = new PackageBuilder([desk]);
		const { status, stderr } = await user.run("desk", "true");
		expect({ status, stderr }).toEqual({ status: 125, stderr: expect.stringMatching(`${words}[\\s\\S]*${remedy}`) });
		const { checks } = JSON.parse((await user.sh("qubes-lite doctor --json")).stdout);
		const [found] = checks.filter(({ name }: { name: string }) => name === "image:desk");
		expect(found).toMatchObject({ status: "FAIL", remedy });
		expect(JSON.stringify(found)).toContain(words);
	});
});

describe("the images", () => {
	/** A process with the words of desk's vmm. */
	const runDesk = () => {
		const words = ["-e", "setInterval(() => {}, 1e6)", `${imageOf(["foot"])}/vmlinux`, "quiet qubeslite.vm=desk"];
		return spawn(process.execPath, words, { stdio: "ignore", env: { ...user.env } });
	};
	const list = async () => JSON.parse((await user.sh("qubes-lite image ls --json")).stdout);

	it("are listed with what they hold and who uses them, and removed only where nobody does", async () => {
		user = new PackageBuilder([desk, vault]);
		expect(await user.sh("qubes-lite image build")).toMatchObject({ status: 0 });
		const running = runDesk();
		await user.until("it runs", () => user.processes().some(({ words }) => words.includes("qubeslite.vm=desk")));
		const { schema, images } = await list();
		const foot = images.find(({ packages }: { packages: string[] | null }) => packages !== null);
		const usual = images.find(({ current }: { current: boolean }) => current);
		expect({ schema, foot, usual }).toMatchObject({
			schema: 1,
			foot: { packages: ["foot"], vms: ["desk"], running: ["desk"], directory: imageOf(["foot"]) },
			usual: { packages: null, vms: ["vault"], running: [] },
		});
		expect((await user.sh("qubes-lite image ls")).stdout).toMatch(/^KEY .*\n[\s\S]*foot \(\w+\) .* desk \(runs\)\n/);

		const refused = { status: 1, stdout: "" };
		const rm = (words: string) => user.sh(`qubes-lite image rm ${words}`);
		for (const force of ["", "--force "]) {
			expect(await rm(force + foot.short)).toMatchObject({
				...refused,
				stderr: expect.stringContaining("desk runs with"),
			});
		}
		running.kill("SIGKILL");
		await user.until("it has ended", () => !user.processes().some(({ words }) => words.includes("qubeslite.vm=desk")));
		expect(await rm(foot.short)).toMatchObject({
			...refused,
			stderr: expect.stringMatching(/desk boots the image .*\n.*--force/),
		});
		expect(await rm(`--force ${foot.short}`)).toMatchObject({ status: 0, stdout: expect.stringContaining("MB freed") });
		expect(user.madeImages()).toEqual([]);
		expect(await user.run("desk", "true")).toMatchObject({
			stderr: expect.stringContaining("there is no guest image with foot"),
		});
	});

	it("and packages go with gc once no vm asks for them, and it says so before", async () => {
		user = new PackageBuilder([desk]);
		expect(await user.sh("qubes-lite image build")).toMatchObject({ status: 0 });
		const packages = () => {
			const [suite = ""] = readdirSync(join(user.cache, "packages"));
			return readdirSync(join(user.cache, "packages", suite)).filter((name) => name.endsWith(".deb")).length;
		};
		// Of what set-up has made before the build only the newest is left.
		expect(await user.sh("qubes-lite image gc")).toMatchObject({ status: 0 });
		expect(await user.sh("qubes-lite image gc")).toMatchObject({
			status: 0,
			stdout: "0 images and 0 files of packages are gone: 0.0 MB freed\n",
		});
		expect([user.madeImages().length, packages()]).toEqual([1, 2]);

		expect(readdirSync(join(user.cache, "packages"), { recursive: true }).join()).toMatch(/base-\w+-\w+\.tar\.gz/);

		user.configure([vault]);
		const dry = await user.sh("qubes-lite image gc --dry-run");
		expect(dry.stdout).toMatch(/: \d+\.\d MB, foot\n1 images and 2 files of packages would go: \d+\.\d MB\n$/);
		expect([user.madeImages().length, packages()]).toEqual([1, 2]);
		expect((await user.sh("qubes-lite image gc")).stdout).toMatch(
			/1 images and 2 files of packages are gone: \d+\.\d MB freed\n$/,
		);
		expect([user.madeImages(), packages(), existsSync(pointerOf(["foot"]))]).toEqual([[], 0, false]);
		expect(readdirSync(join(user.cache, "packages"), { recursive: true }).join()).not.toMatch(/base-|\.deb/);
		expect((await list()).images).toHaveLength(1);
	});
});
