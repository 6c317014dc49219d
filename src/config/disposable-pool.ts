/** disposablePool: the TAPs that instances of networked vms get, by the id whose address each has. */
import * as v from "valibot";
import { toPoolTap } from "./addresses.ts";
import { isJsonObject, type JsonObject, type JsonPath } from "./json.ts";
import type { Config } from "./schema.ts";

/** Of vms and of the pool: the last byte of an address, whose even neighbour is the host's end of the link. */
const idRule = "an odd whole number from 3 to 255";

const isId = (value: unknown): boolean =>
	Number.isInteger(value) && Number(value) >= 3 && Number(value) <= 255 && Number(value) % 2 === 1;

export const idSchema = v.pipe(
	v.number(idRule),
	v.check((value: number) => isId(value), idRule),
);

const listRule = "a list of ids, odd whole numbers from 3 to 255";

export const disposablePoolEntries = {
	ids: v.pipe(
		v.array(idSchema, listRule),
		// All that there are, but for a vm to make instances of.
		v.maxLength(126, "at most 126 ids"),
		v.readonly(),
	),
};

export const disposablePool = v.pipe(
	v.custom<object>(isJsonObject, "an object with ids"),
	v.strictObject(disposablePoolEntries),
);

export const poolIdsOf = ({ disposablePool }: Config): readonly number[] => disposablePool?.ids ?? [];

export interface PoolProblem {
	readonly path: JsonPath;
	readonly value: unknown;
	/** Ends "expected …". */
	readonly expected: readonly (string | JsonPath)[];
}

/** Ids that are there twice, that are a vm's, and whose TAP is a vm's by its name. `vms` with their places; nothing is checked yet. */
export function findPoolProblems(pool: unknown, vms: readonly (readonly [JsonObject, JsonPath])[]): PoolProblem[] {
	if (!isJsonObject(pool) || !Array.isArray(pool.ids)) return [];
	/** More than there are is another problem. */
	const ids: readonly unknown[] = pool.ids.slice(0, 127);
	const toPath = (index: number): JsonPath => ["disposablePool", "ids", index];
	const repeats = ids.flatMap((value, index): PoolProblem[] => {
		const first = ids.indexOf(value);
		const owner = vms.find(([vm]) => vm.id === value);
		const other = first < index ? toPath(first) : owner && [...owner[1], "id"];
		if (!isId(value) || other === undefined) return [];
		return [{ path: toPath(index), value, expected: ["another than that of ", other] }];
	});
	const names = vms.flatMap(([{ name }, path]): PoolProblem[] => {
		const index = ids.findIndex((id) => typeof id === "number" && isId(id) && toPoolTap(id) === `ql-${name}`);
		if (index < 0) return [];
		return [
			{ path: [...path, "name"], value: name, expected: ["another name: its TAP would be that of ", toPath(index)] },
		];
	});
	return [...repeats, ...names];
}
