/**
 * Tells the service manager how we are: sd_notify(3). libsystemd's own function says it, through koffi's prebuilt addon,
 * so that the message comes from this very process; where one of them is missing, the command systemd-notify does, whose
 * process is another one, and whose word counts for a unit with NotifyAccess=all only. Without NOTIFY_SOCKET neither is
 * loaded, and nothing is said. A message that can't be sent is lost: no vm is worse off for it.
 */
import { execFile } from "node:child_process";
import { createRequire } from "node:module";

/** Sends one message, "NAME=value" lines; rejects where that fails. */
export type Send = (message: string) => Promise<void>;

export interface NotifyOptions {
	readonly env: Readonly<Record<string, string | undefined>>;
	readonly pid: number;
	/** CLOCK_MONOTONIC, µs. */
	readonly monotonicUs: () => bigint;
	/** Chooses who sends; called at the first message. */
	readonly openSend: () => Send;
	/** Called for the first message that could not be sent. */
	readonly failed: (cause: unknown) => void;
}

/** What `systemctl status` shows beside the process: one line, and no longer than a screen is wide twice. */
const statusMaxLength = 256;

const stoppingWithinMs = 1_000;

export class SdNotify {
	readonly #options: NotifyOptions;
	readonly #isHeard: boolean;
	#send: Send | undefined;
	#hasFailed = false;
	/** One after the other: a READY that overtakes its RELOADING would be forgotten. */
	#sent: Promise<void> = Promise.resolve();
	#status = "";
	#isStatusDue = false;
	#isReady = false;
	#watchdog: NodeJS.Timeout | undefined;

	constructor(options: NotifyOptions) {
		this.#options = options;
		this.#isHeard = (options.env.NOTIFY_SOCKET ?? "") !== "";
	}

	/** We serve; also ends what `reloading` began. From here on the watchdog is fed, where there is one. */
	ready(): void {
		this.#isReady = true;
		void this.#say("READY=1");
		const everyMs = watchdogMs(this.#options);
		if (!this.#isHeard || everyMs === null || this.#watchdog !== undefined) return;
		/** A timer of the event loop: it fires for as long as that turns, and says nothing else. */
		this.#watchdog = setInterval(() => void this.#say("WATCHDOG=1"), everyMs).unref();
	}

	reloading(): void {
		/** "must be combined with MONOTONIC_USEC=" — sd_notify(3), for Type=notify-reload; others pass it over. */
		void this.#say(`RELOADING=1\nMONOTONIC_USEC=${this.#options.monotonicUs()}`);
	}

	/** Resolves when the manager has it, or can't get it; or after a second: who has nothing to lose by an end does not wait longer. */
	stopping(): Promise<void> {
		clearInterval(this.#watchdog);
		/** A service that ends before it was ready has failed, for its manager. */
		const said = this.#say(this.#isReady ? "STOPPING=1" : "READY=1\nSTOPPING=1");
		return Promise.race([said, new Promise<void>((resolve) => setTimeout(resolve, stoppingWithinMs).unref())]);
	}

	/** Of several in a row the manager gets the last. */
	status(text: string): void {
		const line = text.replaceAll(/\s+/g, " ").slice(0, statusMaxLength);
		if (line === this.#status) return;
		this.#status = line;
		if (this.#isStatusDue) return;
		this.#isStatusDue = true;
		void this.#say(() => {
			this.#isStatusDue = false;
			return `STATUS=${this.#status}`;
		});
	}

	#say(message: string | (() => string)): Promise<void> {
		if (!this.#isHeard) return Promise.resolve();
		this.#sent = this.#sent.then(async () => {
			try {
				this.#send ??= this.#options.openSend();
				await this.#send(typeof message === "string" ? message : message());
			} catch (cause) {
				if (!this.#hasFailed) this.#options.failed(cause);
				this.#hasFailed = true;
			}
		});
		return this.#sent;
	}
}

/**
 * ms between two signs of life, half of what the manager allows; null where it watches nobody, or not this process
 * (sd_watchdog_enabled(3)).
 */
export function watchdogMs({ env, pid }: Pick<NotifyOptions, "env" | "pid">): number | null {
	const { WATCHDOG_USEC: limit, WATCHDOG_PID: watched } = env;
	if (limit === undefined || !/^[1-9]\d{0,15}$/.test(limit)) return null;
	if (watched !== undefined && watched !== String(pid)) return null;
	/** setInterval holds no more than 2³¹ − 1 ms. */
	return Math.min(Math.max(1, Math.floor(Number(limit) / 2000)), 2 ** 31 - 1);
}

interface Addon {
	load(library: string): { func(signature: string): (...words: unknown[]) => number };
}

/** From the broker's bundle, and from the sources. */
const addonPlaces = ["../", "../../"].map((up) => `${up}node_modules/@koromix/koffi-linux-x64/linux_x64/koffi.node`);

/** libsystemd, or the command where that can't be had; `QUBES_LITE_NOTIFY=command` chooses the command. */
export function openSend(env: Readonly<Record<string, string | undefined>>): Send {
	if (env.QUBES_LITE_NOTIFY === "command") return sendByCommand;
	try {
		return openLibrary();
	} catch {
		return sendByCommand;
	}
}

function openLibrary(): Send {
	const require = createRequire(import.meta.url);
	const place = addonPlaces.find((path) => {
		try {
			return require.resolve(path) !== "";
		} catch {
			return false;
		}
	});
	if (place === undefined) throw new Error("koffi.node is missing");
	const library = (require(place) as Addon).load("libsystemd.so.0");
	/** It reads NOTIFY_SOCKET itself, and leaves it there. */
	const notify = library.func("int sd_notify(int unset_environment, const char *state)");
	return async (message) => {
		const result = notify(0, message);
		if (result < 0) throw new Error(`sd_notify failed (errno ${-result})`);
	};
}

/** It waits until the manager has taken the message in, 5 s at most; so long its process must be there to be known. */
const commandWithinMs = 10_000;

const sendByCommand: Send = (message) =>
	new Promise((resolve, reject) => {
		execFile("systemd-notify", message.split("\n"), { timeout: commandWithinMs }, (error) => {
			if (error === null) resolve();
			else reject(error);
		});
	});
