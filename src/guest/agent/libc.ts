/** The C library, for what Node has no call for: through koffi's prebuilt addon. */
import { createRequire } from "node:module";

interface Addon {
	load(path: null): { func(signature: string): NativeFunction };
	address(bytes: Uint8Array): bigint;
	errno(): number;
}

export interface NativeFunction {
	(...words: unknown[]): number;
	/** In a thread; the last word is called with a cause, or with what the function returned. */
	async(...words: unknown[]): void;
}

/** In a guest it lies beside the agent's bundle; on a host, for bundles and sources, it is where npm has put it. */
const places = [
	"./koffi.node",
	...["../", "../../../"].map((up) => `${up}node_modules/@koromix/koffi-linux-x64/linux_x64/koffi.node`),
];

function load(): Addon {
	const require = createRequire(import.meta.url);
	const place = places.find((path) => {
		try {
			return require.resolve(path) !== "";
		} catch {
			return false;
		}
	});
	if (place === undefined) throw new Error("koffi.node is missing beside the agent");
	return require(place) as Addon;
}

let loaded: Addon | undefined;
let library: ReturnType<Addon["load"]> | undefined;

/** When it is first used: a program that needs none of this starts sooner. */
function addon(): Addon {
	loaded ??= load();
	return loaded;
}

/** A function of the C library by its declaration. */
export function libc(signature: string): NativeFunction {
	library ??= addon().load(null);
	return library.func(signature);
}

/** Where the bytes are, for as long as they are referenced. */
export const address = (bytes: Uint8Array): bigint => addon().address(bytes);

/** Of the last call that failed: errno(3). */
export const errno = (): number => addon().errno();
