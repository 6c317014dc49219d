/** The files of units, and a systemd that knows what is in them. They are put in their places one after the other: instances of one base share theirs. */
import { placeUnit, removeUnwanted, type UnitPlaces } from "./unit-store.ts";
import type { UnitState, UserManager } from "./user-manager.ts";

/** A plan as systemd has it: the unit to start, and the file that must be there for that (of an instance, its template). */
export interface VmUnit {
	readonly unit: string;
	readonly file: string;
	readonly text: string;
}

export class PlacedUnits {
	readonly #places: UnitPlaces;
	readonly #manager: () => UserManager;
	#last: Promise<unknown> = Promise.resolve();

	constructor(places: UnitPlaces, manager: () => UserManager) {
		this.#places = places;
		this.#manager = manager;
	}

	/** Resolves with what the unit was before; rejects as placeUnit() does, and where systemd does not answer. */
	place({ unit, file, text }: VmUnit): Promise<UnitState> {
		return this.#behind(async () => {
			const before = await this.#manager().state(unit);
			const placed = await placeUnit(this.#places, file, text, before.file);
			if (placed === "changed" || before.needsReload) await this.#manager().reload();
			return before;
		});
	}

	/** Removes files that were made for this login. Never rejects: the next time does it, too. */
	async removeUnwanted(isWanted: (file: string) => boolean): Promise<void> {
		await this.#behind(async () => {
			if (await removeUnwanted(this.#places, isWanted)) await this.#manager().reload();
		}).catch(() => undefined);
	}

	#behind<T>(task: () => Promise<T>): Promise<T> {
		const done = this.#last.then(task);
		this.#last = done.catch(() => undefined);
		return done;
	}
}
