/** What a running vmm can be told at its own control socket, whichever vmm it is. */

/**
 * Each resolves when the vmm has said that it did it, within 2 s; else it rejects with a QubesLiteError: NotRunning where
 * no vmm is there, Unresponsive where it does not answer in time, Internal where it answers that it can't, Unsupported where none of
 * its kind can.
 */
export interface VmmControl {
	/** Resolves when the button is pressed: what the guest makes of it is another matter. */
	pressPowerButton(): Promise<void>;
	/** The vmm ends in good order, and does not ask its guest; resolves when it is about to. Unsupported where SIGTERM does the same. */
	stop(): Promise<void>;
	/** Takes so much of its memory from the guest, bytes, and gives back what was taken before beyond that: a balloon. */
	takeMemory(takenBytes: number): Promise<void>;
	memory(boundMs?: number): Promise<GuestMemory>;
	/**
	 * The guest's processors stand still, and its clock with them. Of a paused one: nothing.
	 *
	 * **Nothing may be written to the guest's vsock meanwhile**: QEMU takes the device back from vhost-device-vsock, whose
	 * worker (0.3.0) ends for good when something comes for a guest that has none, and with it every connection of this boot.
	 */
	pause(): Promise<void>;
	/** Of one that runs: nothing. */
	resume(): Promise<void>;
	/** It stands still by pause(), or because somebody else told the vmm so. One that can't be asked is told to go on instead. */
	isPaused(boundMs?: number): Promise<boolean>;
}

export interface GuestMemory {
	/** Taken from the guest by now, bytes. */
	readonly takenBytes: number;
	/** What the guest could still give to its programs, by its own word; null: it does not say. */
	readonly availableBytes: number | null;
}
