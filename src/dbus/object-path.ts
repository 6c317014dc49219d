/** Names of ours in object paths, as sd_bus_path_encode(3) spells them: whatever is no letter or digit is `_` and two hex digits. Pure. */

/** One element of a path. A name that begins with a digit has its first escaped, too; an empty one is `_`. */
export function toPathElement(name: string): string {
	if (name === "") return "_";
	return [...Buffer.from(name)]
		.map((byte, index) => {
			const character = String.fromCharCode(byte);
			const isPlain = index === 0 ? /[A-Za-z]/.test(character) : /[A-Za-z0-9]/.test(character);
			return isPlain ? character : `_${byte.toString(16).padStart(2, "0")}`;
		})
		.join("");
}
