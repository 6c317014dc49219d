/**
 * Memory to read into, which goes round: a fresh block for each read costs a third of the throughput where the guest is
 * emulated. Large, because the fewer pieces, the less of our own code runs for each byte.
 */
import type { OnRead } from "./stdio.ts";

export const blockBytes = 256 * 1024;
/** More are in use only while peers are slow. */
const sparesMax = 8;
const spares: Buffer[] = [];

export const takeBlock = (): Buffer => spares.pop() ?? Buffer.allocUnsafeSlow(blockBytes);

export function giveBack(block: Buffer): void {
	if (spares.length < sparesMax) spares.push(block);
}

/**
 * Takes the bytes of one read, which are there until it returns: what of them is needed longer is kept by `keep`, until
 * the function that it gives is called.
 */
export type Take = (bytes: Buffer, keep: () => () => void) => void;

/** Reads into blocks, each of which goes back when nobody keeps it. */
export function readInto(take: Take): OnRead {
	let block: Buffer = Buffer.alloc(0);
	return {
		buffer: () => {
			block = takeBlock();
			return block;
		},
		callback: (bytes) => {
			const read = block;
			let users = 1;
			const leave = (): void => {
				users -= 1;
				if (users === 0) giveBack(read);
			};
			take(read.subarray(0, bytes), () => {
				users += 1;
				return leave;
			});
			leave();
			return true;
		},
	};
}
