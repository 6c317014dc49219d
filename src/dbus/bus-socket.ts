/** The first words of every client of a bus (D-Bus specification, "Authentication Protocol"), by whose answer a bus is known. */
import { connect, type Socket } from "node:net";

/** "OK", a GUID of 32 digits, and the line's end. */
const answerBytes = 64;

/**
 * Resolves with a socket whose bus has agreed to who we are, and which its owner begins to use with "BEGIN\r\n". Rejects with the
 * reason where that takes longer than `withinMs`, or what answers is no bus.
 */
export async function openBusSocket(path: string, withinMs: number): Promise<Socket> {
	const { promise, resolve, reject } = Promise.withResolvers<void>();
	const timer = setTimeout(() => reject(new Error(`no answer within ${withinMs} ms`)), withinMs);
	const socket = connect(path);
	let answer = "";
	const hear = (chunk: Buffer): void => {
		answer += chunk.toString("latin1");
		if (/^OK [^\r\n]*\r\n$/.test(answer)) resolve();
		else if (answer.startsWith("REJECTED")) reject(new Error("it refuses us"));
		else if (!"OK ".startsWith(answer.slice(0, 3)) || answer.length > answerBytes) {
			if (!"REJECTED".startsWith(answer)) reject(new Error("it does not speak D-Bus"));
		}
	};
	socket.on("error", reject);
	socket.once("end", () => reject(new Error("it hangs up")));
	socket.on("data", hear);
	socket.write(`\0AUTH EXTERNAL ${Buffer.from(String(process.getuid?.() ?? 0)).toString("hex")}\r\n`);
	try {
		await promise;
		return socket;
	} catch (cause) {
		socket.destroy();
		throw cause;
	} finally {
		clearTimeout(timer);
		socket.off("data", hear);
	}
}
