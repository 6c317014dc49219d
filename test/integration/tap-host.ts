/**
 * A network of its own with the TAPs that a test makes: a user whose programs run within it (TestUserOptions.within) sees these and no
 * others. Needs root and /dev/net/tun. Its mounts are its own, too, since sysfs shows the network of whoever has mounted it.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isRoot } from "./fake-user.ts";

export const canMakeTaps = isRoot && existsSync("/dev/net/tun");

/** A user manager needs its cgroups. */
const script = `
set -e
mount --rbind /sys/fs/cgroup "$1"
mount -t sysfs sysfs /sys
mount --rbind "$1" /sys/fs/cgroup
umount -l "$1"
if [ "$2" != / ]; then
	mount --bind "$2" /proc/cpuinfo
	mknod -m 666 "$2.kvm" c 10 232
	mount --bind "$2.kvm" /dev/kvm
fi
ip link set lo up
echo ready
exec cat
`;

export interface TapHostOptions {
	/** Its processor is one for KVM, by its own word, and /dev/kvm anybody's, which must be there. Real guests can't run on that. */
	readonly hasKvm?: boolean;
}

/** As Linux has it of a processor with VT-x (arch/x86/kernel/cpu/proc.c). */
const cpuinfo = "processor\t: 0\nflags\t\t: fpu vmx sse2\n";

export class TapHost {
	readonly #anchor: ChildProcess;
	readonly #directory: string;
	readonly #cpuinfo: string;

	private constructor({ hasKvm }: TapHostOptions) {
		this.#directory = mkdtempSync(join(tmpdir(), "ql-taps-"));
		this.#cpuinfo = hasKvm === true ? `${this.#directory}.cpuinfo` : "/";
		if (hasKvm === true) writeFileSync(this.#cpuinfo, cpuinfo);
		const words = ["--mount", "--net", "--propagation", "private", "sh", "-c", script, "sh"];
		words.push(this.#directory, this.#cpuinfo);
		this.#anchor = spawn("unshare", words, { stdio: ["pipe", "pipe", "inherit"] });
	}

	/** With these TAPs, each as the vm of `id` in the default network needs it. */
	static async start(taps: Readonly<Record<string, number>>, options: TapHostOptions = {}): Promise<TapHost> {
		const host = new TapHost(options);
		const { stdout } = host.#anchor;
		if (stdout !== null) await once(stdout, "data");
		for (const [tap, id] of Object.entries(taps)) host.add(tap, id);
		return host;
	}

	/** What runs a program within it. */
	get within(): readonly string[] {
		return ["nsenter", "--target", String(this.#anchor.pid), "--mount", "--net"];
	}

	add(tap: string, id: number): void {
		this.sh(`ip tuntap add dev ${tap} mode tap`);
		this.sh(`ip address add 172.16.200.${id - 1}/31 dev ${tap} && ip link set ${tap} up`);
	}

	/** Throws where it fails. */
	sh(line: string): string {
		const [program = "", ...words] = [...this.within, "sh", "-c", line];
		const { status, stdout, stderr } = spawnSync(program, words, { encoding: "utf8" });
		if (status !== 0) throw new Error(`${line}: ${stderr}`);
		return stdout;
	}

	/** Its network goes with the last program in it. */
	async stop(): Promise<void> {
		const ended = once(this.#anchor, "exit");
		this.#anchor.stdin?.end();
		await ended;
		rmdirSync(this.#directory);
		if (this.#cpuinfo === "/") return;
		rmSync(this.#cpuinfo);
		rmSync(`${this.#cpuinfo}.kvm`);
	}
}
