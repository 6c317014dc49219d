/** A validator of JSON Schema (draft 2020-12), for the keywords that our schemas have; others are refused. */

export type Schema = { readonly [keyword: string]: unknown };

/** They say nothing about what is valid. */
const annotations = ["$schema", "$defs", "title", "description", "format"];

/** Each way in which `value` is not as `schema` says, with its path; `root` has the definitions. Throws for a keyword that it does not know. */
export function problemsOf(value: unknown, schema: Schema, root: Schema = schema, path = "$"): string[] {
	return Object.entries(schema).flatMap(([keyword, wanted]) => {
		if (annotations.includes(keyword)) return [];
		const check = keywords[keyword];
		if (check === undefined) throw new Error(`a keyword that this validator does not know: ${keyword}`);
		return check({ value, wanted, root, path, schema });
	});
}

/** What a reference such as "#/$defs/vm" leads to. */
export function resolve(reference: unknown, root: Schema): Schema {
	const match = /^#\/\$defs\/(\w+)$/.exec(String(reference));
	const found = (root.$defs as Record<string, Schema> | undefined)?.[match?.[1] ?? ""];
	if (found === undefined) throw new Error(`a reference that leads nowhere: ${reference}`);
	return found;
}

interface Check {
	readonly value: unknown;
	readonly wanted: unknown;
	readonly schema: Schema;
	readonly root: Schema;
	readonly path: string;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
	typeof value === "object" && value !== null && !Array.isArray(value);

const isOfType = (value: unknown, type: unknown): boolean => {
	switch (type) {
		case "object":
			return isObject(value);
		case "array":
			return Array.isArray(value);
		case "integer":
			return Number.isInteger(value);
		case "null":
			return value === null;
		case "string":
			return typeof value === "string";
		default:
			throw new Error(`a type that this validator does not know: ${type}`);
	}
};

const unless = (isRight: boolean, problem: string): string[] => (isRight ? [] : [problem]);

const keywords: Readonly<Record<string, (check: Check) => string[]>> = {
	$ref: ({ value, wanted, root, path }) => problemsOf(value, resolve(wanted, root), root, path),
	type: ({ value, wanted, path }) =>
		unless(
			[wanted].flat().some((type) => isOfType(value, type)),
			`${path} is no ${wanted}`,
		),
	const: ({ value, wanted, path }) => unless(value === wanted, `${path} is not ${wanted}`),
	enum: ({ value, wanted, path }) => unless((wanted as unknown[]).includes(value), `${path} is none of ${wanted}`),
	minimum: ({ value, wanted, path }) =>
		unless(typeof value !== "number" || value >= Number(wanted), `${path} is less than ${wanted}`),
	/** In code points, as the specification has it. */
	maxLength: ({ value, wanted, path }) =>
		unless(typeof value !== "string" || [...value].length <= Number(wanted), `${path} is longer than ${wanted}`),
	pattern: ({ value, wanted, path }) =>
		unless(typeof value !== "string" || new RegExp(String(wanted), "u").test(value), `${path} is not as ${wanted}`),
	required: ({ value, wanted, path }) =>
		(wanted as string[]).flatMap((key) =>
			unless(!isObject(value) || Object.hasOwn(value, key), `${path}.${key} is missing`),
		),
	properties: ({ value, wanted, root, path }) =>
		Object.entries(wanted as Record<string, Schema>).flatMap(([key, schema]) =>
			isObject(value) && Object.hasOwn(value, key) ? problemsOf(value[key], schema, root, `${path}.${key}`) : [],
		),
	additionalProperties: ({ value, wanted, schema, root, path }) => {
		const known = Object.keys((schema.properties as object | undefined) ?? {});
		const others = isObject(value) ? Object.entries(value).filter(([key]) => !known.includes(key)) : [];
		return others.flatMap(([key, one]) => problemsOf(one, wanted as Schema, root, `${path}.${key}`));
	},
	items: ({ value, wanted, root, path }) =>
		Array.isArray(value)
			? value.flatMap((item, index) => problemsOf(item, wanted as Schema, root, `${path}[${index}]`))
			: [],
	oneOf: ({ value, wanted, root, path }) => {
		const tried = (wanted as Schema[]).map((schema) => problemsOf(value, schema, root, path));
		const right = tried.filter((problems) => problems.length === 0).length;
		if (right === 1) return [];
		const nearest = tried.sort((a, b) => a.length - b.length)[0] ?? [];
		return [`${path} is ${right} of oneOf; ${nearest.join("; ")}`];
	},
};
