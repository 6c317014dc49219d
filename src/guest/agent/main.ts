/**
 * The agent: the one program of ours in the guest. It listens for sessions behind the vsock bridge, dials the broker
 * and says hello once everything behind port 5000 listens, and reports what lives. Ends only with the guest.
 */
import { spawn } from "node:child_process";
import { chmodSync, readFileSync, rmSync, watch } from "node:fs";
import { createServer } from "node:net";
import { protocolVersion } from "../../protocol/limits.ts";
import { BrokerConnection } from "./broker-connection.ts";
import { FifoStock } from "./fifos.ts";
import { bootNonce, memory, phaseTimes, vmName } from "./guest-state.ts";
import { agentPaths } from "./paths.ts";
import { GuestSession } from "./session.ts";
import { Sessions } from "./sessions.ts";

/** More than the 50 parallel runs that users make; the rest waits in the kernel's backlog. */
const connectionsMax = 256;

function log(text: string): void {
	process.stdout.write(`qubes-lite: agent: ${text}\n`);
}

function listen(sessions: Sessions): Promise<void> {
	rmSync(agentPaths.socket, { force: true });
	const server = createServer({ noDelay: true }, (socket) => new GuestSession(socket, sessions));
	server.maxConnections = connectionsMax;
	return new Promise((resolve, reject) => {
		server.once("error", reject);
		server.listen({ path: agentPaths.socket, backlog: 128 }, () => {
			chmodSync(agentPaths.socket, 0o600);
			resolve();
		});
	});
}

/** Resolves once the bridge from vsock port 5000 to our socket listens, as it says itself. */
function bridgeListens(): Promise<void> {
	return new Promise((resolve) => {
		const look = (): void => {
			let text = "";
			try {
				text = readFileSync(agentPaths.listenerLog, "utf8");
			} catch {}
			if (!text.includes("listening on")) return;
			watcher.close();
			resolve();
		};
		const watcher = watch(agentPaths.runtime, look);
		look();
	});
}

const nonce = bootNonce();
let connection: BrokerConnection | undefined;
let goingDown = false;
const fifos = new FifoStock(agentPaths.fifos);
const sessions = new Sessions(fifos, () => connection?.beat());
/** Not waited for: a session that comes before the stock is full waits for it itself. */
void fifos.fill().catch((cause: unknown) => log(`cannot make pipes: ${String(cause)}`));
await listen(sessions);
await bridgeListens();
connection = new BrokerConnection({
	hello: () => ({ version: protocolVersion, nonce, vm: vmName(), phases: phaseTimes(), ...sessions.report() }),
	report: () => {
		const { sessions: living, cgroups } = sessions.report();
		return { sessions: living, cgroups, memory: memory() };
	},
	announce: (expect) => !goingDown && sessions.announce(expect),
	clientGone: (session) => sessions.clientGone(session),
	powerOff: (graceMs) => {
		if (goingDown) return;
		goingDown = true;
		void sessions.endAll(graceMs).then(() => {
			spawn(agentPaths.powerOff, { stdio: "inherit" }).on("error", (cause) =>
				log(`cannot power off: ${cause.message}`),
			);
		});
	},
	log,
});
connection.dial();
