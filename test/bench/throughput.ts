/**
 * A command's output and input through a session, against socat at both ends of the same vsock with the same command: what
 * frames, windows, agent and client cost. Delivery is confirmed each time: by the number of bytes, or by the command's word.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, truncateSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import type { TestUser } from "../e2e/harness.ts";
import { carryIn, guestCpu, inGuest, serveInGuest } from "./guest-tools.ts";
import { alternately, type Figure, median, medianRatio, show, wall } from "./measure.ts";

const mebibyte = 1024 * 1024;
const block = 65_536;
const ports = { output: 6000, input: 6001 };
const aim = { atLeast: 0.6 };

/** dd of so many blocks, as words. */
const writes = (bytes: number): string[] => ["dd", "if=/dev/zero", `bs=${block}`, `count=${bytes / block}`];
const reads = (bytes: number): string[] => [
	...["dd", "of=/dev/null", `bs=${block}`, `count=${bytes / block}`, "iflag=fullblock"],
];
const quietly = (words: readonly string[]): string => `${words.join(" ")} 2>/dev/null`;

export async function benchThroughput(user: TestUser, vm: string, pairs: number, size: number): Promise<Figure[]> {
	const bytes = size * mebibyte;
	await carryIn(user, vm, [{ from: "/usr/bin/socat", to: "/opt/bench/socat", mode: 0o755 }]);
	const listen = (port: number): string => `VSOCK-LISTEN:${port},fork,reuseaddr`;
	const socat = ["/opt/bench/socat", "-b", String(block)];
	serveInGuest(user, vm, ...socat, "-U", listen(ports.output), `SYSTEM:${quietly(writes(bytes))},pipes`);
	serveInGuest(user, vm, ...socat, "-t", "0", listen(ports.input), `SYSTEM:${quietly(reads(bytes))}; echo done,pipes`);
	inGuest(user, vm, "sh", "-c", "until pidof socat >/dev/null; do sleep 0.1; done");
	return [...(await benchOutput(user, vm, pairs, bytes)), ...(await benchInput(user, vm, pairs, bytes))];
}

async function benchOutput(user: TestUser, vm: string, pairs: number, bytes: number): Promise<Figure[]> {
	const sink = join(user.directory, "sink");
	const request = join(user.directory, "request-output");
	writeFileSync(request, `CONNECT ${ports.output}\n`);
	const ours = (): number =>
		wall(["sh", "-c", `exec run-in-vm ${vm} sh -c '${quietly(writes(bytes))}' >/dev/null`], user).ms;
	/** `ignoreeof`: the request is all that it sends. */
	const theirs = (): number => {
		const line = `socat -b ${block} -t 0 OPEN:${request},rdonly,ignoreeof!!- UNIX-CONNECT:${user.runtime}/${vm}/vsock`;
		return wall(["sh", "-c", `exec ${line} >${sink}`], user).ms;
	};
	theirs();
	const arrived = wall(["sh", "-c", `wc -c <${sink}`], { env: user.env, readsOutput: true }).stdout.trim();
	if (Number(arrived) < bytes) throw new Error(`socat brought ${arrived} of ${bytes} bytes`);
	truncateSync(sink);
	return await compare(user, vm, pairs, bytes, "output", ours, theirs);
}

async function benchInput(user: TestUser, vm: string, pairs: number, bytes: number): Promise<Figure[]> {
	const zeros = join(user.directory, "zeros");
	writeFileSync(zeros, "");
	truncateSync(zeros, bytes);
	const ours = (): number => {
		const stdin = openSync(zeros, "r");
		try {
			return wall(["run-in-vm", vm, "sh", "-c", quietly(reads(bytes))], { env: user.env, stdin }).ms;
		} finally {
			closeSync(stdin);
		}
	};
	const theirs = async (): Promise<number> => {
		const guest = await openPort(join(user.runtime, vm, "vsock"), ports.input);
		const beganAt = performance.now();
		const words = ["-b", String(block), "-t", "60", `OPEN:${zeros},rdonly!!STDOUT`, "FD:3,shut-none"];
		const socat = spawn("socat", words, { stdio: ["ignore", "pipe", "inherit", guest] });
		let said = "";
		socat.stdout?.on("data", (chunk: Buffer) => {
			said += chunk.toString();
		});
		await once(socat, "close");
		const ms = performance.now() - beganAt;
		guest.destroy();
		if (said !== "done\n") throw new Error(`socat's command did not end: ${said}`);
		return ms;
	};
	return await compare(user, vm, pairs, bytes, "input", ours, theirs);
}

/** A connection to the guest's port. Nothing may be sent before its OK: vhost-device-vsock drops what comes with the request. */
async function openPort(vsock: string, port: number): Promise<Socket> {
	const socket = connect(vsock);
	socket.write(`CONNECT ${port}\n`);
	const [answer] = await once(socket, "data");
	if (!/^OK \d+\n$/.test(answer.toString())) throw new Error(`the guest's port ${port} answers ${answer}`);
	socket.pause();
	return socket;
}

async function compare(
	user: TestUser,
	vm: string,
	pairs: number,
	bytes: number,
	what: string,
	ours: () => number,
	theirs: () => number | Promise<number>,
): Promise<Figure[]> {
	const before = guestCpu(user, vm);
	ours();
	const after = guestCpu(user, vm);
	const idle = guestCpu(user, vm);
	const [oursMs, theirsMs] = await alternately(pairs, ours, theirs);
	show(`${what} by run-in-vm, ${bytes / mebibyte} MiB`, oursMs, "ms");
	show(`${what} by socat`, theirsMs, "ms");
	/** Asking costs, too: what it costs alone is taken off. */
	const cost = idle.busyMs - after.busyMs;
	const agentMs = after.agentMs - before.agentMs - (idle.agentMs - after.agentMs);
	console.log(
		`  one run kept the guest's processor busy for ${after.busyMs - before.busyMs - cost} ms, the agent for ${agentMs} of them`,
	);
	const rate = (ms: number): number => bytes / mebibyte / (ms / 1000);
	return [
		{ name: `${what}: run-in-vm / socat`, value: medianRatio(theirsMs, oursMs), unit: "", aim },
		{ name: `${what} of a real guest`, value: rate(median(oursMs)), unit: "MiB/s", aim: null },
	];
}
