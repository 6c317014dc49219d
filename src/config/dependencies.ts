/** Which vms of a configuration depend on which: each name must be another vm's, and nobody may wait for themselves. */
import { nearestName } from "../nearest-name.ts";

/** What is wrong, where: the `index`th name of `vm`'s dependsOn. The text ends "expected …". */
export interface DependencyProblem {
	readonly vm: string;
	readonly index: number;
	readonly text: string;
}

/** `vms`: each name with those that it depends on. */
export function findDependencyProblems(vms: ReadonlyMap<string, readonly string[]>): DependencyProblem[] {
	return [...vms].flatMap(([vm, needed]) =>
		needed.flatMap((name, index): DependencyProblem[] => {
			const text = judge(vm, name, index, vms);
			return text === null ? [] : [{ vm, index, text }];
		}),
	);
}

function judge(vm: string, name: string, index: number, vms: ReadonlyMap<string, readonly string[]>): string | null {
	const names = [...vms.keys()];
	if (!vms.has(name)) {
		const nearest = nearestName(name, names);
		return `expected the name of a vm${nearest === undefined ? "" : `: did you mean "${nearest}"?`}`;
	}
	if (vms.get(vm)?.indexOf(name) !== index) return "expected each name once";
	const way = wayFrom(name, vm, vms);
	if (way === null) return null;
	/** One that is said at each of its vms would be said once too often. */
	if ([...way].sort()[0] !== vm) return null;
	return `expected no circle: ${[vm, ...way].join(" needs ")}`;
}

/** The names from `from` to `to`, both included, each of which depends on the next; null: there is no such way. */
function wayFrom(from: string, to: string, vms: ReadonlyMap<string, readonly string[]>): string[] | null {
	const ways: string[][] = [[from]];
	const seen = new Set([from]);
	for (const way of ways) {
		const last = way.at(-1) ?? "";
		if (last === to) return way;
		for (const next of vms.get(last) ?? []) {
			if (seen.has(next)) continue;
			seen.add(next);
			ways.push([...way, next]);
		}
	}
	return null;
}
