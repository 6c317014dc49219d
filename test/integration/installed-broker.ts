/** The broker's units in a test user's own manager, as an installation has them. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { fillBrokerUnit, fillDbusService } from "../../src/activation/broker-units.ts";
import { quoteUnitWord } from "../../src/activation/unit-quoting.ts";
import { FakeUser, type FakeUserOptions } from "./fake-user.ts";
import { UserManager } from "./user-manager.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const units = join(root, "units");

export const service = "qubes-lite-broker.service";
export const socket = "qubes-lite-broker.socket";

export class InstalledBroker {
	readonly user: FakeUser;
	readonly manager: UserManager;
	readonly #unitDirectory: string;

	private constructor(user: FakeUser, manager: UserManager, unitDirectory: string) {
		this.user = user;
		this.manager = manager;
		this.#unitDirectory = unitDirectory;
	}

	/** A user whose manager holds the broker's socket. */
	static async start(options: FakeUserOptions): Promise<InstalledBroker> {
		const user = new FakeUser({ ...options, hasManager: true });
		const unitDirectory = join(user.directory, ".config/systemd/user");
		mkdirSync(unitDirectory, { recursive: true });
		const paths = { flock: "/usr/bin/flock", node: process.execPath, dist: join(root, "dist") };
		for (const unit of readdirSync(units).filter((name) => name.includes("."))) {
			const text = fillBrokerUnit(readFileSync(join(units, unit), "utf8"), paths);
			writeFileSync(join(unitDirectory, unit), text);
		}
		const busServices = join(user.directory, ".local/share/dbus-1/services");
		mkdirSync(busServices, { recursive: true });
		const busService = "org.qubeslite.Broker1.service";
		writeFileSync(
			join(busServices, busService),
			fillDbusService(readFileSync(join(units, "dbus", busService), "utf8"), paths),
		);
		/** It takes the passwd's home for the user's, and theirs is another one. */
		const busDropIn = join(unitDirectory, "dbus.service.d");
		mkdirSync(busDropIn);
		const data = quoteUnitWord(`XDG_DATA_HOME=${join(user.directory, ".local/share")}`);
		writeFileSync(join(busDropIn, "home.conf"), `[Service]\nEnvironment=${data}\n`);
		const installed = new InstalledBroker(user, await UserManager.start(user, options.uid), unitDirectory);
		/** A manager's services have a PATH of its own, which does not lead to the fakes. */
		await installed.dropIn("path", `Environment=${quoteUnitWord(`PATH=${user.env.PATH}`)}`);
		await installed.systemctl("start", socket);
		return installed;
	}

	/** Lines of [Service], from the broker's next start on; none takes those of this name away. */
	async dropIn(name: string, ...lines: readonly string[]): Promise<void> {
		const path = join(this.#unitDirectory, `${service}.d/${name}.conf`);
		mkdirSync(dirname(path), { recursive: true });
		if (lines.length === 0) rmSync(path, { force: true });
		else writeFileSync(path, `[Service]\n${lines.join("\n")}\n`);
		await this.systemctl("daemon-reload");
	}

	async systemctl(...words: readonly string[]): Promise<void> {
		const { status, stderr } = await this.manager.run("systemctl", "--user", ...words);
		if (status !== 0) throw new Error(`systemctl ${words.join(" ")}: ${stderr}`);
	}

	async property(name: string, unit = service): Promise<string> {
		return (await this.manager.show(unit, name))[name] ?? "";
	}

	/** Resolves when no broker runs, and none is about to. */
	async settled(): Promise<void> {
		await this.user.until("the broker has left", async () => (await this.property("ActiveState")) === "inactive");
	}

	writeConfig(value: unknown): void {
		writeFileSync(this.user.env.QUBES_LITE_CONFIG ?? "", typeof value === "string" ? value : JSON.stringify(value));
	}

	log(): string {
		return this.manager.journal("qubes-lite-broker");
	}

	/** Ends everything; resolves with the census. */
	async leave(vms: readonly string[]): ReturnType<FakeUser["leave"]> {
		if (vms.length > 0) await this.user.sh(`qubes-lite stop --force ${vms.join(" ")}`);
		await this.systemctl("stop", socket, service);
		await this.manager.stop();
		return this.user.leave([]);
	}
}
