/**
 * In the guest, as its ordinary user: carries what programs say to the host's display and sound from Unix sockets, which systemd holds, to vsock
 * ports of the host. Started with the first window or sound; ends with the guest.
 */
import type { Server } from "node:net";
import { createServer, type Socket } from "node:net";
import { hostSoundPort, hostWindowsPort } from "../../protocol/ports.ts";
import { connectVsock } from "../agent/vsock.ts";
import { carry } from "./carry.ts";
import { Lifeline } from "./lifeline.ts";

/** sd_listen_fds(3): the first descriptor that a service gets. */
const firstFd = 3;
/** The host's CID: vsock(7), VMADDR_CID_HOST. */
const hostCid = 2;
/** FileDescriptorName= of the socket unit. */
const ports: Readonly<Record<string, number>> = { windows: hostWindowsPort, sound: hostSoundPort };

const windows = new Lifeline(() => connectVsock(hostCid, hostWindowsPort));

/** Sound has none: it goes on where windows are cut, and a silent connection to it is one to the host's sound server. */
async function take(program: Socket, port: number): Promise<void> {
	const lifeline = port === hostWindowsPort ? await windows.get() : undefined;
	carry(program, await connectVsock(hostCid, port), lifeline);
}

function serve(port: number): Server {
	return createServer({ pauseOnConnect: true }, (program) => {
		take(program, port).catch((cause: Error) => {
			process.stderr.write(`qubes-lite: display: ${cause.message}\n`);
			program.destroy();
		});
	});
}

const names = (process.env.LISTEN_FDNAMES ?? "").split(":");
for (const [index, name] of names.entries()) {
	const port = ports[name];
	if (port !== undefined) serve(port).listen({ fd: firstFd + index });
}
