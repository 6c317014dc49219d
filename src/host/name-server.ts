/** The name server that guests on a TAP are told of: the first of this host's that they can reach. */
import { readFileSync } from "node:fs";

/** What systemd-resolved itself asks, where /etc/resolv.conf names only its own stub; resolv.conf(5). */
const files = ["/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"];

export function findNameServer(paths: readonly string[] = files): string | null {
	for (const path of paths) {
		const found = readOrEmpty(path)
			.split("\n")
			.map((line) => /^nameserver[ \t]+(\d{1,3}(?:\.\d{1,3}){3})[ \t]*$/.exec(line)?.[1])
			// A guest's 127.0.0.1 is its own.
			.find((address) => address !== undefined && !address.startsWith("127.") && address !== "0.0.0.0");
		if (found !== undefined) return found;
	}
	return null;
}

function readOrEmpty(path: string): string {
	try {
		return readFileSync(path, "utf8");
	} catch {
		return "";
	}
}
