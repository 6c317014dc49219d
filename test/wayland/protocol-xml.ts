/** Reads Wayland's own descriptions of its protocols, as distributions ship them, into the lines of our table. */

const typeLetters: Readonly<Record<string, string>> = {
	int: "i",
	uint: "u",
	fixed: "f",
	string: "s",
	object: "o",
	new_id: "n",
	array: "a",
	fd: "h",
};

const attributesOf = (tag: string): Map<string, string> =>
	new Map([...tag.matchAll(/([a-z-]+)\s*=\s*"([^"]*)"/g)].map(([, name = "", value = ""]) => [name, value]));

function toArgument(attributes: Map<string, string>): string {
	const letter = typeLetters[attributes.get("type") ?? ""];
	if (letter === undefined) throw new Error(`an argument of type ${attributes.get("type")}`);
	const interfaceName = attributes.get("interface");
	// What is bound carries its interface and its version on the wire.
	if (letter === "n" && interfaceName === undefined) return "s u n";
	const optional = attributes.get("allow-null") === "true" ? "?" : "";
	const named = interfaceName === undefined || letter === "u" ? "" : `:${interfaceName}`;
	return `${optional}${letter}${named}`;
}

/** The table's lines of each interface in `xml`: its name and version, then requests (">") and events ("<"). */
export function readProtocolXml(xml: string): Map<string, string[]> {
	const interfaces = new Map<string, string[]>();
	const text = xml.replace(/<!--[\s\S]*?-->/g, "").replace(/<description[\s\S]*?(?:<\/description>|\/>)/g, "");
	for (const [, head = "", body = ""] of text.matchAll(/<interface([^>]*)>([\s\S]*?)<\/interface>/g)) {
		const { name, version } = Object.fromEntries(attributesOf(head));
		const lines = [`interface ${name} ${version}`];
		for (const [, kind, tag = "", , content = ""] of body.matchAll(
			/<(request|event)((?:\s+[a-z-]+\s*=\s*"[^"]*")*)\s*(\/>|>([\s\S]*?)<\/\1>)/g,
		)) {
			const message = attributesOf(tag);
			const since = Number(message.get("since") ?? "1");
			const words = [
				kind === "request" ? ">" : "<",
				`${message.get("name")}${since > 1 ? `@${since}` : ""}${message.get("type") === "destructor" ? "!" : ""}`,
				...[...content.matchAll(/<arg([^>]*)>/g)].map(([, argument = ""]) => toArgument(attributesOf(argument))),
			];
			lines.push(words.join(" "));
		}
		interfaces.set(name ?? "", lines);
	}
	return interfaces;
}
