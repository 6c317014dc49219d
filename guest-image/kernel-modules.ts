/**
 * Which kernel modules a guest needs, in the order in which they load. A module names its dependencies in its `.modinfo`
 * section, so neither kmod nor depmod (whose output the package does not carry) is needed.
 */

/** `depends=` of a module: names as the kernel writes them, with underscores. */
export function parseModuleDependencies(module: Buffer): string[] {
	// The section is a run of NUL-terminated `key=value` strings.
	const depends = findSection(module, ".modinfo")
		.toString("latin1")
		.split("\0")
		.find((entry) => entry.startsWith("depends="));
	return (depends ?? "depends=").slice("depends=".length).split(",").filter(Boolean).map(toModuleName);
}

/** `virtio-rng` and `virtio_rng` are one module: file names have either, dependencies have underscores. */
export function toModuleName(name: string): string {
	return name.replaceAll("-", "_");
}

/**
 * `wanted` and all that they depend on, dependencies first, each once. `dependenciesOf` answers for one module, and
 * `undefined` for one that is built into the kernel.
 */
export async function orderModules(
	wanted: readonly string[],
	dependenciesOf: (name: string) => Promise<readonly string[] | undefined>,
): Promise<string[]> {
	const order: string[] = [];
	const seen = new Set<string>();
	const visit = async (name: string): Promise<void> => {
		if (seen.has(name)) return;
		seen.add(name);
		const dependencies = await dependenciesOf(name);
		if (dependencies === undefined) return;
		for (const dependency of dependencies) await visit(dependency);
		order.push(name);
	};
	for (const name of wanted) await visit(toModuleName(name));
	return order;
}

/** A section of a 64-bit little-endian ELF file; throws an Error when there is none of that name. */
function findSection(elf: Buffer, name: string): Buffer {
	if (elf.length < 64 || elf.readUInt32BE(0) !== 0x7f454c46 || elf[4] !== 2 || elf[5] !== 1) {
		throw new Error("not a 64-bit ELF file");
	}
	const tableOffset = Number(elf.readBigUInt64LE(0x28));
	const entrySize = elf.readUInt16LE(0x3a);
	const entryCount = elf.readUInt16LE(0x3c);
	const section = (index: number): { nameAt: number; data: Buffer } => {
		const at = tableOffset + index * entrySize;
		const offset = Number(elf.readBigUInt64LE(at + 0x18));
		const size = Number(elf.readBigUInt64LE(at + 0x20));
		return { nameAt: elf.readUInt32LE(at), data: elf.subarray(offset, offset + size) };
	};
	const names = section(elf.readUInt16LE(0x3e)).data;
	for (let index = 0; index < entryCount; index += 1) {
		const { nameAt, data } = section(index);
		const end = names.indexOf(0, nameAt);
		if (names.toString("latin1", nameAt, end) === name) return data;
	}
	throw new Error(`the module has no ${name} section`);
}
