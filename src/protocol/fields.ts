/**
 * Reads checked values out of JSON that somebody else wrote. Small on purpose: the client and the agent start on the
 * user's time and carry no schema library. Unknown fields are ignored, so that a newer peer may say more.
 */
import { QubesLiteError } from "../errors.ts";

/** pid_t is signed. */
export const pidMax = 2 ** 31 - 1;

export class Fields {
	readonly #what: string;
	readonly #record: Record<string, unknown>;

	private constructor(what: string, record: Record<string, unknown>) {
		this.#what = what;
		this.#record = record;
	}

	/** `what` names the message in errors, as in "hello". Throws BadRequest unless `payload` is a JSON object. */
	static parse(what: string, payload: Uint8Array): Fields {
		let value: unknown;
		try {
			value = JSON.parse(Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString("utf8"));
		} catch (cause) {
			throw new QubesLiteError("BadRequest", `the ${what} message is not JSON`, { cause });
		}
		return Fields.of(what, value);
	}

	static of(what: string, value: unknown): Fields {
		if (typeof value !== "object" || value === null || Array.isArray(value)) {
			throw new QubesLiteError("BadRequest", `the ${what} message is not a JSON object`);
		}
		return new Fields(what, value as Record<string, unknown>);
	}

	#own(name: string): unknown {
		return Object.hasOwn(this.#record, name) ? this.#record[name] : undefined;
	}

	#bad(name: string, expected: string): QubesLiteError {
		return new QubesLiteError("BadRequest", `the ${this.#what} message needs ${name}: ${expected}`);
	}

	has(name: string): boolean {
		return this.#own(name) !== undefined;
	}

	/** Of all fields. */
	keys(): string[] {
		return Object.keys(this.#record);
	}

	isNumber(name: string): boolean {
		return typeof this.#own(name) === "number";
	}

	isNull(name: string): boolean {
		return this.#own(name) === null;
	}

	string(name: string, maxLength: number): string {
		const value = this.#own(name);
		if (typeof value !== "string" || value.length > maxLength) {
			throw this.#bad(name, `a string of at most ${maxLength} characters`);
		}
		return value;
	}

	optionalString(name: string, maxLength: number): string | undefined {
		return this.has(name) ? this.string(name, maxLength) : undefined;
	}

	/** Lower-case hex of exactly `bytes` bytes. */
	hex(name: string, bytes: number): string {
		const value = this.#own(name);
		if (typeof value !== "string" || value.length !== bytes * 2 || !/^[0-9a-f]*$/.test(value)) {
			throw this.#bad(name, `${bytes * 2} hex digits`);
		}
		return value;
	}

	integer(name: string, min: number, max: number): number {
		const value = this.#own(name);
		if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max) {
			throw this.#bad(name, `a whole number from ${min} to ${max}`);
		}
		return value;
	}

	boolean(name: string): boolean {
		const value = this.#own(name);
		if (typeof value !== "boolean") throw this.#bad(name, "true or false");
		return value;
	}

	/** Whole numbers from 1 up, such as session ids; at most `maxItems`. */
	ids(name: string, maxItems: number): number[] {
		return this.list(name, maxItems, (item) => {
			if (typeof item !== "number" || !Number.isSafeInteger(item) || item < 1) throw this.#bad(name, "ids from 1 up");
			return item;
		});
	}

	list<T>(name: string, maxItems: number, parseItem: (item: unknown) => T): T[] {
		const value = this.#own(name);
		if (!Array.isArray(value) || value.length > maxItems) {
			throw this.#bad(name, `a list of at most ${maxItems} items`);
		}
		return value.map(parseItem);
	}

	oneOf<T extends string>(name: string, choices: readonly T[]): T {
		const value = this.#own(name);
		const choice = choices.find((known) => known === value);
		if (choice === undefined) throw this.#bad(name, `one of ${choices.join(", ")}`);
		return choice;
	}

	object(name: string): Fields {
		return Fields.of(`${this.#what}.${name}`, this.#own(name));
	}
}
