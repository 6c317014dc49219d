/**
 * What a test orders its fake guests to do, and what they note down: files in one directory, so that an order also
 * reaches a guest that runs. `<vm>.orders` is written by the test, `<vm>.starts` and `violations` by the guests.
 */
import { appendFileSync, existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { identifyProcess, isAlive, type ProcessIdentity } from "../../src/activation/process-identity.ts";

/** One start of a vm. Without orders a guest boots at once and does all that a good one does. */
export interface Orders {
	/** Written to the console before the phases. */
	readonly console?: string;
	/** Does not read what is typed on its console; without this it writes it back there. */
	readonly deafConsole?: true;
	/** Not a word on the console, and no hello. */
	readonly silent?: true;
	/** Ends before it says hello: the vmm's own words on stderr, and its status. */
	readonly exitAtBoot?: { readonly words: string; readonly status: number };
	/** From one phase to the next; without this all are told at once. */
	readonly phaseDelayMs?: number;
	/** From the start to the dial. */
	readonly helloDelayMs?: number;
	/** Instead of a good hello; looked at before each dial. */
	readonly hello?:
		| "never"
		| "ofAnotherVm"
		| "ofAnotherBoot"
		| "ofAnOlderVersion"
		/** It still speaks ours. */
		| "ofANewerVersion"
		/** It does not. */
		| "ofAnotherVersion"
		| "garbage"
		| "oversized";
	/** Answers to the broker's announcement of a session: none, or "too many". */
	readonly tickets?: "unanswered" | "tooMany";
	/** What a client gets that shows its ticket. */
	readonly session?: SessionOrder;
	/** Does not power off when it is asked to. */
	readonly ignoresPowerOff?: true;
	/** From the request to power off to the end. */
	readonly powerOffDelayMs?: number;
	/** Does not power off when its power button is pressed. */
	readonly ignoresPowerButton?: true;
	/** A vmm that does not end on SIGTERM. */
	readonly ignoresSigterm?: true;
	/** crosvm that fails after its control socket is there: the words behind "exiting with error 1". */
	readonly failsToStart?: string;
	/** crosvm that ends otherwise than by its guest's powering off: so long after the guest began, or else in place of that. */
	readonly ends?: { readonly by: CrosvmEnd; readonly afterMs?: number };
	/** crosvm some of whose children are still there at an orderly end: it kills its whole process group then. */
	readonly killsItsGroup?: true;
}

export type CrosvmEnd =
	/** 32. */
	| "reset"
	/** 33: of a processor, or of a device whose vhost-user back end has gone. */
	| "crash"
	| "backEnd"
	/** 34. */
	| "panic"
	/** 36. */
	| "watchdog"
	/** Signal 6: crosvm itself has panicked. */
	| "abort";

export type SessionOrder =
	/** Refusals; the first session only, or each. */
	| "expiredOnce"
	| "expired"
	| "refused"
	/** A peer that breaks the protocol. */
	| "garbage"
	| "oversized"
	| "halfFrame"
	| "floods"
	| "exitOutOfRange"
	| "creditForNothing"
	/** The command runs, but its end is never told. */
	| "noExit"
	/** Takes the connection and says nothing. */
	| "mute"
	/** An agent that the client can't speak with. */
	| "ofAnOlderVersion"
	| "ofANewerVersion";

/** Whoever has no orders of their own: instances, whose names nobody knows beforehand. */
export const anyVm = "any";

/** The orders for the starts from now on, one after the other; the last one is for all that follow. */
export function order(directory: string, vm: string, orders: readonly Orders[]): void {
	const path = join(directory, `${vm}.orders`);
	writeFileSync(`${path}.tmp`, JSON.stringify({ from: readStarts(directory, vm).length, orders }), { mode: 0o644 });
	renameSync(`${path}.tmp`, path);
}

/** The orders for the start that is the vm's number `start`, from 0 up, as they are now. */
export function readOrders(directory: string, vm: string, start: number): Orders {
	const path = [vm, anyVm].map((name) => join(directory, `${name}.orders`)).find((one) => existsSync(one));
	if (path === undefined) return {};
	const { from, orders }: { from: number; orders: Orders[] } = JSON.parse(readFileSync(path, "utf8"));
	return orders[Math.min(Math.max(0, start - from), orders.length - 1)] ?? {};
}

/** The pids of all starts of the vm, the first one first. */
export function readStarts(directory: string, vm: string): number[] {
	return readIdentities(directory, vm).map(({ pid }) => pid);
}

const readIdentities = (directory: string, vm: string): ProcessIdentity[] =>
	readLines(join(directory, `${vm}.starts`)).map((line) => {
		const [pid = 0, startTime = 0] = line.split(" ").map(Number);
		return { pid, startTime };
	});

/** Notes this start down, and whether the vmm of an earlier one still runs, which would share its disks. Returns its number. */
export function noteStart(directory: string, vm: string): number {
	const earlier = readIdentities(directory, vm);
	for (const { pid } of earlier.filter(isAlive)) {
		appendFileSync(join(directory, "violations"), `${vm} was started as ${process.pid} while ${pid} ran\n`);
	}
	const own = identifyProcess(process.pid);
	if (own === undefined) throw new Error("a process that runs is not in /proc");
	appendFileSync(join(directory, `${vm}.starts`), `${own.pid} ${own.startTime}\n`);
	return earlier.length;
}

export const readViolations = (directory: string): string[] => readLines(join(directory, "violations"));

const readLines = (path: string): string[] =>
	existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(0, -1) : [];
