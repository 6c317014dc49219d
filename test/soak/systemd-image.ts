/**
 * A guest of Debian with systemd, and in it what nix/guest makes of a guest of NixOS: its units, scripts, generators and files, from the
 * golden. Where NixOS has a path in its store, the same is there.
 */
import {
	chmodSync,
	cpSync,
	lstatSync,
	mkdirSync,
	mkdtempSync,
	readFileSync,
	realpathSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { assemble, root, run, unpackGuestKernel } from "../e2e/own-image.ts";
import { read } from "../nix/golden.ts";

/** By evaluate-guest.nix. */
interface Guest {
	readonly etc: Readonly<Record<string, string>>;
	readonly systemd: {
		readonly services: Readonly<Record<string, Unit>>;
		readonly generators: Readonly<Record<string, string>>;
		readonly rules: readonly string[];
	};
}

type Section = Readonly<Record<string, string | number | boolean>>;

interface Unit {
	readonly after?: readonly string[];
	readonly before?: readonly string[];
	readonly wants?: readonly string[];
	readonly wantedBy?: readonly string[];
	readonly unitConfig?: Section;
	readonly serviceConfig?: Section;
}

const packages =
	"systemd,systemd-sysv,systemd-resolved,dbus-user-session,libpam-systemd,iproute2,kmod,udev,procps,util-linux,bash";
const guestPath = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
const agentHome = "/nix/store/qubes-lite-agent/lib/qubes-lite";

/** Resolves with a new directory, which the caller removes, that has the image's directory as `image`. */
export async function makeSystemdImage(): Promise<string> {
	const directory = mkdtempSync(join(tmpdir(), "ql-systemd-"));
	const tree = join(directory, "root");
	run(["mmdebstrap", "--quiet", "--variant=minbase", `--include=${packages}`, codename(), tree]);
	const kernel = await unpackGuestKernel(directory);
	const { modules, release } = kernel;
	cpSync(modules, join(tree, "usr/lib/modules", release), { recursive: true });
	run(["chroot", tree, "depmod", release]);

	lay(tree, read<Guest>("guest/plain"));
	assemble(directory, tree, 1024, kernel);
	rmSync(tree, { recursive: true });
	return directory;
}

const codename = (): string => /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "";

function lay(tree: string, { etc, systemd }: Guest): void {
	const write = (path: string, text: string, mode = 0o644): void => {
		mkdirSync(dirname(tree + path), { recursive: true });
		writeFileSync(tree + path, text);
		chmodSync(tree + path, mode);
	};
	const link = (path: string, target: string): void => {
		mkdirSync(dirname(tree + path), { recursive: true });
		if (lstatSync(tree + path, { throwIfNoEntry: false }) !== undefined) rmSync(tree + path);
		symlinkSync(target, tree + path);
	};
	const enable = (target: string, unit: string, from: string): void =>
		link(`/etc/systemd/system/${target}.wants/${unit}`, `${from}/${unit}`);

	for (const [, path = "", name = ""] of JSON.stringify(systemd).matchAll(
		/(\/nix\/store\/\w{32}-qubes-lite-([\w-]+))/g,
	)) {
		write(path, `#!/bin/bash\n${scriptOf(name)}`, 0o755);
	}
	for (const [name, unit] of Object.entries(systemd.services)) {
		// They are Debian's own, as they are NixOS'.
		if (name !== "systemd-network-generator" && name !== "getty@tty1") {
			write(`/etc/systemd/system/${name}.service`, format(unit));
		}
		const from = name === "systemd-network-generator" ? "/lib/systemd/system" : "..";
		for (const target of unit.wantedBy ?? []) enable(target, `${name}.service`, from);
	}
	for (const unit of ["systemd-networkd.service", "systemd-resolved.service"]) {
		enable("multi-user.target", unit, "/lib/systemd/system");
	}
	for (const [name, path] of Object.entries(systemd.generators)) link(`/etc/systemd/system-generators/${name}`, path);
	write("/etc/tmpfiles.d/qubes-lite.conf", `${systemd.rules.join("\n")}\n`);
	for (const [name, text] of Object.entries(etc))
		write(`/etc/${name}`, text.replace(/^PATH=.*$/m, `PATH=${guestPath}`));
	rmSync(join(tree, "etc/hostname"), { force: true });
	link("/etc/resolv.conf", "/run/systemd/resolve/stub-resolv.conf");
	run(["chroot", tree, "useradd", "--create-home", "--uid=1000", "--gid=users", "--shell=/bin/bash", "user"]);

	for (const file of ["agent.cjs", "programs.cjs"])
		write(`${agentHome}/${file}`, readFileSync(join(root, "dist", file), "utf8"));
	cpSync(join(root, "node_modules/@koromix/koffi-linux-x64/linux_x64/koffi.node"), `${tree}${agentHome}/koffi.node`);
	mkdirSync(`${tree}/nix/store/nodejs/bin`, { recursive: true });
	cpSync(realpathSync(process.execPath), `${tree}/nix/store/nodejs/bin/node`);
	const guest = readFileSync(join(root, "guest-image/guest/qubes-lite-guest"), "utf8");
	write(
		"/usr/local/bin/qubes-lite-guest",
		guest.replace("/usr/bin/node", "/nix/store/nodejs/bin/node").replace("/usr/lib/qubes-lite", agentHome),
		0o755,
	);
}

function scriptOf(name: string): string {
	if (name === "power-off") return "exec systemctl --no-block poweroff\n";
	const text = readFileSync(join(root, "guest-image/systemd", `${name}.sh`), "utf8");
	return name === "share-generator" ? `export PATH=/usr/bin\n${text}` : text;
}

function format({ after, before, wants, unitConfig = {}, serviceConfig = {} }: Unit): string {
	const list = (key: string, units: readonly string[] = []): string[] =>
		units.length === 0 ? [] : [`${key}=${units.join(" ")}`];
	const lines = (section: Section): string[] =>
		Object.entries(section).map(([key, value]) => `${key}=${String(value)}`);
	return [
		...["[Unit]", ...list("After", after), ...list("Before", before), ...list("Wants", wants), ...lines(unitConfig)],
		// Coreutils, findutils, grep and sed are what NixOS gives each service.
		...["[Service]", "Environment=PATH=/usr/bin", ...lines(serviceConfig), ""],
	].join("\n");
}
