/**
 * Who asks for a fresh instance may get one that was kept ready, and is paused: if its guest does not speak soon, another one is
 * started beside it, and whichever serves first has the request. The other one goes, unless somebody came for it meanwhile.
 */
import type { Clock } from "./clock.ts";
import type { Vm } from "./vm.ts";

/** A guest speaks within some 100 ms of its resume; one that is lost is given up by its machine after 6 s. */
const patienceMs = 1_000;

export interface Contender {
	readonly first: Vm;
	/** Another one for the same. Throws where there can't be one. */
	fresh?(): Vm;
	/** Resolves when the vm serves; never settles once it is withdrawn. */
	ask(vm: Vm): Promise<void>;
	withdraw(vm: Vm): void;
	readonly clock: Clock;
	readonly now: () => number;
}

export class ClaimRace {
	readonly #contender: Contender;
	#asked: readonly Vm[] = [];
	#timer: unknown;
	#winner: Vm | undefined;
	#isOver = false;

	constructor(contender: Contender) {
		this.#contender = contender;
	}

	/** Of those that are asked, the one to look at: what serves, else what was asked last. */
	get current(): Vm {
		return this.#winner ?? this.#asked.at(-1) ?? this.#contender.first;
	}

	/** Resolves when one serves, which has the request then; rejects where none can. `begun` is called when another one is asked. */
	async run(begun: () => void): Promise<void> {
		const { first } = this.#contender;
		const mayBeLost = first.snapshot().context.paused && this.#contender.fresh !== undefined;
		const asked = this.#ask(first);
		const second = mayBeLost ? await this.#unlessAnswered(asked) : undefined;
		if (second === undefined) {
			this.#winner = await asked;
			return;
		}
		const other = this.#ask(second);
		begun();
		this.#winner = await firstOf([asked, other]);
		this.#dropLosers();
	}

	/** The request is over, whatever has come of it. */
	end(): void {
		this.#isOver = true;
		this.#contender.clock.clearTimeout(this.#timer);
		this.#dropLosers();
		if (this.#winner !== undefined) this.#contender.withdraw(this.#winner);
	}

	async #ask(vm: Vm): Promise<Vm> {
		this.#asked = [...this.#asked, vm];
		await this.#contender.ask(vm);
		return vm;
	}

	/** Another vm, where the one that is asked has no answer in time: a refusal is one. */
	async #unlessAnswered(asked: Promise<Vm>): Promise<Vm | undefined> {
		const late = new Promise<"late">((resolve) => {
			this.#timer = this.#contender.clock.setTimeout(() => resolve("late"), patienceMs);
		});
		const outcome = await Promise.race([asked.catch(() => "refused" as const), late]);
		this.#contender.clock.clearTimeout(this.#timer);
		if (outcome !== "late" || this.#isOver) return undefined;
		try {
			return this.#contender.fresh?.();
		} catch {
			return undefined;
		}
	}

	#dropLosers(): void {
		const isRace = this.#asked.length > 1;
		const losers = this.#asked.filter((vm) => vm !== this.#winner);
		this.#asked = [];
		for (const vm of losers) {
			this.#contender.withdraw(vm);
			const isForNobody = vm.isUp && vm.snapshot().context.leases.size === 0;
			if (isRace && isForNobody) vm.stop(true, this.#contender.now());
		}
	}
}

/** The first that resolves; rejects with the last one's reason. */
async function firstOf(asked: readonly Promise<Vm>[]): Promise<Vm> {
	try {
		return await Promise.any(asked);
	} catch (cause) {
		throw cause instanceof AggregateError ? cause.errors.at(-1) : cause;
	}
}
