/** What a guest has to catch up with when its vm stood still. */
import { closeSync, openSync, writeSync } from "node:fs";
import type { Resumed } from "../../protocol/control.ts";
import { errno, libc } from "./libc.ts";

/** <time.h>, <linux/random.h>. */
const CLOCK_REALTIME = 0;
const RNDRESEEDCRNG = 0x5207;

/** Does what it may, and says what it may not. */
export function catchUp({ wallMs, entropy }: Resumed, log: (text: string) => void): void {
	attempt("set the clock", () => setClock(wallMs), log);
	attempt("renew the kernel's random pool", () => stirEntropy(Buffer.from(entropy, "hex")), log);
}

function attempt(what: string, act: () => void, log: (text: string) => void): void {
	try {
		act();
	} catch (cause) {
		log(`cannot ${what}: ${(cause as Error).message}`);
	}
}

/** The wall clock, in ms since 1970; throws where we may not. */
function setClock(wallMs: number): void {
	/** struct timespec. */
	const time = Buffer.alloc(16);
	time.writeBigInt64LE(BigInt(Math.floor(wallMs / 1000)), 0);
	time.writeBigInt64LE(BigInt((wallMs % 1000) * 1_000_000), 8);
	const set = libc("int clock_settime(int clock, const uint8_t *time)");
	if (set(CLOCK_REALTIME, time) !== 0) throw new Error(`clock_settime: errno ${errno()}`);
}

/**
 * Mixes `bytes` into the kernel's pool, and has it make its generator's key anew (random(4)): without that what is read
 * could be known for up to a minute. Throws where we may not.
 */
function stirEntropy(bytes: Buffer): void {
	const fd = openSync("/dev/urandom", "r+");
	try {
		writeSync(fd, bytes);
		const ioctl = libc("int ioctl(int fd, unsigned long request, void *nothing)");
		if (ioctl(fd, RNDRESEEDCRNG, null) !== 0) throw new Error(`ioctl(RNDRESEEDCRNG): errno ${errno()}`);
	} finally {
		closeSync(fd);
	}
}
