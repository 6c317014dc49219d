/**
 * Bodies of messages as bytes, little-endian (D-Bus specification, "Marshaling"). The library's own way takes half a microsecond for each byte
 * of an array of them, of which a session's output has half a million. Values are as it takes them. Pure.
 */
import type { SignatureTree } from "dbus-next/lib/dbus-buffer.js";
import { parseSignature } from "dbus-next/lib/signature.js";

const firstBytes = 256;
const aligns: Readonly<Record<string, number>> = {
	...{ y: 1, g: 1, v: 1, n: 2, q: 2, b: 4, i: 4, u: 4, h: 4, s: 4, o: 4, a: 4 },
	...{ x: 8, t: 8, d: 8, "(": 8, "{": 8 },
};

/** Throws where `values` do not fit `signature`. */
export function encodeBody(signature: string, values: readonly unknown[]): Buffer {
	const trees = treesOf(signature);
	if (trees.length !== values.length) throw new TypeError(`'${signature}' is not for ${values.length} values`);
	const writer = new BodyWriter();
	for (const [index, tree] of trees.entries()) writer.write(tree, values[index]);
	return writer.bytes();
}

/** Those that we send: some dozens. */
const known = new Map<string, readonly SignatureTree[]>();

function treesOf(signature: string): readonly SignatureTree[] {
	const trees = known.get(signature) ?? parseSignature(signature);
	known.set(signature, trees);
	return trees;
}

class BodyWriter {
	#buffer = Buffer.alloc(firstBytes);
	#length = 0;

	bytes(): Buffer {
		return this.#buffer.subarray(0, this.#length);
	}

	write(tree: SignatureTree, value: unknown): void {
		this.#align(aligns[tree.type] ?? 1);
		switch (tree.type) {
			case "y":
				this.#put(1, (buffer, at) => buffer.writeUInt8(toNumber(value), at));
				break;
			case "n":
				this.#put(2, (buffer, at) => buffer.writeInt16LE(toNumber(value), at));
				break;
			case "q":
				this.#put(2, (buffer, at) => buffer.writeUInt16LE(toNumber(value), at));
				break;
			case "b":
				this.#put(4, (buffer, at) => buffer.writeUInt32LE(toBoolean(value) ? 1 : 0, at));
				break;
			case "i":
				this.#put(4, (buffer, at) => buffer.writeInt32LE(toNumber(value), at));
				break;
			case "u":
			case "h":
				this.#put(4, (buffer, at) => buffer.writeUInt32LE(toNumber(value), at));
				break;
			case "x":
				this.#put(8, (buffer, at) => buffer.writeBigInt64LE(toBigInt(value), at));
				break;
			case "t":
				this.#put(8, (buffer, at) => buffer.writeBigUInt64LE(toBigInt(value), at));
				break;
			case "d":
				this.#put(8, (buffer, at) => buffer.writeDoubleLE(toNumber(value, false), at));
				break;
			case "s":
			case "o":
				this.#writeText(toText(value), 4);
				break;
			case "g":
				this.#writeText(toText(value), 1);
				break;
			case "v":
				this.#writeVariant(value);
				break;
			case "a":
				this.#writeArray(tree, value);
				break;
			default:
				this.#writeMembers(tree.child, value);
		}
	}

	/** `lengthBytes`: of the length before it. */
	#writeText(text: string, lengthBytes: 1 | 4): void {
		const bytes = Buffer.byteLength(text);
		if (lengthBytes === 1) this.#put(1, (buffer, at) => buffer.writeUInt8(bytes, at));
		else this.#put(4, (buffer, at) => buffer.writeUInt32LE(bytes, at));
		this.#put(bytes + 1, (buffer, at) => buffer.write(text, at));
	}

	#writeVariant(value: unknown): void {
		if (value === null || typeof value !== "object" || !("signature" in value) || !("value" in value)) {
			throw new TypeError("a value that is no variant");
		}
		const signature = toText(value.signature);
		const [tree, ...more] = treesOf(signature);
		if (tree === undefined || more.length > 0) throw new TypeError(`'${signature}' is not one complete type`);
		this.#writeText(signature, 1);
		this.write(tree, value.value);
	}

	#writeArray({ child: [element] }: SignatureTree, value: unknown): void {
		if (element === undefined) throw new TypeError("an array of nothing");
		const lengthAt = this.#take(4);
		this.#align(aligns[element.type] ?? 1);
		const start = this.#length;
		if (element.type === "y" && value instanceof Uint8Array) {
			const at = this.#take(value.length);
			this.#buffer.set(value, at);
		} else for (const item of toItems(element, value)) this.write(element, item);
		this.#buffer.writeUInt32LE(this.#length - start, lengthAt);
	}

	#writeMembers(members: readonly SignatureTree[], value: unknown): void {
		if (!Array.isArray(value) || value.length !== members.length) throw new TypeError("a struct with other members");
		for (const [index, member] of members.entries()) this.write(member, value[index]);
	}

	#align(to: number): void {
		this.#take((to - (this.#length % to)) % to);
	}

	#put(bytes: number, write: (buffer: Buffer, at: number) => unknown): void {
		const at = this.#take(bytes);
		write(this.#buffer, at);
	}

	/** Room for so many bytes, all 0, maybe in another buffer: where it begins. */
	#take(bytes: number): number {
		const at = this.#length;
		this.#length += bytes;
		if (this.#length > this.#buffer.length) {
			const larger = Buffer.alloc(Math.max(this.#length, 2 * this.#buffer.length));
			larger.set(this.#buffer.subarray(0, at));
			this.#buffer = larger;
		}
		return at;
	}
}

/** Of a dictionary: its entries as pairs. */
function toItems(element: SignatureTree, value: unknown): readonly unknown[] {
	if (element.type !== "{") {
		if (Array.isArray(value)) return value;
		throw new TypeError("a value that is no array");
	}
	if (value === null || typeof value !== "object" || Array.isArray(value))
		throw new TypeError("a value that is no dictionary");
	const isText = "sog".includes(element.child[0]?.type ?? "");
	return Object.entries(value).map(([key, item]) => [isText ? key : Number(key), item]);
}

function toNumber(value: unknown, isWhole = true): number {
	if (typeof value === "number" && (!isWhole || Number.isInteger(value))) return value;
	throw new TypeError(`${String(value)} is no ${isWhole ? "whole " : ""}number`);
}

function toBigInt(value: unknown): bigint {
	return typeof value === "bigint" ? value : BigInt(toNumber(value));
}

function toBoolean(value: unknown): boolean {
	if (typeof value === "boolean") return value;
	throw new TypeError(`${String(value)} is no boolean`);
}

function toText(value: unknown): string {
	if (typeof value === "string" && !value.includes("\0")) return value;
	throw new TypeError("a value that is no text, or has a NUL");
}
