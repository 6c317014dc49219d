/** The files with pixels that the guest's waypipe has on the host, counted as long as waypipe on the host has them. */
import type { Budget } from "./budget.ts";
import { DiffCheck } from "./diff-check.ts";
import { GuestFault } from "./faults.ts";
import type { DisplayLimits } from "./limits.ts";
import type { Handlers, Request, WaylandObject } from "./objects.ts";
import { Touched } from "./touched.ts";
import type { Value } from "./wayland-wire.ts";

interface File {
	readonly rid: number;
	readonly touched: Touched;
	/** Pools and buffers that the compositor has not let go of. */
	users: number;
}

/** A diff has eight bytes for each run; waypipe makes none that is longer than its file and a little. */
const diffSlack = 4096;
/** What does not fill up a block of waypipe's: less than 64 bytes. */
const trailingLimit = 64;

export class GuestFiles {
	readonly #files = new Map<number, File>();
	readonly #fileOf = new WeakMap<WaylandObject, File>();
	readonly #budget: Budget;
	readonly #limits: DisplayLimits;

	constructor(budget: Budget, limits: DisplayLimits) {
		this.#budget = budget;
		this.#limits = limits;
	}

	readonly requests: Handlers<Request> = {
		"wl_shm.create_pool": ({ created, values, rids: [rid = 0] }) => {
			const file = this.#files.get(rid);
			if (file === undefined) throw new GuestFault("it made a pool of pixels without a file");
			checkPool(file, values[2]);
			this.#use(created, file);
			return undefined;
		},
		"wl_shm_pool.resize": ({ object, values: [size] }) => {
			checkPool(this.#fileOf.get(object), size);
			return undefined;
		},
		"wl_shm_pool.create_buffer": ({ object, created, values: [, offset, , height, stride] }) => {
			const file = this.#fileOf.get(object);
			this.#use(created, file);
			// The compositor may look at all of it.
			const start = Math.max(0, Number(offset));
			if (file !== undefined) this.#touch(file, start, start + Math.max(0, Number(height) * Number(stride)));
			return undefined;
		},
	};

	open(rid: number, size: number): void {
		if (this.#files.size >= this.#limits.files)
			throw new GuestFault(`one of its programs has ${this.#limits.files} files of pixels`, "Limit");
		this.#budget.take("announcedBytes", size);
		this.#files.set(rid, { rid, touched: new Touched(size), users: 0 });
	}

	has(rid: number): boolean {
		return this.#files.has(rid);
	}

	/** False where the file has gone meanwhile. */
	extend(rid: number, size: number): boolean {
		const file = this.#files.get(rid);
		if (file === undefined) return false;
		const { touched } = file;
		if (size <= touched.size) throw new GuestFault("it made a file of pixels smaller");
		this.#budget.take("announcedBytes", size - touched.size);
		this.#budget.take("fileBytes", touched.grow(size));
		return true;
	}

	/** `size` bytes are to fill it from `start` to `end`. False where the file has gone meanwhile. */
	fill(rid: number, start: number, end: number, size: number): boolean {
		if (start > end || size !== end - start) throw new GuestFault("it sent pixels of another size than it said");
		const file = this.#files.get(rid);
		if (file === undefined) return false;
		if (end > file.touched.size) throw new GuestFault("it sent pixels beyond the end of their file");
		this.#touch(file, start, end);
		return true;
	}

	/** Who looks at a diff whose rest is `size` bytes; undefined where the file has gone meanwhile. */
	diff(rid: number, diffSize: number, trailing: number, size: number): DiffCheck | undefined {
		if (size !== diffSize + trailing || diffSize % 4 !== 0)
			throw new GuestFault("it sent changes of pixels of another size than it said");
		const file = this.#files.get(rid);
		if (file === undefined) return undefined;
		const { size: fileSize } = file.touched;
		if (trailing >= trailingLimit || trailing > fileSize || diffSize > fileSize + diffSlack)
			throw new GuestFault("it sent more changes of pixels than their file has");
		if (trailing > 0) this.#touch(file, fileSize - trailing, fileSize);
		return new DiffCheck(fileSize, diffSize, trailing, (start, end) => this.#touch(file, start, end));
	}

	/** The compositor has let go of `object`. */
	release(object: WaylandObject): void {
		const file = this.#fileOf.get(object);
		if (file === undefined) return;
		this.#fileOf.delete(object);
		file.users--;
		if (file.users > 0) return;
		this.#files.delete(file.rid);
		this.#give(file);
	}

	/** waypipe on the host ends with its connection, and all it has. */
	close(): void {
		for (const file of this.#files.values()) this.#give(file);
		this.#files.clear();
	}

	#touch({ touched }: File, start: number, end: number): void {
		this.#budget.take("fileBytes", touched.touch(start, end));
	}

	#give({ touched }: File): void {
		this.#budget.give("announcedBytes", touched.size);
		this.#budget.give("fileBytes", touched.bytes);
	}

	#use(object: WaylandObject | undefined, file: File | undefined): void {
		if (object === undefined || file === undefined) return;
		file.users++;
		this.#fileOf.set(object, file);
	}
}

/** The compositor maps it: beyond the file's end there is nothing to be read. */
function checkPool(file: File | undefined, size: Value): void {
	if (file !== undefined && Number(size) > file.touched.size)
		throw new GuestFault("it made a pool of pixels that is larger than its file");
}
