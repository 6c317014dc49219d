/** `<vm>/vsock_6001`: each connection is one of the guest's programs that plays something. What it asks goes through src/sound to the host's sound server. */
import { connect, type Socket } from "node:net";
import { QubesLiteError } from "../errors.ts";
import { SoundConnection } from "../sound/sound-connection.ts";
import { Door } from "./door.ts";
import { closed, letGo, Outflow } from "./streams.ts";

/** What one side has not taken yet: half a second of sound, and lists of devices. The other one waits then. */
const heldBytes = 256 * 1024;

export interface SoundDoorOptions {
	readonly vm: string;
	/** The sound server's socket. */
	readonly server: string;
	readonly capture: boolean;
	/** Words for the vm's log. */
	log(text: string): void;
}

export class SoundDoor {
	readonly #options: SoundDoorOptions;
	readonly #door: Door;

	constructor(options: SoundDoorOptions) {
		this.#options = options;
		this.#door = new Door((guest) => void this.#serve(guest));
	}

	listen(path: string): Promise<void> {
		return this.#door.listen(path);
	}

	close(): void {
		this.#door.close();
	}

	/** A desktop without sound is none that people must be told of: programs go on without it. */
	async #serve(guest: Socket): Promise<void> {
		const { server, vm, capture, log } = this.#options;
		const host = connect(server);
		const end = (): void => {
			letGo(guest);
			host.destroySoon();
		};
		host.on("error", (cause: Error) => log(`no sound server: ${cause.message}`));
		const toHost = new Outflow(host, { mostBytes: heldBytes, sources: [guest] });
		// The server goes on saying what happens, and what it records.
		const toGuest = new Outflow(guest, { mostBytes: heldBytes, sources: [host, guest] });
		const connection = new SoundConnection(
			{ vm, playback: true, capture },
			{ toHost: (bytes) => toHost.give([bytes]), toGuest: (bytes) => toGuest.give([bytes]) },
		);
		const guarded = (work: () => void): void => {
			try {
				work();
			} catch (cause) {
				log(`a sound connection was cut: ${QubesLiteError.from(cause).message}`);
				end();
			}
		};
		guest.on("data", (chunk: Buffer) => guarded(() => connection.fromGuest(chunk)));
		host.on("data", (chunk: Buffer) => guarded(() => connection.fromHost(chunk)));
		guest.resume();
		await Promise.race([closed(guest), closed(host)]);
		end();
	}
}
