/**
 * Writer of cpio archives in the "newc" format, which is what the kernel unpacks as an initramfs
 * (Linux's Documentation/driver-api/early-userspace/buffer-format.rst). Deterministic: root owns all, times are 0,
 * inode numbers count up. Device nodes are left out: the guest's init mounts devtmpfs.
 */

export type CpioEntry = { readonly path: string } & (
	| { readonly kind: "directory" }
	| { readonly kind: "file"; readonly data: Buffer; readonly executable?: boolean }
	| { readonly kind: "symlink"; readonly target: string }
);

const modes = { directory: 0o040755, file: 0o100644, executable: 0o100755, symlink: 0o120777 } as const;

/** The archive, entries in the order given: a directory must come before what is in it. */
export function writeCpio(entries: readonly CpioEntry[]): Buffer {
	const chunks: Buffer[] = [];
	for (const [index, entry] of entries.entries()) chunks.push(...writeEntry(entry, index + 1));
	chunks.push(...writeRecord("TRAILER!!!", 0, 0, Buffer.alloc(0)));
	return Buffer.concat(chunks);
}

function writeEntry(entry: CpioEntry, inode: number): Buffer[] {
	if (entry.path === "" || entry.path.startsWith("/")) throw new Error(`cpio path must be relative: "${entry.path}"`);
	switch (entry.kind) {
		case "directory":
			return writeRecord(entry.path, inode, modes.directory, Buffer.alloc(0));
		case "file":
			return writeRecord(entry.path, inode, entry.executable ? modes.executable : modes.file, entry.data);
		case "symlink":
			return writeRecord(entry.path, inode, modes.symlink, Buffer.from(entry.target));
	}
}

function writeRecord(path: string, inode: number, mode: number, data: Buffer): Buffer[] {
	const name = Buffer.from(`${path}\0`);
	const fields = [
		inode,
		mode,
		0, // uid
		0, // gid
		1, // links
		0, // mtime
		data.length,
		0, // device, major and minor
		0,
		0, // device that it stands for
		0,
		name.length,
		0, // checksum, unused in newc
	];
	const head = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`);
	return [head, name, padding(head.length + name.length), data, padding(data.length)];
}

/** Names and data are padded to four bytes each; the archive itself then ends aligned too. */
function padding(length: number): Buffer {
	return Buffer.alloc((4 - (length % 4)) % 4);
}
