/**
 * The agent: the one program of ours in the guest. It listens for sessions on vsock port 5000, then dials the broker
 * and says hello, and reports what lives. Ends only with the guest.
 */
import { guestCommandPort, hostControlPort } from "../../protocol/ports.ts";
import { ourVersions } from "../../protocol/version.ts";
import { readInto } from "./blocks.ts";
import { BrokerConnection } from "./broker-connection.ts";
import { SessionCgroups } from "./cgroup.ts";
import { baseEnvironment, createStartCommand } from "./command.ts";
import { Connection } from "./connection.ts";
import { bootNonce, memory, phaseTimes, vmName } from "./guest-state.ts";
import { agentPaths } from "./paths.ts";
import { startProcess } from "./process.ts";
import { catchUp } from "./resume.ts";
import { SessionNumbers } from "./session-numbers.ts";
import { clientsMax, Sessions } from "./sessions.ts";
import { findUser } from "./users.ts";
import { connectVsock, listenVsock } from "./vsock.ts";

/**
 * Sessions with a client, which hear why when there are too many, and as many that have shown no ticket yet. Beyond that
 * they are closed, unread: who connects so often is no client of ours.
 */
const connectionsMax = 2 * clientsMax;
/** As many may come at the same moment. */
const backlog = 128;
/** The host's CID: vsock(7), VMADDR_CID_HOST. */
const hostCid = 2;

function log(text: string): void {
	process.stdout.write(`qubes-lite: agent: ${text}\n`);
}

/** Node's own way to start a program would be loaded at each boot, for this alone. */
function startPowerOff(): void {
	const root = { uid: 0, gid: 0, groups: [] };
	startProcess({ argv: [agentPaths.powerOff], env: {}, cwd: "/", credentials: root, stdio: [0, 1, 2] });
}

const nonce = bootNonce();
let connection: BrokerConnection | undefined;
let goingDown = false;
const sessions = new Sessions({
	cgroups: new SessionCgroups(),
	startCommand: createStartCommand({ findUser, environment: baseEnvironment }),
	numbers: new SessionNumbers(agentPaths.lastSession),
	changed: () => connection?.beat(),
	knocked: () => connection?.look(),
	log,
});
listenVsock({ port: guestCommandPort, backlog, most: connectionsMax }, (open) => {
	new Connection((take) => open(readInto(take)), sessions);
});
connection = new BrokerConnection({
	connect: () => connectVsock(hostCid, hostControlPort),
	hello: () => ({ ...ourVersions, nonce, vm: vmName(), phases: phaseTimes(), ...sessions.report() }),
	report: () => {
		const { lastSession: _, ...living } = sessions.report();
		const ended = sessions.ends();
		return { ...living, ...(ended.length > 0 && { ended }), memory: memory() };
	},
	endsTold: (ended) => sessions.endsTold(ended),
	isGoingDown: () => goingDown,
	announce: (expect) => sessions.announce(expect),
	list: () => sessions.list(),
	clientGone: (session) => sessions.clientGone(session),
	resumed: (resumed) => catchUp(resumed, log),
	powerOff: (graceMs) => {
		if (goingDown) return;
		goingDown = true;
		void sessions
			.endAll(graceMs)
			.then(startPowerOff)
			.catch((cause: Error) => log(`cannot power off: ${cause.message}`));
	},
	log,
});
connection.dial();
