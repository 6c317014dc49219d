/** The options of a call: a{sv}, of which each value is checked where it is used. Those that nobody asks for are ignored. */
import { UserBus } from "../../dbus/user-bus.ts";
import { QubesLiteError } from "../../errors.ts";

const uintMax = 0xffff_ffff;

export class CallOptions {
	readonly #values: Readonly<Record<string, unknown>>;

	constructor(values: unknown) {
		this.#values = values as Readonly<Record<string, unknown>>;
	}

	/** Each key with its value. */
	entries(): [string, unknown][] {
		return Object.entries(this.#values).map(([key, value]) => [key, UserBus.unwrap(value)]);
	}

	string(key: string): string | null {
		return this.#typed(key, "s", "a string") as string | null;
	}

	boolean(key: string): boolean {
		return (this.#typed(key, "b", "a boolean") ?? false) as boolean;
	}

	/** 0 where it is not there. Any type of whole number does. */
	uint(key: string, most = uintMax): number {
		const value = this.#has(key) ? UserBus.unwrap(this.#values[key]) : 0;
		const number = typeof value === "bigint" ? Number(value) : value;
		if (typeof number === "number" && Number.isInteger(number) && number >= 0 && number <= most) return number;
		throw bad(key, `a whole number from 0 to ${most}`);
	}

	strings(key: string): Readonly<Record<string, string>> {
		return (this.#typed(key, "a{ss}", "a dictionary of strings") ?? {}) as Record<string, string>;
	}

	#has(key: string): boolean {
		return Object.hasOwn(this.#values, key);
	}

	/** null where it is not there. */
	#typed(key: string, signature: string, expected: string): unknown {
		if (!this.#has(key)) return null;
		const variant = this.#values[key] as { readonly signature: string; readonly value: unknown };
		if (variant.signature !== signature) throw bad(key, `${expected} (${signature})`);
		return variant.value;
	}
}

const bad = (key: string, expected: string): QubesLiteError =>
	new QubesLiteError("BadRequest", `the option '${key}' is not ${expected}`);
