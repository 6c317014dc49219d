/** A connection to the user manager that is made anew whenever it has gone: a bus that is restarted is back within a second or two. */
import { Subject } from "rxjs";
import { QubesLiteError } from "../errors.ts";
import type { UserManager } from "./user-manager.ts";

const reconnectMs = 500;
/** Who waits for a start waits for that. */
const reconnectedWithinMs = 10_000;

export class ManagerConnection {
	readonly #connect: () => Promise<UserManager>;
	readonly #changes = new Subject<string>();
	readonly #gaps = new Subject<void>();
	#manager: UserManager;
	/** Pending while there is no connection. */
	#connected = Promise.resolve();
	#isConnected = true;

	private constructor(connect: () => Promise<UserManager>, manager: UserManager) {
		this.#connect = connect;
		this.#manager = manager;
		this.#listen();
	}

	/** `connect` gives a manager that is subscribed. Rejects where it does. */
	static async open(connect: () => Promise<UserManager>): Promise<ManagerConnection> {
		return new ManagerConnection(connect, await connect());
	}

	/** The one that is connected now, or was last. */
	get manager(): UserManager {
		return this.#manager;
	}

	get isConnected(): boolean {
		return this.#isConnected;
	}

	/** Names of units whose state may have changed. Never ends. */
	readonly changes = this.#changes.asObservable();

	/** What changed meanwhile was not told: the bus, or systemd, was away and is back. Never ends. */
	readonly gaps = this.#gaps.asObservable();

	/** Rejects with BootFailed where it takes too long. */
	async untilConnected(): Promise<void> {
		let timer: NodeJS.Timeout | undefined;
		const late = new Promise<never>((_, reject) => {
			timer = setTimeout(() => {
				reject(
					new QubesLiteError("BootFailed", "the connection to the user's D-Bus, over which systemd is asked, is lost", {
						remedy: "systemctl --user status dbus.service",
					}),
				);
			}, reconnectedWithinMs);
		});
		await Promise.race([this.#connected, late]).finally(() => clearTimeout(timer));
	}

	#listen(): void {
		const manager = this.#manager;
		const subscription = manager.changes.subscribe((unit) => this.#changes.next(unit));
		subscription.add(manager.returned.subscribe(() => this.#gaps.next()));
		void manager.closed.then(async () => {
			subscription.unsubscribe();
			const connected = Promise.withResolvers<void>();
			this.#connected = connected.promise;
			this.#isConnected = false;
			while (this.#manager === manager) {
				await new Promise((resolve) => setTimeout(resolve, reconnectMs).unref());
				this.#manager = await this.#connect().catch(() => manager);
			}
			this.#isConnected = true;
			this.#listen();
			connected.resolve();
			this.#gaps.next();
		});
	}
}
