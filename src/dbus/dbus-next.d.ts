/** What we use of dbus-next, which declares no types for it. */

declare module "dbus-next/lib/marshall-compat.js" {
	const marshalling: {
		/** With its body as plain values, and Variants. It changes `message`. */
		messageToJsFmt(message: { signature: string; body: unknown[] }): { body: unknown[] };
	};
	export default marshalling;
}

declare module "dbus-next/lib/dbus-buffer.js" {
	/** A node of a parsed signature. */
	export interface SignatureTree {
		readonly type: string;
		readonly child: readonly SignatureTree[];
	}

	export default class DBusBuffer {
		constructor(buffer: Buffer, start: number, endian: number);
		readonly buffer: Buffer;
		/** Where it reads next. */
		readonly pos: number;
		/** To the next multiple of 2 to the `power`. */
		align(power: number): void;
		read(signature: string): unknown[];
		readTree(tree: SignatureTree): unknown;
		readArray(element: SignatureTree, bytes: number): unknown;
	}
}

declare module "dbus-next/lib/variant.js" {
	const variants: { readonly Variant: new (signature: string, value: unknown) => object };
	export default variants;
}

declare module "dbus-next/lib/message.js" {
	const messages: {
		/** The bytes of a message without a body, whatever signature it has. */
		marshall(message: object): [Buffer, unknown[]];
	};
	export default messages;
}

declare module "dbus-next/lib/signature.js" {
	type SignatureTree = import("dbus-next/lib/dbus-buffer.js").SignatureTree;
	/** One tree for each complete type. Throws for what is none. */
	export function parseSignature(signature: string): SignatureTree[];
}
