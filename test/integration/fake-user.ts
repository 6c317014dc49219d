/** A user whose PATH leads to fakes of QEMU and its helpers: the real client, broker and supervisor, and boots of milliseconds. */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";
import { chownAll, fakeCache, TestUser, type TestUserOptions } from "../e2e/harness.ts";
import { type Orders, order, readStarts, readViolations } from "../fakes/fake-guest-orders.ts";
import { installFakeCrosvm } from "../fixtures/install-fake-crosvm.ts";
import { isSoak } from "../rounds.ts";

export const isRoot = process.getuid?.() === 0;
/** Nobody's, in Debian: it owns nothing that the tests need. */
export const otherUid = 65534;

/**
 * Whose user manager, policy or runs are tested: nobody's, since root hides faults; with the full counts also the tests' own. undefined is the
 * tests' own user.
 */
export const managerUids = isRoot ? (isSoak ? [undefined, otherUid] : [otherUid]) : [undefined];

export type FakeUserOptions = TestUserOptions;

/** The fake guest runs the agent's own sessions, which look for it beside their bundle. */
const koffi = fileURLToPath(
	new URL("../../node_modules/@koromix/koffi-linux-x64/linux_x64/koffi.node", import.meta.url),
);

/** By which a virtiofsd that can do what is asked of it is known (vmm/virtiofsd.ts). */
const help = "--translate-uid";

export class FakeUser extends TestUser {
	/** First on PATH. All that runs has it in its environment, which is how the census knows it. */
	readonly fakes: string;
	readonly cache: string;
	/** A fake guest is in many a state for some 100 ms only. */
	protected override readonly longestPauseMs = 50;

	constructor(options: FakeUserOptions) {
		super(options);
		this.fakes = join(this.directory, "fakes");
		this.cache = join(this.directory, "cache");
		mkdirSync(this.fakes);
		this.env.XDG_CACHE_HOME = options.env?.XDG_CACHE_HOME ?? fakeCache(this.cache);
		this.env.PATH = `${this.fakes}:${this.env.PATH}`;
		symlinkSync(koffi, join(this.fakes, "koffi.node"));
		this.#install("qemu-system-x86_64", "fake-guest", this.fakes);
		if (JSON.stringify([options.config, options.vms]).includes('"hypervisor":"crosvm"')) installFakeCrosvm(this.fakes);
		this.#install("vhost-device-vsock", "fake-vhost-device-vsock", "");
		this.#install("virtiofsd", "fake-virtiofsd", "");
		if (options.uid !== undefined) chownAll(this.directory, options.uid);
	}

	/** What the starts of `vm` from now on do, one after the other; also what a running one does, if there is one order. */
	order(vm: string, ...orders: readonly Orders[]): void {
		order(this.fakes, vm, orders);
	}

	/** How often the vmm of `vm` has been started. */
	starts(vm: string): number {
		return readStarts(this.fakes, vm).length;
	}

	/** The vmm's process, as it noted itself down. */
	vmmPid(vm: string): number {
		const pid = readStarts(this.fakes, vm).at(-1);
		if (pid === undefined) throw new Error(`no vmm of ${vm} has been started`);
		return pid;
	}

	/** Connects to a socket below the runtime directory, as any process of the user's, or of the guest's, could. */
	connect(name: string): Promise<Socket> {
		return new Promise((resolve, reject) => {
			const socket = connect(join(this.runtime, name), () => resolve(socket));
			socket.on("error", reject);
		});
	}

	/** As a client does: one that has nothing to do may have left just before, and then there is another. */
	async connectBroker(): Promise<Socket> {
		for (let left = 5; left > 0; left--) {
			const socket = await this.connect("broker.sock").catch(() => undefined);
			if (socket !== undefined) return socket;
			await this.sh("qubes-lite ls -q");
		}
		return await this.connect("broker.sock");
	}

	/** Connections to the broker, as the kernel lists them beside the listening socket itself (proc(5), /proc/net/unix). */
	countClients(): number {
		const broker = join(this.runtime, "broker.sock");
		const sockets = readFileSync("/proc/net/unix", "utf8").split("\n");
		return sockets.filter((line) => line.endsWith(broker)).length - 1;
	}

	/** The lines that commands have appended to `name` in the user's directory. */
	lines(name: string): string[] {
		return readFileSync(join(this.directory, name), "utf8").split("\n").slice(0, -1);
	}

	/** "ready", "idle" and so on. */
	async stateOf(vm: string): Promise<string> {
		return (await this.status(vm)).state;
	}

	override async leave(vms: readonly string[]): ReturnType<TestUser["leave"]> {
		const violations = readViolations(this.fakes);
		const census = await super.leave(vms);
		return { ...census, processes: [...census.processes, ...violations] };
	}

	/** Bundled, because node takes four times as long to start on TypeScript that imports ours. */
	#install(program: string, fake: string, firstWord: string): void {
		const bundle = join(this.fakes, `${fake}.mjs`);
		buildSync({
			entryPoints: [fileURLToPath(new URL(`../fakes/${fake}.ts`, import.meta.url))],
			outfile: bundle,
			bundle: true,
			platform: "node",
			format: "esm",
		});
		const words = [process.execPath, bundle, firstWord].filter((word) => word !== "").map((word) => `'${word}'`);
		const script = `#!/bin/sh
[ "$1" != --version ] || { echo '${program} (fake) version 9.9.9'; exit; }
[ "$1" != --help ] || { echo '${help}'; exit; }
exec ${words.join(" ")} "$@"
`;
		writeFileSync(join(this.fakes, program), script, { mode: 0o755 });
	}
}
