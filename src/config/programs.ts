/** Programs of a vm's guest that the host's menu shows, and the guest's handler for what is to be opened in it. */
import * as v from "valibot";
import { isProgramId, programIdRule, programNameMaxChars } from "../protocol/programs.ts";
import { isJsonObject } from "./json.ts";
import { absolutePath } from "./paths.ts";

export interface ProgramConfig {
	/** Unique in its vm. */
	readonly id: string;
	readonly name: string;
	/** The command in the guest and its arguments. */
	readonly command: readonly string[];
	/** It needs a terminal of the host's. */
	readonly terminal: boolean;
	/** Absolute path on the host, of a .png or .svg. */
	readonly icon?: string;
	readonly categories: readonly string[];
}

/** The Desktop Menu Specification's main categories: each menu knows them, and others only where they begin with X-. */
const mainCategories = [
	...["AudioVideo", "Audio", "Video", "Development", "Education", "Game", "Graphics", "Network", "Office"],
	...["Science", "Settings", "System", "Utility"],
] as const;

const nameRule = `a name of 1 to ${programNameMaxChars} characters without control characters`;
const wordRule = "a text of at most 4096 characters without control characters";
const iconRule = "an absolute path that ends with .png or .svg";

const isPlain = (text: string): boolean => !/[\p{Cc}\p{Cs}]/u.test(text);

/** They stand in a menu's line, by way of an escaping that has none for control characters. */
const word = v.pipe(
	v.string(wordRule),
	v.check((text) => text.length <= 4096 && isPlain(text), wordRule),
);

/** A shell of a person's may have more; a menu's line does not. */
const wordsMax = 64;

const commandRule = "a list of the command and its arguments";

const command = v.pipe(
	v.array(word, commandRule),
	v.check((words) => (words[0] ?? "") !== "" && !(words[0] ?? "").startsWith("-"), commandRule),
	v.maxLength(wordsMax, `at most ${wordsMax} words`),
	v.readonly(),
);

export const programEntries = {
	id: v.pipe(v.string(programIdRule), v.check(isProgramId, programIdRule)),
	name: v.pipe(
		v.string(nameRule),
		v.check((name) => name.trim() !== "" && name.length <= programNameMaxChars && isPlain(name), nameRule),
	),
	command,
	terminal: v.optional(v.boolean("true or false"), false),
	icon: v.optional(
		v.pipe(
			absolutePath,
			v.check((path) => /\.(?:png|svg)$/.test(path), iconRule),
		),
	),
	categories: v.optional(
		v.pipe(
			v.array(v.picklist(mainCategories, `one of ${mainCategories.join(", ")}`), "a list of menu categories"),
			v.readonly(),
		),
		[],
	),
};

const programObject = v.pipe(
	v.custom<object>(isJsonObject, "an object with id, name and command"),
	v.strictObject(programEntries),
	v.transform(({ icon, ...program }): ProgramConfig => ({ ...program, ...(icon !== undefined && { icon }) })),
);

/** More than anybody looks through in a menu. */
const most = 64;

export const programs = v.optional(
	v.pipe(
		v.array(programObject, "a list of objects with id, name and command"),
		v.maxLength(most, `at most ${most} programs`),
		v.check((list) => new Set(list.map(({ id }) => id)).size === list.length, "each id once"),
		v.readonly(),
	),
	[],
);

export const defaultHandler: readonly string[] = ["xdg-open"];

/** What is to be opened comes behind it, as one more word. */
export const open = v.optional(command, defaultHandler);
