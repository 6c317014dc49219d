/** Timing whole programs side by side: machines drift, so what is compared is measured alternately and judged by its pairs. */
import { spawnSync } from "node:child_process";

/** One line of the closing table. */
export interface Figure {
	readonly name: string;
	readonly value: number;
	readonly unit: string;
	/** What it is to reach; null where it only explains another. */
	readonly aim: { readonly atMost: number } | { readonly atLeast: number } | null;
}

export const isGood = ({ value, aim }: Figure): boolean => {
	if (aim === null) return true;
	return "atMost" in aim ? value <= aim.atMost : value >= aim.atLeast;
};

export function quantile(values: readonly number[], share: number): number {
	const sorted = [...values].sort((a, b) => a - b);
	return sorted[Math.round(share * (sorted.length - 1))] ?? Number.NaN;
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** Of a over b in each pair. */
export const medianRatio = (a: readonly number[], b: readonly number[]): number =>
	median(a.map((value, index) => value / (b[index] ?? Number.NaN)));

export function show(what: string, values: readonly number[], unit: string): void {
	const at = (share: number): string => quantile(values, share).toFixed(1).padStart(8);
	console.log(`  ${what.padEnd(34)} median ${at(0.5)}   min ${at(0)}   max ${at(1)}   ${unit}, ${values.length} times`);
}

/** Calls both, `pairs` times, the first one first in every other pair; resolves with what each gave. */
export async function alternately<A, B>(
	pairs: number,
	first: () => A | Promise<A>,
	second: () => B | Promise<B>,
): Promise<[A[], B[]]> {
	const firsts: A[] = [];
	const seconds: B[] = [];
	for (let pair = 0; pair < pairs; pair++) {
		if (pair % 2 === 0) firsts.push(await first());
		seconds.push(await second());
		if (pair % 2 !== 0) firsts.push(await first());
	}
	return [firsts, seconds];
}

export interface Wall {
	readonly ms: number;
	readonly stdout: string;
	/** What came on descriptor 3. */
	readonly third: string;
}

export interface WallOptions {
	readonly env: NodeJS.ProcessEnv;
	/** A descriptor to read from; else nothing is to be read. */
	readonly stdin?: number;
	readonly readsOutput?: true;
	readonly readsThird?: true;
}

/** From spawn to exit. Throws where it does not end with status 0. */
export function wall(argv: readonly [string, ...string[]], options: WallOptions): Wall {
	const [program, ...words] = argv;
	const pipeIf = (isRead: true | undefined): "pipe" | "ignore" => (isRead ? "pipe" : "ignore");
	const stdio = [
		options.stdin ?? "ignore",
		pipeIf(options.readsOutput),
		"inherit",
		pipeIf(options.readsThird),
	] as const;
	const beganAt = performance.now();
	const done = spawnSync(program, words, { env: options.env, stdio: [...stdio] });
	const ms = performance.now() - beganAt;
	if (done.status !== 0) throw new Error(`${argv.join(" ").slice(0, 200)} ended with ${done.status ?? done.signal}`);
	return { ms, stdout: done.output[1]?.toString() ?? "", third: done.output[3]?.toString() ?? "" };
}
