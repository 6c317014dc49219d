/**
 * A run in a running vm against `ssh` into the same guest over the same vsock, with ControlMaster: the connection is there
 * and authenticated, and a command is one exchange. Debian's OpenSSH at both ends; its server is unpacked, not installed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestUser } from "../e2e/harness.ts";
import { carryIn, inGuest, serveInGuest } from "./guest-tools.ts";
import { alternately, type Figure, medianRatio, show, wall } from "./measure.ts";

const port = 6002;
const place = "/opt/bench";

const sshdConfig = `HostKey ${place}/host-key
AuthorizedKeysFile ${place}/authorized-keys
UsePAM no
StrictModes no
PermitRootLogin no
`;

/** sshd from Debian's package: the machine's own apt lists name it. */
function unpackSshd(user: TestUser): string {
	const directory = join(user.directory, "openssh");
	mkdirSync(directory);
	wall(
		[
			"sh",
			"-c",
			`cd '${directory}' && apt-get -qq -o APT::Sandbox::User=root download openssh-server && dpkg-deb -x *.deb .`,
		],
		{
			env: { ...process.env },
		},
	);
	const sshd = join(directory, "usr/sbin/sshd");
	if (!existsSync(sshd)) throw new Error(`no sshd in ${readdirSync(directory).join(" ")}`);
	return sshd;
}

function makeKeys(user: TestUser): { host: string; client: string } {
	const make = (name: string): string => {
		const path = join(user.directory, name);
		wall(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], user);
		return path;
	};
	return { host: make("host-key"), client: make("client-key") };
}

async function startSshd(user: TestUser, vm: string, keys: { host: string; client: string }): Promise<void> {
	const config = join(user.directory, "sshd-config");
	writeFileSync(config, sshdConfig);
	await carryIn(user, vm, [
		{ from: "/usr/bin/socat", to: `${place}/socat`, mode: 0o755 },
		{ from: unpackSshd(user), to: "/usr/sbin/sshd", mode: 0o755 },
		{ from: config, to: `${place}/sshd-config`, mode: 0o644 },
		{ from: keys.host, to: `${place}/host-key`, mode: 0o600 },
		{ from: `${keys.client}.pub`, to: `${place}/authorized-keys`, mode: 0o644 },
	]);
	const account = "echo sshd:x:100:65534::/run/sshd:/bin/false >>/etc/passwd; mkdir -p /run/sshd";
	inGuest(user, vm, "sh", "-c", account);
}

/**
 * Resolves when the master is connected. The guest dials, because ssh sends its version at once, and who dials a guest must
 * wait for its OK first. In the guest the vsock itself is sshd's standard input; only here one socat stands between.
 */
async function startMaster(
	user: TestUser,
	vm: string,
	key: string,
): Promise<{ words: string[]; master: ChildProcess }> {
	const control = join(user.directory, "control");
	const config = join(user.directory, "ssh-config");
	const listener = join(user.runtime, vm, `vsock_${port}`);
	const settings = {
		User: "user",
		IdentityFile: key,
		IdentitiesOnly: "yes",
		ControlPath: control,
		BatchMode: "yes",
		LogLevel: "ERROR",
		StrictHostKeyChecking: "no",
		UserKnownHostsFile: "/dev/null",
		ProxyCommand: `socat - UNIX-LISTEN:${listener}`,
	};
	writeFileSync(
		config,
		["Host guest", ...Object.entries(settings).map(([name, value]) => `${name} ${value}`)].join("\n"),
	);
	const words = ["-F", config, "guest"];
	const master = spawn("ssh", ["-M", "-N", ...words], { env: user.env, stdio: ["ignore", "ignore", "inherit"] });
	await user.until("ssh listens", () => existsSync(listener));
	serveInGuest(
		...([user, vm, `${place}/socat`, `VSOCK-CONNECT:2:${port}`] as const),
		`EXEC:/usr/sbin/sshd -i -f ${place}/sshd-config,nofork`,
	);
	await user.until("ssh is connected", () => existsSync(control));
	return { words, master };
}

export async function benchSsh(user: TestUser, vm: string, pairs: number): Promise<Figure[]> {
	const keys = makeKeys(user);
	await startSshd(user, vm, keys);
	const { words, master } = await startMaster(user, vm, keys.client);
	try {
		const [ours, ssh] = await alternately(
			pairs,
			() => wall(["run-in-vm", vm, "true"], user).ms,
			() => wall(["ssh", ...words, "true"], user).ms,
		);
		show("run-in-vm of a running vm", ours, "ms");
		show("ssh through its ControlMaster", ssh, "ms");
		return [{ name: "warm run / ssh with ControlMaster", value: medianRatio(ours, ssh), unit: "", aim: { atMost: 1 } }];
	} finally {
		master.kill("SIGTERM");
	}
}
