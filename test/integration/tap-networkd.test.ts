/** The files of `qubes-lite host tap --print --format=networkd`, given to the real systemd-networkd in a network of the test's own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { TestUser } from "../e2e/harness.ts";
import { canMakeTaps, TapHost } from "./tap-host.ts";

const networkd = "/lib/systemd/systemd-networkd";

/** It runs as its own user, who has to reach /dev/net/tun, and asks no udev where /sys is read-only, as in a container. */
const prepare = `
mount -o remount,ro /sys
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/netif
chown -R systemd-network: /run/systemd/netif
mknod -m 666 /run/tun c 10 200
mount --bind /run/tun /dev/net/tun
`;

async function end(child: ChildProcess): Promise<void> {
	if (child.exitCode !== null || child.signalCode !== null) return;
	const ended = once(child, "exit");
	child.kill();
	await ended;
}

describe.runIf(canMakeTaps && existsSync(networkd))("systemd-networkd", () => {
	let host: TapHost;
	let user: TestUser;
	let running: ChildProcess | undefined;

	beforeEach(async () => {
		host = await TapHost.start({});
		const vms = [
			{ id: 5, name: "shopping" },
			{ id: 13, name: "vault", network: false },
		];
		user = new TestUser({ vms, within: host.within, config: { user: "nobody", disposablePool: { ids: [101] } } });
	});

	afterEach(async () => {
		if (running !== undefined) await end(running);
		rmSync(user.directory, { recursive: true });
		await host.stop();
	});

	it("makes the TAPs as the commands would, complains of nothing, and lets the rules be loaded beside its own", async () => {
		const files = join(user.directory, "network");
		const written = await user.sh(`qubes-lite host tap --print --format=networkd --out ${files}`);
		expect(written).toMatchObject({ status: 0 });
		// It is for root, and not for networkd's user.
		host.sh(`${prepare}chmod 755 ${files} && mount --bind ${files} /etc/systemd/network`);
		const [program = "", ...words] = [...host.within, networkd];
		const child = spawn(program, words, { stdio: ["ignore", "ignore", "pipe"] });
		running = child;
		let said = "";
		child.stderr.on("data", (chunk: Buffer) => {
			said += chunk;
		});
		const masquerade = () => host.sh("nft list ruleset");
		await user.until("both are configured", () => /4\/31.*100\/31/s.test(masquerade()));
		expect(host.sh("ip tuntap")).toBe(
			"ql-d101: tap vnet_hdr persist user 65534\nql-shopping: tap vnet_hdr persist user 65534\n",
		);
		expect(host.sh("ip -br -4 address | tr -s ' '")).toMatch(
			/ql-d101 DOWN 172\.16\.200\.100\/31 \nql-shopping DOWN 172\.16\.200\.4\/31 \n/,
		);
		expect(host.sh("ip -br link show ql-shopping")).toContain("UP>");
		expect(host.sh("cat /proc/sys/net/ipv4/ip_forward")).toBe("1\n");
		expect(host.sh("ip -6 address show dev ql-shopping")).toBe("");
		host.sh(`nft -f ${files}/qubes-lite.nft && nft list table inet qubes-lite`);
		await end(child);
		expect(said).not.toMatch(/unknown|invalid|ignoring|failed|deprecated/i);
	});
});
