/** The image of nix/rootfs, made as Nix makes it, of Debian's programs: s6, execline, busybox, and our Node with its libraries. */
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { parseLdd } from "../../guest-image/shared-libraries.ts";
import { assemble, root, run, unpackGuestKernel } from "./own-image.ts";

const execline = "/usr/lib/execline/bin";

/** Resolves with a new directory, which the caller removes, that has the image's directory as `image`. */
export async function makeS6Image(): Promise<string> {
	const directory = mkdtempSync(join(tmpdir(), "ql-s6-"));
	const tree = join(directory, "root");
	const agent = join(directory, "agent");
	mkdirSync(agent);
	for (const file of ["agent.cjs", "programs.cjs"]) cpSync(join(root, "dist", file), join(agent, file));
	cpSync(join(root, "node_modules/@koromix/koffi-linux-x64/linux_x64/koffi.node"), join(agent, "koffi.node"));
	run(["sh", join(root, "nix/rootfs/populate.sh")], {
		...{ root: tree, place: "cp -L", node: realpathSync(process.execPath), busybox: "/usr/bin/busybox" },
		...{ s6: "/usr/bin", execline, agent, guest: join(root, "guest-image/guest") },
	});
	bringLibraries(tree);

	assemble(directory, tree, 256, await unpackGuestKernel(directory));
	return directory;
}

/** In a store they are found by each program's own paths; Debian's are to be in the guest. */
function bringLibraries(tree: string): void {
	const directories = ["usr/bin", "usr/lib/execline/bin"].map((name) => join(tree, name));
	const programs = ["node", "s6-svscan", "s6-supervise", "s6-svc", "s6-svstat", "execlineb", "foreground"];
	const paths = programs.flatMap((name) =>
		directories.flatMap((directory) => (readdirSync(directory).includes(name) ? [join(directory, name)] : [])),
	);
	const libraries = new Set(paths.flatMap((path) => parseLdd(run(["ldd", path]))));
	for (const name of ["usr/lib64", "usr/lib/x86_64-linux-gnu"]) mkdirSync(join(tree, name), { recursive: true });
	symlinkSync("usr/lib64", join(tree, "lib64"));
	for (const library of libraries) {
		const place = basename(library).startsWith("ld-linux") ? "usr/lib64" : "usr/lib/x86_64-linux-gnu";
		cpSync(realpathSync(library), join(tree, place, basename(library)));
		chmodSync(join(tree, place, basename(library)), 0o755);
	}
}
