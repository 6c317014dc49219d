/** Debian's package descriptions: stanzas of fields, and the relations between packages in `Depends` and `Provides`. */

export type Stanza = ReadonlyMap<string, string>;

const operators = { "<<": "lt", "<=": "le", "=": "eq", ">=": "ge", ">>": "gt" } as const;

/** As `dpkg --compare-versions` names them. */
export type VersionOperator = (typeof operators)[keyof typeof operators];

export interface Relation {
	readonly name: string;
	readonly version?: { readonly operator: VersionOperator; readonly than: string };
}

/** One entry of `Depends`: any of these is enough. */
export type Alternatives = readonly Relation[];

export interface InstalledPackage {
	readonly name: string;
	readonly version: string;
	readonly provides: readonly Relation[];
}

/** Fields of the first stanza of `text`, by their names in lower case; `undefined` for an empty text. */
export function parseStanza(text: string): Stanza | undefined {
	const fields = new Map<string, string>();
	const [stanza = ""] = text.trimStart().split(/\n\s*\n/, 1);
	for (const line of stanza.replace(/\n[ \t]+/g, "\n ").split(/\n(?! )/)) {
		const colon = line.indexOf(":");
		if (colon > 0) fields.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
	}
	return fields.size === 0 ? undefined : fields;
}

/** `a (>= 1) | b, c:any` as a list of alternatives; throws an Error that quotes what it can't read. */
export function parseRelations(text: string): Alternatives[] {
	return text
		.split(",")
		.map((part) => part.trim())
		.filter(Boolean)
		.map((part) => part.split("|").map((relation) => parseRelation(relation.trim())));
}

function parseRelation(text: string): Relation {
	const match = /^([a-z0-9][a-z0-9+.-]*)(?::[a-z0-9-]+)?(?:\s*\(\s*(<<|<=|=|>=|>>)\s*([^\s)]+)\s*\))?$/.exec(text);
	if (match?.[1] === undefined) throw new Error(`"${text}" is not a relation between packages`);
	const [, name, operator, than] = match;
	if (operator === undefined || than === undefined) return { name };
	return { name, version: { operator: operators[operator as keyof typeof operators], than } };
}

export function formatAlternatives(alternatives: Alternatives): string {
	const symbols = Object.fromEntries(Object.entries(operators).map(([symbol, word]) => [word, symbol]));
	return alternatives
		.map(({ name, version }) => (version ? `${name} (${symbols[version.operator]} ${version.than})` : name))
		.join(" | ");
}

/** What of `wanted` the installed packages don't satisfy. `compare` is `dpkg --compare-versions left operator right`. */
export async function findUnmet(
	wanted: readonly Alternatives[],
	installed: readonly InstalledPackage[],
	compare: (left: string, operator: VersionOperator, right: string) => Promise<boolean>,
): Promise<Alternatives[]> {
	const satisfies = async (relation: Relation, version: string | undefined): Promise<boolean> => {
		if (relation.version === undefined) return true;
		// A `Provides` without a version satisfies only a relation without one (Debian policy 7.5).
		return version !== undefined && (await compare(version, relation.version.operator, relation.version.than));
	};
	const isMet = async (relation: Relation): Promise<boolean> => {
		for (const candidate of installed) {
			if (candidate.name === relation.name && (await satisfies(relation, candidate.version))) return true;
			for (const provided of candidate.provides) {
				if (provided.name === relation.name && (await satisfies(relation, provided.version?.than))) return true;
			}
		}
		return false;
	};
	const unmet: Alternatives[] = [];
	for (const alternatives of wanted) {
		let met = false;
		for (const relation of alternatives) met ||= await isMet(relation);
		if (!met) unmet.push(alternatives);
	}
	return unmet;
}
