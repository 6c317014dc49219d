/**
 * Another network, joined to a TapHost's by a pair of veth devices: what is outside, or a stand-in for a guest whose TAP a veth device
 * of that name takes the place of. Needs root.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { execa } from "execa";
import type { TapHost } from "./tap-host.ts";

export interface Link {
	/** The host's device, and its address there with the prefix. */
	readonly device: string;
	readonly at: string;
	/** The neighbour's, on its "eth0". */
	readonly address: string;
	/** What has no other route goes there. */
	readonly gateway?: string;
}

/** Answers everybody who connects with the address that they are seen with. */
const server = `
	const net = require("node:net");
	net.createServer((socket) => {
		socket.on("error", () => {});
		socket.end(socket.remoteAddress.replace("::ffff:", "") + "\\n");
	}).listen(Number(process.argv[1]), () => console.log("listening"));
`;

/** Prints what a server says, or how it can't be reached. */
const client = `
	const [host, port, localAddress] = process.argv.slice(1);
	const socket = require("node:net").connect({ host, port: Number(port), localAddress: localAddress || undefined });
	const end = (word) => { console.log(word); process.exit(); };
	socket.setTimeout(2000, () => end("nothing"));
	socket.on("error", ({ code }) => end(code));
	socket.on("data", (data) => end(String(data).trim()));
`;

/** One place in a network, from which others are reached or not. */
export class Place {
	readonly within: readonly string[];
	readonly #servers: ChildProcess[] = [];

	constructor(within: readonly string[]) {
		this.within = within;
	}

	/** Rejects where it fails. */
	async run(...words: readonly string[]): Promise<string> {
		const [program = "", ...rest] = [...this.within, ...words];
		return (await execa(program, rest)).stdout;
	}

	/** Says "172.16.200.5" to whoever connects from there. */
	async serve(port: number): Promise<void> {
		const [program = "", ...rest] = [...this.within, process.execPath, "-e", server, String(port)];
		const child = spawn(program, rest, { stdio: ["ignore", "pipe", "inherit"] });
		this.#servers.push(child);
		if (child.stdout !== null) await once(child.stdout, "data");
	}

	/** What the server there says, "nothing" after 2 s of silence, or an errno name. */
	connect(host: string, port: number, from = ""): Promise<string> {
		return this.run(process.execPath, "-e", client, host, String(port), from);
	}

	async pings(host: string): Promise<boolean> {
		return await this.run("busybox", "ping", "-c", "1", "-W", "2", host).then(
			() => true,
			() => false,
		);
	}

	async stop(): Promise<void> {
		for (const child of this.#servers.splice(0)) {
			const ended = once(child, "exit");
			child.kill();
			await ended;
		}
	}
}

export class Neighbour extends Place {
	readonly #anchor: ChildProcess;

	private constructor(anchor: ChildProcess) {
		super(["nsenter", "--target", String(anchor.pid), "--mount", "--net"]);
		this.#anchor = anchor;
	}

	static async start(host: TapHost, { device, at, address, gateway }: Link): Promise<Neighbour> {
		const [program = "", ...words] = [...host.within, "unshare", "--net", "sh", "-c", "echo ready; exec cat"];
		const anchor = spawn(program, words, { stdio: ["pipe", "pipe", "inherit"] });
		await once(anchor.stdout, "data");
		host.sh(`ip link add ${device} type veth peer name eth0 netns ${anchor.pid}`);
		host.sh(`ip address add ${at} dev ${device} && ip link set ${device} up`);
		const neighbour = new Neighbour(anchor);
		const route = gateway === undefined ? "" : ` && ip route add default via ${gateway}`;
		const up = "ip link set lo up && ip link set eth0 up";
		await neighbour.run("sh", "-c", `ip address add ${address} dev eth0 && ${up}${route}`);
		return neighbour;
	}

	/** Its network goes with the last program in it, and the host's device with that. */
	override async stop(): Promise<void> {
		await super.stop();
		const ended = once(this.#anchor, "exit");
		this.#anchor.stdin?.end();
		await ended;
	}
}
