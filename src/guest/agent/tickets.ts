/**
 * Tickets that the broker has announced: each opens one session, once, for one exact command, within its life on the
 * agent's own monotonic clock. Nothing is signed and no clock is shared; a ticket of another boot is simply unknown.
 */
import { timingSafeEqual } from "node:crypto";
import type { Expect } from "../../protocol/control.ts";
import { sha256Hex } from "../../protocol/exec.ts";
import { ticketsMax } from "../../protocol/limits.ts";

interface Announced {
	readonly session: number;
	readonly ticketHash: Buffer;
	readonly execHash: Buffer;
	readonly expiresAt: number;
	/** Runs while it may still be used. */
	life: NodeJS.Timeout | undefined;
}

export type Redeemed =
	| { readonly session: number; readonly refusal: null }
	| { readonly session: null; readonly refusal: "refused" | "expired" };

const hashOf = (bytes: Buffer): Buffer => Buffer.from(sha256Hex(bytes), "hex");

export class Tickets {
	readonly #now: () => number;
	readonly #ended: () => void;
	readonly #announced = new Map<number, Announced>();

	/** `ended` is called whenever a ticket can't be used any more: it was shown, withdrawn, or has expired. */
	constructor(now: () => number, ended: () => void) {
		this.#now = now;
		this.#ended = ended;
	}

	/** The numbers of those that may still be used. */
	live(): number[] {
		return [...this.#announced.values()].filter(({ life }) => life !== undefined).map(({ session }) => session);
	}

	/** False where too many are outstanding. No number comes twice. */
	announce(expect: Expect): boolean {
		this.#forgetExpired();
		if (this.live().length >= ticketsMax) return false;
		const announced: Announced = {
			session: expect.session,
			ticketHash: Buffer.from(expect.ticketHash, "hex"),
			execHash: Buffer.from(expect.execHash, "hex"),
			expiresAt: this.#now() + expect.lifeMs,
			life: setTimeout(() => this.#end(announced), expect.lifeMs),
		};
		this.#announced.set(expect.session, announced);
		return true;
	}

	/** The client is gone before it came. */
	withdraw(session: number): void {
		const found = this.#announced.get(session);
		this.#announced.delete(session);
		if (found !== undefined) this.#end(found);
	}

	/** A ticket that is found is used up, whether or not the command is the right one. */
	redeem(ticket: Buffer, exec: Buffer): Redeemed {
		const hash = hashOf(ticket);
		const found = [...this.#announced.values()].find((announced) => timingSafeEqual(announced.ticketHash, hash));
		if (found === undefined) return { session: null, refusal: "refused" };
		this.#announced.delete(found.session);
		this.#end(found);
		if (this.#now() > found.expiresAt) return { session: null, refusal: "expired" };
		if (!timingSafeEqual(hashOf(exec), found.execHash)) return { session: null, refusal: "refused" };
		return { session: found.session, refusal: null };
	}

	#end(announced: Announced): void {
		if (announced.life === undefined) return;
		clearTimeout(announced.life);
		announced.life = undefined;
		this.#ended();
	}

	/** Kept for a while after their end, so that a late client hears "expired" and asks for another. */
	#forgetExpired(): void {
		const longAgo = this.#now() - 60_000;
		for (const announced of this.#announced.values()) {
			if (announced.expiresAt < longAgo) this.#announced.delete(announced.session);
		}
	}
}
