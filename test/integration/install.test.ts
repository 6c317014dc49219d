/** `qubes-lite install` and `uninstall` in a real user manager: what they put where, and that vms work at once. */
import { createHash } from "node:crypto";
import {
	chmodSync,
	cpSync,
	existsSync,
	lstatSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	symlinkSync,
	utimesSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rounds } from "../rounds.ts";
import { FakeUser, isRoot, managerUids } from "./fake-user.ts";
import { UserManager } from "./user-manager.ts";
import { listTree } from "./user-places.ts";

const vms = [
	{ id: 5, name: "shopping" },
	{ id: 7, name: "banking", autoStart: true },
	{ id: 15, name: "disp", disposable: true },
];
const root = fileURLToPath(new URL("../..", import.meta.url));
const service = "qubes-lite-broker.service";
const socket = "qubes-lite-broker.socket";

describe.each(managerUids)("an installation, uid %s", (uid) => {
	let user: FakeUser;
	let manager: UserManager;
	const at = (...parts: string[]) => join(user.directory, ...parts);
	const unitAt = (name: string) => at(".config/systemd/user", name);
	const command = (...words: string[]) => manager.run("qubes-lite", ...words);
	const install = (...words: string[]) => command("install", ...words);
	const property = async (unit: string, name: string) => (await manager.show(unit, name))[name];
	const writeConfig = (list: readonly object[], more: object = {}) =>
		writeFileSync(at("config.json"), JSON.stringify({ version: 1, ...more, vms: list }));

	async function rest(): Promise<void> {
		await user.sh("qubes-lite stop --force shopping banking");
		await manager.run("systemctl", "--user", "stop", service);
	}

	async function restart(): Promise<void> {
		await manager.stop();
		await user.until("nothing runs", () => user.processes().length === 0);
		manager = await UserManager.start(user, uid);
	}

	beforeAll(async () => {
		user = new FakeUser({ hasManager: true, vms, ...(uid === undefined ? {} : { uid }) });
		/** Its bundles are changed, which others use meanwhile. */
		for (const name of ["bin", "dist", "docs", "units"])
			cpSync(join(root, name), at("checkout", name), { recursive: true });
		symlinkSync(join(root, "node_modules"), at("checkout/node_modules"));
		user.env.PATH = `${at("checkout/bin")}:${user.env.PATH}`;
		mkdirSync(unitAt(""), { recursive: true });
		if (uid !== undefined) await user.startAsTester("chown", ["-R", `${uid}:${uid}`, at(".config")]).done;
		manager = await UserManager.start(user, uid);
	});

	afterAll(async () => {
		await rest();
		await command("uninstall");
		await manager.stop();
		expect((await user.leave([])).processes).toEqual([]);
	});

	it("says what it would do, and does nothing", async () => {
		const before = listTree(user);
		const { status, stdout } = await install("--dry-run");
		expect(status).toBe(0);
		expect(stdout).toContain("would make   ~/.config/systemd/user/qubes-lite-banking.service\n");
		expect(listTree(user)).toEqual(before);
		expect(await property(socket, "LoadState")).toBe("not-found");
	});

	it("puts all in its place, and a second run changes nothing", async () => {
		const { status, stdout, stderr } = await install();
		expect({ status, stderr }).toMatchObject({ status: 0 });
		expect(stderr).toContain("~/.local/bin is not on your PATH\n  → export PATH=");
		const made = stdout.split("\n").filter((line) => line !== "");
		expect(made.map((line) => line.replace(/^made {5}~\//, "")).sort()).toEqual(
			[
				...["banking.service", "shopping.service", "disp.service", "banking@.service", "shopping@.service"].map(
					(name) => `.config/systemd/user/qubes-lite-${name}`,
				),
				...["qubes-lite-disp@.service", service, socket, "qubes-lite.slice"].map(
					(name) => `.config/systemd/user/${name}`,
				),
				".config/systemd/user/sockets.target.wants/qubes-lite-broker.socket",
				".config/systemd/user/default.target.wants/qubes-lite-banking.service",
				...["run-in-vm", "qubes-lite", "qubes-lite-start-banking", "qubes-lite-start-shopping"].map(
					(name) => `.local/bin/${name}`,
				),
				".local/bin/qubes-lite-start-disp",
				...["run-in-vm", "qubes-lite"].flatMap((name) => [
					`.local/share/bash-completion/completions/${name}`,
					`.local/share/fish/vendor_completions.d/${name}.fish`,
					`.local/share/man/man1/${name}.1`,
				]),
				".local/share/zsh/site-functions/_qubes-lite",
				".local/share/applications/qubes-lite-open.desktop",
				...["interfaces/org.qubeslite.Broker1.xml", "interfaces/org.qubeslite.VM1.xml"].map(
					(name) => `.local/share/dbus-1/${name}`,
				),
				".local/share/dbus-1/services/org.qubeslite.Broker1.service",
				".config/systemd/user/dbus-org.qubeslite.Broker1.service",
			].sort(),
		);
		expect(await property(socket, "ActiveState")).toBe("active");
		expect(await property(socket, "UnitFileState")).toBe("enabled");
		expect(await property("qubes-lite-banking.service", "UnitFileState")).toBe("enabled");
		const before = listTree(user);
		const again = await install();
		expect(again).toMatchObject({ status: 0, stdout: "" });
		expect(again.stderr).toContain("everything is as it should be");
		expect(listTree(user)).toEqual(before);
	});

	it("has units that systemd-analyze has nothing to say about", async () => {
		const units = readdirSync(at(".config/systemd/user")).filter((name) => /^qubes-lite.*[a-z]$/.test(name));
		const files = units.filter((name) => lstatSync(unitAt(name)).isFile());
		const names = files.map((name) => name.replace("@.", "@1a2b."));
		const outcome = await manager.run("systemd-analyze", "--user", "--man=no", "verify", ...names);
		expect(outcome).toMatchObject({ status: 0, stdout: "", stderr: "" });
	});

	it("lets the doctor find nothing about units", async () => {
		const { checks } = JSON.parse((await command("doctor", "--json")).stdout);
		const about = checks.filter(({ name }: { name: string }) => /^(socket-unit|unit:.*)$/.test(name));
		expect(about).toHaveLength(4);
		for (const check of about) expect(check).toMatchObject({ status: "PASS" });
	});

	it("runs a command the first time, from a cold socket", { timeout: 600_000 }, async () => {
		const count = rounds(3, 100);
		const outcomes = [];
		for (let round = 0; round < count; round++) {
			await rest();
			expect(user.brokerPids()).toEqual([]);
			const { status, stdout, stderr } = await user.run("shopping", "echo", String(round));
			outcomes.push({ status, stdout, stderr });
		}
		expect(outcomes).toEqual(outcomes.map((_, round) => ({ status: 0, stdout: `${round}\n`, stderr: "" })));
		expect(await property("qubes-lite-shopping.service", "FragmentPath")).toBe(unitAt("qubes-lite-shopping.service"));
	});

	it("starts vms by systemctl and by their own commands", async () => {
		await rest();
		expect(await manager.run("systemctl", "--user", "start", "qubes-lite-banking")).toMatchObject({ status: 0 });
		await user.until("it is idle", async () => (await user.stateOf("banking")) === "idle");
		await rest();
		const starts = user.starts("banking");
		expect(await user.sh(at(".local/bin/qubes-lite-start-banking"))).toMatchObject({ status: 0 });
		expect(await user.stateOf("banking")).toBe("idle");
		expect(user.starts("banking")).toBe(starts + 1);
	});

	it("starts an instance by its tag, which is also its CID; others are refused with a sentence", async () => {
		await rest();
		user.order("disp-1a2b", {});
		const start = (tag: string) => manager.run("systemctl", "--user", "start", `qubes-lite-disp@${tag}`);
		expect(await start("1a2b")).toMatchObject({ status: 0, stderr: "" });
		const words = () => user.processes().find(({ words }) => words.includes("fake-vhost"))?.words ?? "";
		await user.until("it runs", () => words() !== "");
		expect(words()).toContain("--guest-cid 6699");
		expect(words()).toContain("/disp-1a2b/");
		await manager.run("systemctl", "--user", "stop", "qubes-lite-disp@1a2b");
		for (const tag of ["0001", "xyz", "1A2B"]) {
			expect((await start(tag)).status, tag).toBe(1);
			const sentence = `an instance is named by four hexadecimal digits, from 03e8 on, and not by '${tag}'`;
			await user.until("it is told", () => manager.journal(`qubes-lite-disp-${tag}`).includes(sentence));
		}
		await manager.run("systemctl", "--user", "reset-failed", "qubes-lite-disp@*");
	});

	it("has its autoStart vm up after the manager has come again", async () => {
		await rest();
		await restart();
		await user.until("it is idle", async () => (await user.stateOf("banking")) === "idle");
		expect(await property(socket, "ActiveState")).toBe("active");
		await rest();
	});

	it("follows the configuration: vms that have left it lose their units, a running one goes on", async () => {
		expect(await user.run("banking", "true")).toMatchObject({ status: 0 });
		const pid = user.vmmPid("banking");
		writeConfig([
			{ id: 5, name: "shopping", cpuWeight: 7 },
			{ id: 9, name: "added", autoStart: true },
		]);
		const { status, stdout } = await install();
		expect(status).toBe(0);
		expect(stdout).toContain("removed  ~/.config/systemd/user/qubes-lite-banking.service\n");
		expect(stdout).toContain("changed  ~/.config/systemd/user/qubes-lite-shopping.service\n");
		expect(stdout).toContain("made     ~/.config/systemd/user/default.target.wants/qubes-lite-added.service\n");
		expect(existsSync(at(".local/bin/qubes-lite-start-banking"))).toBe(false);
		expect(await user.run("banking", "echo", "on")).toMatchObject({ status: 0, stdout: "on\n" });
		expect(user.vmmPid("banking")).toBe(pid);
		expect(await property("qubes-lite-banking.service", "LoadState")).toBe("loaded");
		const { checks } = JSON.parse((await command("doctor", "--json")).stdout);
		expect(checks.find(({ name }: { name: string }) => name === "unit:banking")).toMatchObject({
			status: "WARN",
			sentence: "qubes-lite-banking.service runs, but the configuration has no vm banking: its unit stays as long",
			remedy: "qubes-lite stop banking && qubes-lite install",
		});
		await rest();
		expect(existsSync(at("qubes-lite/banking"))).toBe(false);
		writeConfig(vms);
		expect((await install()).stdout).toContain("removed  ~/.config/systemd/user/qubes-lite-added.service\n");
		expect(await property("qubes-lite-banking.service", "FragmentPath")).toBe(unitAt("qubes-lite-banking.service"));
	});

	it("repairs units that lead to a checkout that has moved", async () => {
		const path = unitAt(service);
		const good = readFileSync(path, "utf8");
		writeFileSync(path, good.replaceAll(/\/\S*\/dist\//g, "/gone/dist/"));
		const manifest = JSON.parse(readFileSync(at("state/qubes-lite/installed.json"), "utf8"));
		const sha256 = createHash("sha256").update(readFileSync(path)).digest("hex");
		for (const file of manifest.files) if (file.path === path) file.sha256 = sha256;
		writeFileSync(at("state/qubes-lite/installed.json"), JSON.stringify(manifest));
		expect((await install()).stdout).toBe(`changed  ~/.config/systemd/user/${service}\n`);
		expect(readFileSync(path, "utf8")).toBe(good);
		expect(await user.run("shopping", "true")).toMatchObject({ status: 0 });
		await rest();
	});

	it("replaces a broker of an earlier version, and the vm goes on", async () => {
		expect(await user.run("shopping", "true")).toMatchObject({ status: 0 });
		const [pid, vmm] = [user.brokerPids(), user.vmmPid("shopping")];
		expect(await install()).toMatchObject({ status: 0, stdout: "" });
		expect(user.brokerPids()).toEqual(pid);
		const broker = at("checkout/dist/broker.cjs");
		const { atime, mtime } = statSync(broker);
		utimesSync(broker, atime, new Date(Date.now() + 60_000));
		expect(await install()).toMatchObject({ status: 0, stdout: "" });
		utimesSync(broker, atime, mtime);
		expect(await user.run("shopping", "true")).toMatchObject({ status: 0 });
		expect(user.brokerPids()).not.toEqual(pid);
		expect(user.vmmPid("shopping")).toBe(vmm);
		await rest();
	});

	/** Each: what is wrong, how the user sees it, and how it goes away again. */
	async function expectRefusal(sentence: string | RegExp, remedy: string, run = install): Promise<void> {
		const before = listTree(user);
		const { status, stdout, stderr } = await run();
		expect({ status, stdout }, stderr).toEqual({ status: 1, stdout: "" });
		expect(stderr).toMatch(sentence);
		expect(stderr.split("\n").filter((line) => line !== "")).toHaveLength(2);
		expect(stderr).toContain(`\n  → ${remedy}`);
		expect(listTree(user)).toEqual(before);
	}

	it("refuses a unit that was edited by hand, unless it is forced", async () => {
		const path = unitAt("qubes-lite-shopping.service");
		const good = readFileSync(path, "utf8");
		writeFileSync(path, `${good}# mine\n`);
		await expectRefusal(
			"qubes-lite-shopping.service was changed by hand; nothing is overwritten without --force",
			`mv ${path} ${path}.mine && qubes-lite install && systemctl --user edit qubes-lite-shopping.service`,
		);
		expect(await install("--force")).toMatchObject({ status: 0 });
		expect(readFileSync(path, "utf8")).toBe(good);
	});

	it("refuses a masked unit, a file of somebody else's, and a configuration that is bad", async () => {
		const path = unitAt("qubes-lite-shopping.service");
		rmSync(path);
		await manager.run("systemctl", "--user", "mask", "qubes-lite-shopping.service");
		const unmask = "systemctl --user unmask qubes-lite-shopping.service && qubes-lite install";
		await expectRefusal("qubes-lite-shopping.service is masked, so nothing is installed", unmask);
		expect(await manager.run("sh", "-c", unmask)).toMatchObject({ status: 0 });
		const program = at(".local/bin/qubes-lite-start-shopping");
		rmSync(program);
		writeFileSync(program, "#!/bin/sh\n");
		await expectRefusal("qubes-lite-start-shopping was changed by hand", `mv ${program} ${program}.mine && qubes-lite`);
		rmSync(program);
		writeConfig([{ id: 4, name: "shopping" }]);
		const before = listTree(user);
		const { status, stderr } = await install();
		expect({ status, stderr }).toMatchObject({ status: 1, stderr: expect.stringContaining("vms[0].id is 4") });
		expect(listTree(user)).toEqual(before);
		writeConfig(vms);
		expect(await install()).toMatchObject({ status: 0 });
	});

	it("goes on without a vm that can't be launched, and says so; refuses where none can", async () => {
		const other = { id: 9, name: "other", image: "/nowhere" };
		writeConfig([...vms, other]);
		const { status, stderr } = await install();
		expect(status).toBe(0);
		expect(stderr).toContain(
			"there is no unit of other yet: there is no guest image in /nowhere, which the configuration names as the image of other\n",
		);
		expect(stderr).toContain('  → correct "image" of other in the configuration');
		expect(existsSync(unitAt("qubes-lite-other.service"))).toBe(false);
		expect(existsSync(unitAt("qubes-lite-shopping.service"))).toBe(true);
		writeConfig([other]);
		await expectRefusal("there is no guest image in /nowhere", 'correct "image" of other in the configuration');
		writeConfig(vms);
		expect((await install()).status).toBe(0);
	});

	it("changes nothing where a directory is closed, or a file in its way", async () => {
		expect(await command("uninstall")).toMatchObject({ status: 0 });
		const fish = at(".local/share/fish");
		mkdirSync(at(".local/share"), { recursive: true });
		if (uid !== undefined) await user.startAsTester("chown", ["-R", `${uid}:${uid}`, at(".local")]).done;
		writeFileSync(fish, "");
		await expectRefusal(
			/vendor_completions.d\/qubes-lite.fish can't be written \(ENOTDIR\), so nothing has been changed/,
			"namei -l ",
		);
		expect(await property(socket, "LoadState")).toBe("not-found");
		rmSync(at(".local"), { recursive: true });
		if (uid !== undefined) {
			chmodSync(at(".config/systemd/user"), 0o500);
			await expectRefusal(/\.config\/systemd\/user\/\S+ can't be written \(EACCES\)/, "namei -l ");
			chmodSync(at(".config/systemd/user"), 0o755);
		}
		expect(await install()).toMatchObject({ status: 0 });
	});

	/** With the tests' own rights, beside the manager. */
	const inMountNamespace = (script: string) => {
		const enter = ["--target", String(manager.pid), "--mount", "unshare", "--mount", "sh", "-c", script];
		const running = user.startAsTester("nsenter", enter);
		running.stdin.end();
		return running.done;
	};

	it.runIf(isRoot)("changes nothing on a disk that is full", async () => {
		expect(await command("uninstall")).toMatchObject({ status: 0 });
		mkdirSync(at(".local"));
		const who = uid ?? 0;
		const become = `setpriv --reuid=${who} --regid=${who} --clear-groups`;
		const mount = `mount -t tmpfs -o size=48k,uid=${who},gid=${who} tmpfs ${at(".local")}`;
		const small = `${mount} && ${become} qubes-lite install; s=$?; ls -A ${at(".local")}; exit $s`;
		await expectRefusal(/\.local\/\S+ can't be written \(ENOSPC\), so nothing has been changed/, "df -h ", () =>
			inMountNamespace(small),
		);
		expect(await property(socket, "LoadState")).toBe("not-found");
		rmSync(at(".local"), { recursive: true });
		expect(await install()).toMatchObject({ status: 0 });
	});

	it("that is killed in between is finished by the next, or taken away without a trace", async () => {
		expect(await command("uninstall")).toMatchObject({ status: 0 });
		const before = listTree(user);
		const fake = join(user.fakes, "systemctl");
		const killed = async () => {
			const kill = 'case "$*" in *daemon-reload*) kill -KILL $PPID ;; esac';
			writeFileSync(fake, `#!/bin/sh\n${kill}\nexec /bin/systemctl "$@"\n`, { mode: 0o755 });
			expect((await install()).status).not.toBe(0);
			rmSync(fake);
		};
		await killed();
		expect(await command("uninstall")).toMatchObject({ status: 0 });
		expect(listTree(user)).toEqual(before);
		expect(await install()).toMatchObject({ status: 0 });
		const installed = listTree(user).filter((line) => !line.includes("installed.json"));
		writeConfig([{ id: 5, name: "shopping", cpuWeight: 7 }]);
		await killed();
		writeConfig(vms);
		expect(await install()).toMatchObject({ status: 0 });
		expect(listTree(user).filter((line) => !line.includes("installed.json"))).toEqual(installed);
		expect(await user.run("shopping", "true")).toMatchObject({ status: 0 });
		await rest();
	});

	it("refuses a systemd that is too old, and a bus that is missing", async () => {
		const fake = join(user.fakes, "systemctl");
		writeFileSync(fake, "#!/bin/sh\necho Version=245.4-4ubuntu3\n", { mode: 0o755 });
		await expectRefusal(
			"systemd 245 is too old for our units, it lacks units that are found without a reload (247)",
			"run-in-vm and qubes-lite work without",
		);
		rmSync(fake);
		user.env.DBUS_SESSION_BUS_ADDRESS = `unix:path=${at("no-bus")}`;
		const remedy = "unset DBUS_SESSION_BUS_ADDRESS && systemctl --user start dbus.socket";
		await expectRefusal(/DBUS_SESSION_BUS_ADDRESS leads to no bus \(ENOENT\): unix:path=.*\/no-bus/, remedy);
		user.env.DBUS_SESSION_BUS_ADDRESS = "unix:abstract=qubes-lite-no-bus";
		await expectRefusal(/leads to no bus \(ECONNREFUSED\): unix:abstract=qubes-lite-no-bus/, remedy);
		user.env.DBUS_SESSION_BUS_ADDRESS = "nonsense";
		await expectRefusal(/leads to no bus \(an address begins with its transport, such as unix:\): nonsense/, remedy);
		delete user.env.DBUS_SESSION_BUS_ADDRESS;
	});

	it("is undone where systemd does not start the socket", async () => {
		expect(await command("uninstall")).toMatchObject({ status: 0 });
		const before = listTree(user);
		mkdirSync(unitAt(`${socket}.d`));
		writeFileSync(unitAt(`${socket}.d/bad.conf`), "[Socket]\nExecStartPre=/bin/false\n");
		if (uid !== undefined) await user.startAsTester("chown", ["-R", `${uid}:${uid}`, unitAt(`${socket}.d`)]).done;
		await expectRefusal(`systemctl --user start ${socket} failed: `, `systemctl --user status ${socket}`);
		rmSync(unitAt(`${socket}.d`), { recursive: true });
		expect(listTree(user)).toEqual(before);
		await manager.run("systemctl", "--user", "daemon-reload");
		await manager.run("systemctl", "--user", "reset-failed");
		expect(await install()).toMatchObject({ status: 0 });
	});

	it("puts everything there without a manager, and says that nothing was started", async () => {
		expect(await command("uninstall")).toMatchObject({ status: 0 });
		const before = listTree(user);
		// Outside of the manager's namespace, and without the address of its socket.
		const elsewhere = () => user.sh(`XDG_RUNTIME_DIR=${at("cache")} qubes-lite install`);
		const { status, stderr } = await elsewhere();
		expect({ status, stderr }).toMatchObject({ status: 0, stderr: expect.stringContaining("so nothing was started") });
		expect(existsSync(unitAt(socket))).toBe(true);
		expect(await user.sh(`XDG_RUNTIME_DIR=${at("cache")} qubes-lite uninstall`)).toMatchObject({ status: 0 });
		expect(listTree(user)).toEqual(before);
		expect(await install()).toMatchObject({ status: 0 });
	});

	it("lets the broker look where the shell does that has installed it, and the next one's where that looks", async () => {
		expect(await command("uninstall")).toMatchObject({ status: 0 });
		const before = listTree(user);
		const usual = { ...user.env };
		const odd = at(`50%t $HOME "it's" \\x41`);
		const own = {
			config: join(odd, "config.json"),
			home: join(odd, "config"),
			state: at("other state"),
			cache: join(odd, "cache"),
		};
		mkdirSync(odd);
		writeFileSync(own.config, JSON.stringify({ version: 1, vms: [...vms, { id: 9, name: "other" }] }));
		cpSync(user.cache, own.cache, { recursive: true, verbatimSymlinks: true });
		Object.assign(user.env, {
			...{ QUBES_LITE_CONFIG: own.config, XDG_CONFIG_HOME: own.home },
			...{ XDG_STATE_HOME: own.state, XDG_CACHE_HOME: own.cache },
		});
		const finding = async (check: string) => {
			const { checks } = JSON.parse((await command("doctor", "--json")).stdout);
			return checks.find(({ name }: { name: string }) => name === check);
		};
		if (uid !== undefined) await user.startAsTester("chown", ["-R", `${uid}:${uid}`, user.directory]).done;
		const { status, stderr } = await install();
		expect({ status, stderr }).toMatchObject({
			...{ status: 0 },
			stderr: expect.stringContaining(
				"has QUBES_LITE_CONFIG, XDG_CONFIG_HOME, XDG_CACHE_HOME, XDG_STATE_HOME, PATH from this shell",
			),
		});
		expect(await user.run("other", "echo", "here")).toMatchObject({ status: 0, stdout: "here\n", stderr: "" });
		const given = readFileSync(`/proc/${user.brokerPids()[0]}/environ`, "utf8").split("\0");
		for (const name of ["QUBES_LITE_CONFIG", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "PATH"]) {
			expect(given).toContain(`${name}=${user.env[name]}`);
		}
		expect(await finding("service-environment")).toMatchObject({ status: "PASS" });
		for (const name of ["socket-unit", "unit:other"]) expect(await finding(name)).toMatchObject({ status: "PASS" });
		expect((await manager.run("systemd-analyze", "--user", "--man=no", "verify", unitAt(service))).stderr).toBe("");
		await user.sh("qubes-lite stop --force other");

		const theirs = { ...user.env };
		Object.assign(user.env, usual, { XDG_STATE_HOME: own.state });
		delete user.env.XDG_CONFIG_HOME;
		expect(await finding("service-environment")).toMatchObject({
			...{ status: "WARN", remedy: "qubes-lite install" },
			sentence: expect.stringContaining(
				`QUBES_LITE_CONFIG is ${own.config} there, and here ${usual.QUBES_LITE_CONFIG}`,
			),
		});
		expect((await install()).stdout).toContain(`changed  ~/.config/systemd/user/${service}\n`);
		expect(readFileSync(unitAt(service), "utf8")).not.toContain("QUBES_LITE_CONFIG");
		expect(await finding("service-environment")).toMatchObject({ status: "PASS" });
		expect(await user.run("other", "true")).toMatchObject({ status: 125 });

		await rest();
		Object.assign(user.env, theirs);
		expect(await command("uninstall")).toMatchObject({ status: 0 });
		Object.assign(user.env, usual);
		delete user.env.XDG_CONFIG_HOME;
		for (const path of [odd, own.state]) rmSync(path, { recursive: true });
		expect(listTree(user)).toEqual(before);
		expect(await install()).toMatchObject({ status: 0 });
	});

	it("is not taken from under a running vm where the manager does not answer", async () => {
		expect(await user.run("shopping", "true")).toMatchObject({ status: 0 });
		const fake = join(user.fakes, "systemctl");
		writeFileSync(fake, "#!/bin/sh\nexec sleep 60\n", { mode: 0o755 });
		await expectRefusal(
			"shopping runs as a unit, and the systemd user manager does not answer within 5 s, so nothing is removed",
			"qubes-lite stop shopping && qubes-lite uninstall   # or: qubes-lite uninstall --force",
			() => command("uninstall"),
		);
		rmSync(fake);
		await expectRefusal(
			/the systemd user manager does not answer \(.+\), so nobody knows whether vms run as units, and nothing is removed/,
			'export XDG_RUNTIME_DIR="/run/user/$(id -u)" && qubes-lite uninstall   # or, where none runs: qubes-lite uninstall --force',
			() => manager.run("env", "XDG_RUNTIME_DIR=", "qubes-lite", "uninstall"),
		);
		await rest();
		// As with a login that has ended: no units are forgotten, and none runs.
		const outcome = await manager.run("env", "XDG_RUNTIME_DIR=", "qubes-lite", "uninstall", "--force");
		expect(outcome).toMatchObject({ status: 0 });
		expect(existsSync(unitAt(service))).toBe(false);
		expect(await install()).toMatchObject({ status: 0 });
	});

	it("waits for another install or uninstall, and both do their work", async () => {
		expect(await command("uninstall")).toMatchObject({ status: 0 });
		const before = listTree(user);
		for (let round = 0; round < rounds(1, 20); round++) {
			for (const outcome of await Promise.all([install(), install()])) expect(outcome).toMatchObject({ status: 0 });
			expect(await property(socket, "ActiveState")).toBe("active");
			expect(await install()).toMatchObject({ status: 0, stdout: "" });
			const both = await Promise.all([install("--force"), command("uninstall")]);
			expect(both.map(({ status }) => status)).toEqual([0, 0]);
			expect(await command("uninstall")).toMatchObject({ status: 0 });
			expect(listTree(user)).toEqual(before);
		}
		expect(await install()).toMatchObject({ status: 0 });
	});

	it("is all there or not at all where a signal comes while systemd is asked", async () => {
		expect(await command("uninstall")).toMatchObject({ status: 0 });
		const before = listTree(user);
		const fake = join(user.fakes, "systemctl");
		const send = 'case "$*" in *daemon-reload*) [ -e "$0.sent" ] || { >"$0.sent"; kill -TERM $PPID; } ;; esac';
		writeFileSync(fake, `#!/bin/sh\n${send}\nexec /bin/systemctl "$@"\n`, { mode: 0o755 });
		chmodSync(user.fakes, 0o777);
		expect(await install()).toMatchObject({
			...{ status: 143, stdout: "" },
			stderr: "qubes-lite: interrupted by SIGTERM: all is as it was before\n",
		});
		rmSync(fake);
		rmSync(`${fake}.sent`);
		expect(listTree(user)).toEqual(before);
		expect(await property(socket, "LoadState")).toBe("not-found");
		expect(await install()).toMatchObject({ status: 0 });
	});

	it("goes without a trace, but not while vms run, and leaves what was edited", async () => {
		expect(await command("uninstall")).toMatchObject({ status: 0 });
		expect(await property(socket, "LoadState")).toBe("not-found");
		const before = listTree(user);
		expect(await command("uninstall")).toMatchObject({ status: 0, stderr: "qubes-lite: nothing is installed\n" });
		expect(await install()).toMatchObject({ status: 0 });
		expect(await user.run("shopping", "true")).toMatchObject({ status: 0 });
		await expectRefusal(
			"shopping runs as a unit, so nothing is removed",
			"qubes-lite stop shopping && qubes-lite uninstall",
			() => command("uninstall"),
		);
		await rest();
		const man = at(".local/share/man/man1/qubes-lite.1");
		writeFileSync(man, "mine");
		const dry = await command("uninstall", "--dry-run");
		const { status, stdout, stderr } = await command("uninstall");
		expect({ status, stdout, stderr }).toEqual({
			status: 0,
			stdout: dry.stdout.replaceAll(/^would remove/gm, "removed "),
			stderr: "qubes-lite: ~/.local/share/man/man1/qubes-lite.1 was changed by hand, and stays\n",
		});
		rmSync(at(".local"), { recursive: true });
		expect(listTree(user)).toEqual(before);
		// systemd made the upper one for ours.
		for (const slice of ["qubes-lite.slice", "qubes.slice"])
			expect(await property(slice, "ActiveState")).toBe("inactive");
		await user.until("no broker is left", () => user.brokerPids().length === 0);
	});
});
