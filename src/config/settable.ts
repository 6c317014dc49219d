/**
 * What may be set of a vm that runs, by its keys in the configuration: one table for the file (lifecycle.ts), the command line and the
 * broker, so that each takes and refuses the same. It carries no schema library, since the client starts on the user's time.
 */
import { QubesLiteError } from "../errors.ts";
import { nearestName } from "../nearest-name.ts";
import { formatName } from "./format-value.ts";

/** A year: more is "never", which is 0. */
export const secondsRule = { least: 0, most: 31_536_000, what: "a whole number of seconds" } as const;

export const idleActions = ["stop", "pause"] as const;
/** Why a disposable's idleAction is "stop". */
export const disposableEnds = "a disposable is shut down when its last command ends";

/** Seconds, as in the file. */
export interface Settings {
	readonly idleTimeout?: number;
	readonly idleAction?: (typeof idleActions)[number];
	readonly pauseTimeout?: number;
	readonly maxLifetime?: number;
	/** MiB. */
	readonly memory?: number;
}

const isSeconds = (value: unknown): boolean =>
	Number.isInteger(value) && Number(value) >= secondsRule.least && Number(value) <= secondsRule.most;

const seconds = {
	isGood: isSeconds,
	expected: `${secondsRule.what} from ${secondsRule.least} to ${secondsRule.most}`,
};

/** What it was booted with is the most, and known to whoever runs it. */
const memoryLeastMiB = 128;
const memory = {
	isGood: (value: unknown): boolean => Number.isInteger(value) && Number(value) >= memoryLeastMiB,
	expected: `a whole number of MiB, at least ${memoryLeastMiB}`,
};

const rules = {
	idleTimeout: seconds,
	idleAction: {
		isGood: (value: unknown): boolean => idleActions.some((action) => action === value),
		expected: idleActions.join(" or "),
	},
	pauseTimeout: seconds,
	maxLifetime: seconds,
	memory,
} as const satisfies Record<keyof Settings, { isGood(value: unknown): boolean; expected: string }>;

export const settableKeys = Object.keys(rules) as (keyof Settings)[];

/** Throws BadRequest with the first thing that is wrong with it: nothing, an unknown key, one that comes twice, or a bad value. */
export function parseSettings(untrusted: readonly (readonly [string, string | number])[]): Settings {
	if (untrusted.length === 0) throw new QubesLiteError("BadRequest", "set what? KEY=VALUE", { remedy });
	const settings = new Map<string, string | number>();
	for (const [name, value] of untrusted) {
		const key = settableKeys.find((known) => known === name);
		if (key === undefined) throw noSuchKey(name);
		if (settings.has(key)) throw new QubesLiteError("BadRequest", `${key} is given twice`, { remedy });
		const { isGood, expected } = rules[key];
		if (!isGood(value)) {
			const shown = formatName(String(value));
			throw new QubesLiteError("BadRequest", `${key} can't be ${shown}: expected ${expected}`, {
				remedy: remedyFor(key),
			});
		}
		settings.set(key, value);
	}
	return Object.fromEntries(settings);
}

/** Words "KEY=VALUE", as they are typed. Throws like parseSettings. */
export function parseSettingWords(words: readonly string[]): Settings {
	return parseSettings(
		words.map((word) => {
			const equals = word.indexOf("=");
			if (equals < 0) {
				const key = settableKeys.find((known) => known === word);
				throw key === undefined ? noSuchKey(word) : noValue(key);
			}
			const value = word.slice(equals + 1);
			return [word.slice(0, equals), /^\d{1,15}$/.test(value) ? Number(value) : value];
		}),
	);
}

const examples: Readonly<Record<keyof Settings, string>> = {
	idleTimeout: "600",
	idleAction: "pause",
	pauseTimeout: "3600",
	maxLifetime: "28800",
	memory: "768",
};
const remedyFor = (key: keyof Settings): string => `qubes-lite set VM ${key}=${examples[key]}`;
const remedy = remedyFor("idleTimeout");

const noValue = (key: keyof Settings): QubesLiteError =>
	new QubesLiteError("BadRequest", `${key} needs a value: expected ${rules[key].expected}`, { remedy: remedyFor(key) });

function noSuchKey(name: string): QubesLiteError {
	const meant = nearestName(name, settableKeys);
	const hint = meant === undefined ? "" : `; did you mean '${meant}'?`;
	return new QubesLiteError("BadRequest", `${formatName(name)} is nothing that can be set${hint}`, {
		remedy: `choose one of: ${settableKeys.join(", ")}`,
	});
}
