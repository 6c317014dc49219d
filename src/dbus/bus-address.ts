/** Addresses of a bus, as far as we can connect to them (D-Bus specification, "Server Addresses"). Pure. */

/** One address of a list. */
export type BusAddress =
	| {
			readonly text: string;
			/** As connect() of node:net takes it: an abstract socket's begins with a NUL. */
			readonly path: string;
	  }
	| {
			readonly text: string;
			/** Why we can't take it. */
			readonly problem: string;
	  };

/** All addresses of a list, in the order in which they are to be tried; one at least. */
export function parseBusAddresses(list: string): BusAddress[] {
	const texts = list.split(";").filter((text) => text !== "");
	if (texts.length === 0) return [{ text: list, problem: "it holds no address" }];
	return texts.map((text) => ({ text, ...parseAddress(text) }));
}

function parseAddress(text: string): { readonly path: string } | { readonly problem: string } {
	const [, transport, rest = ""] = /^([^:]+):(.*)$/s.exec(text) ?? [];
	if (transport === undefined) return { problem: "an address begins with its transport, such as unix:" };
	if (transport !== "unix") return { problem: `only unix: is supported, not ${transport}:` };
	const values = new Map<string, string>();
	for (const pair of rest.split(",")) {
		const [, key, value = ""] = /^([^=]+)=(.*)$/s.exec(pair) ?? [];
		if (key === undefined) return { problem: `expected KEY=VALUE, found ${JSON.stringify(pair)}` };
		if (values.has(key)) return { problem: `${key}= is there twice` };
		values.set(key, value);
	}
	const path = values.get("path");
	const abstract = values.get("abstract");
	const value = path ?? abstract;
	if (value === undefined || (path !== undefined && abstract !== undefined)) {
		return { problem: "expected either path= or abstract=" };
	}
	const name = decode(value);
	if (name === undefined) return { problem: `not a name in UTF-8 with % and two hex digits for other bytes: ${value}` };
	if (name === "" || name.includes("\0")) return { problem: "a socket's name has at least one byte, and no NUL" };
	if (abstract !== undefined) return { path: `\0${name}` };
	return name.startsWith("/") ? { path: name } : { problem: `path= is not absolute: ${name}` };
}

/** undefined for what is no escape, or none of UTF-8: node:net takes no other bytes. */
function decode(value: string): string | undefined {
	try {
		return decodeURIComponent(value);
	} catch {
		return undefined;
	}
}
