/** The C library, for what Node has no call for: through koffi's prebuilt addon, which lies beside the agent's bundle. */
import { createRequire } from "node:module";

interface Addon {
	load(path: null): { func(signature: string): NativeFunction };
	errno(): number;
}

export interface NativeFunction {
	(...words: unknown[]): number;
	/** In a thread; the last word is called with a cause, or with what the function returned. */
	async(...words: unknown[]): void;
}

let addon: Addon | undefined;

function load(): Addon {
	addon ??= createRequire(import.meta.url)("./koffi.node") as Addon;
	return addon;
}

/** A function of the C library by its declaration. */
export const libc = (signature: string): NativeFunction => load().load(null).func(signature);

/** Of the last call that failed: errno(3). */
export const errno = (): number => load().errno();
