/**
 * A user with an image cache of their own, and on PATH stand-ins for apt and mmdebstrap: packages that come from nowhere, and a tree that is laid in
 * milliseconds, or as `mode` says. All else is real: namespaces, mkfs.erofs, the kernel and the default image, which are the tests' own.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
	existsSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	readlinkSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import { chownAll, TestUser } from "../e2e/harness.ts";
import { run } from "../e2e/own-image.ts";

/** What the stand-ins do: mmdebstrap lays a tree, finds the disk full, meets a package that fails, or hangs; apt's mirror is away. */
export type Mode = "good" | "full" | "broken" | "hanging" | "unreachable";

/** Of each package's file. */
const content = "12345";
const contentHash = createHash("sha256").update(content).digest("hex");

const stanza = (name: string): string =>
	`Package: ${name}\nVersion: 1:1.0\nArchitecture: all\nInstalled-Size: 4\nSize: 5\nSHA256: ${contentHash}\n`;

const aptGet = (directory: string): string => `#!/bin/sh
case " $* " in
*" update "*)
	if grep -qs bookwurm "$(printf '%s\\n' "$@" | sed -n 's/^Dir::Etc::sourcelist=//p')"; then
		echo "E: The repository 'http://mirror.example/debian bookwurm Release' does not have a Release file." >&2
		exit 100
	fi
	grep -q unreachable ${directory}/mode || exit 0
	echo "E: Failed to fetch http://mirror.example/debian/dists/bookworm/InRelease  Could not resolve 'mirror.example'" >&2
	exit 100 ;;
*" nosuch "*) echo "E: Unable to locate package nosuch" >&2; exit 100 ;;
*" --print-uris "*) for name in foot systemd; do echo "'http://mirror.example/$name.deb' \${name}_1%3a1.0_all.deb 5 "; done ;;
*" --download-only "*)
	for word; do case $word in Dir::Cache::archives=*) at=\${word#*=} ;; esac; done
	echo download >>${directory}/downloads
	for name in foot systemd; do printf ${content} >"$at/\${name}_1%3a1.0_all.deb"; done ;;
esac
`;

const aptCache = `#!/bin/sh
case " $* " in
*" pkgnames "*) echo nosuch-thing ;;
*) printf '%s\\n' '${["foot", "systemd"].map(stanza).join("\n")}' ;;
esac
`;

const mmdebstrap = (directory: string): string => `#!/bin/sh
eval "tree=\\\${$(($# - 1))}"
mkdir -p "$tree/etc" "$tree/usr/lib" "$tree/var/log" "$tree/home/user/own"
chown -R 1000:1000 "$tree/home/user" && chmod 700 "$tree/home/user"
echo "Setting up foot (1:1.0) ..."
case $(cat ${directory}/mode) in
full) echo "dpkg: error: cannot copy: No space left on device" >&2; exit 25 ;;
broken)
	printf 'dpkg: error processing package foot (--configure):\\n its script failed\\nE: setup failed\\n' >&2
	exit 25 ;;
hanging) : >${directory}/hangs; exec sleep 1000 ;;
esac
`;

export class PackageBuilder extends TestUser {
	readonly cache: string;

	constructor(vms: readonly object[], options: { uid?: number; within?: readonly string[] } = {}) {
		super({ vms, ...options });
		this.cache = join(this.directory, "cache/qubes-lite");
		this.env.XDG_CACHE_HOME = join(this.directory, "cache");
		const fakes = join(this.directory, "fakes");
		mkdirSync(fakes);
		this.env.PATH = `${fakes}:${this.env.PATH}`;
		const programs = {
			"apt-get": aptGet(this.directory),
			"apt-cache": aptCache,
			mmdebstrap: mmdebstrap(this.directory),
		};
		for (const [name, text] of Object.entries(programs)) writeFileSync(join(fakes, name), text, { mode: 0o755 });
		this.behave("good");
		fillCache(this.cache, options.uid === undefined ? "--link" : "--reflink=auto");
		if (options.uid !== undefined) chownAll(this.directory, options.uid);
	}

	behave(mode: Mode): void {
		writeFileSync(join(this.directory, "mode"), mode);
	}

	/** How often apt has been asked for files. */
	downloads(): number {
		const path = join(this.directory, "downloads");
		return existsSync(path) ? readFileSync(path, "utf8").split("\n").length - 1 : 0;
	}

	/** In images/: keys of images with packages, and what builds have left there. */
	madeImages(): string[] {
		const images = join(this.cache, "images");
		const names = readdirSync(images).filter((name) => name !== "current" && name !== "by-wish");
		return names.filter((name) => {
			const manifest = join(images, name, "image.json");
			return !existsSync(manifest) || "packages" in JSON.parse(readFileSync(manifest, "utf8"));
		});
	}

	isHanging(): boolean {
		return existsSync(join(this.directory, "hangs"));
	}
}

/** What set-up has made: the default image, and Debian's answer on the kernel, as fresh as can be. `how`: cp's word for another user's copies, or links. */
function fillCache(cache: string, how: string): void {
	const from = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "qubes-lite");
	const current = readlinkSync(join(from, "images/current"));
	mkdirSync(join(cache, "images"), { recursive: true, mode: 0o700 });
	mkdirSync(join(cache, "downloads"));
	const copy = (path: string, to: string): void => {
		const words = ["-R", "--preserve=mode,timestamps", join(from, path), join(cache, to)];
		// Links lead to no other file system.
		if (spawnSync("cp", [how, ...words]).status !== 0) run(["cp", ...words]);
	};
	copy(`images/${current}`, "images");
	symlinkSync(basename(current), join(cache, "images/current"));
	for (const name of readdirSync(join(from, "downloads")))
		if (/^kernel\.json$|\.deb$/.test(name)) copy(`downloads/${name}`, "downloads");
	copy("tools", ".");
	// Of its own, since its time is.
	const answer = join(cache, "downloads/kernel.json");
	const text = readFileSync(answer);
	rmSync(answer);
	writeFileSync(answer, text);
}
