/** JSON that is taken apart and put together again, wrong in one place. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export interface Place {
	readonly path: string;
	readonly value: Json;
	with(replacement: Json | undefined): Json;
}

/** Every field of a message, those of nested objects too, and how the message looks with another value there. */
export function* placesOf(json: Json, path = ""): Generator<Place> {
	if (typeof json !== "object" || json === null) return;
	for (const [key, value] of Object.entries(json)) {
		const here = path === "" ? key : `${path}.${key}`;
		const replace = (replacement: Json | undefined): Json => {
			if (Array.isArray(json)) return json.map((item, index) => (String(index) === key ? (replacement ?? null) : item));
			const { [key]: _old, ...rest } = json;
			return replacement === undefined ? rest : { ...rest, [key]: replacement };
		};
		yield { path: here, value, with: replace };
		for (const place of placesOf(value, here)) {
			yield { ...place, with: (replacement) => replace(place.with(replacement)) };
		}
	}
}
