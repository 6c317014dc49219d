/** A bus of a user's own, without a user manager: dbus-daemon, at the usual place. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openBusSocket } from "../../src/dbus/bus-socket.ts";
import type { FakeUser } from "./fake-user.ts";

const policy = `<auth>EXTERNAL</auth><policy context="default"><allow send_destination="*" eavesdrop="true"/>
<allow eavesdrop="true"/><allow own="*"/></policy>`;

export class SessionBus {
	readonly #daemon: ChildProcess;
	readonly #ended: Promise<unknown>;
	/** Where it listens. */
	readonly path: string;

	private constructor(daemon: ChildProcess, path: string) {
		this.#daemon = daemon;
		this.#ended = new Promise((resolve) => daemon.once("exit", resolve));
		this.path = path;
	}

	/** `services`: what it starts on demand, by its name, as a line of a shell's. */
	static async start(user: FakeUser, services: Readonly<Record<string, string>> = {}): Promise<SessionBus> {
		const path = join(user.directory, "bus");
		const config = join(user.directory, "bus.conf");
		const directory = join(user.directory, "services");
		mkdirSync(directory, { recursive: true });
		for (const [name, line] of Object.entries(services)) {
			const text = `[D-BUS Service]\nName=${name}\nExec=/bin/sh -c "${line}"\n`;
			writeFileSync(join(directory, `${name}.service`), text);
		}
		const places = `<listen>unix:path=${path}</listen><servicedir>${directory}</servicedir>`;
		writeFileSync(config, `<busconfig><type>session</type>${places}${policy}</busconfig>`);
		const words = [`--config-file=${config}`, "--nofork", "--nopidfile", "--nosyslog"];
		const daemon = spawn("dbus-daemon", words, { env: user.env, stdio: "ignore" });
		const bus = new SessionBus(daemon, path);
		const answers = (): Promise<boolean> =>
			openBusSocket(path, 5_000).then(
				(socket) => socket.destroy() !== undefined,
				() => false,
			);
		await user.until("the bus answers", answers);
		return bus;
	}

	async stop(): Promise<void> {
		this.#daemon.kill();
		await this.#ended;
	}
}
