/**
 * QEMU's option rule, written a second time: `head,key=value,…`, a value ends at a comma that is not doubled
 * (get_opt_value in util/qemu-option.c). A head without "=" is the value of an implied key.
 */
export function parseQemuOption(word: string): { head: string; values: Record<string, string> } {
	// Pairs of commas first, from the left, as QEMU takes them: of ",,," the last one separates.
	const [head = "", ...rest] = [...word.matchAll(/(?:^|,)((?:[^,]|,,)*)/gs)].map(([, part = ""]) =>
		part.replaceAll(",,", ","),
	);
	const values = rest.map((part): [string, string] => {
		const equals = part.indexOf("=");
		if (equals < 1) throw new Error(`not key=value: ${part}`);
		return [part.slice(0, equals), part.slice(equals + 1)];
	});
	return { head, values: Object.fromEntries(values) };
}
