/** Many starts and stops under systemd: the broker, the bus and systemd keep nothing of them. */
import { readdirSync, readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { expect, it } from "vitest";
import { callBroker } from "../../src/cli/broker-client.ts";
import { type BrokerRequest, encodeRequest } from "../../src/protocol/broker.ts";
import { nothingLeft } from "../e2e/harness.ts";
import { rounds } from "../rounds.ts";
import { startedByClient } from "./broker-places.ts";

const vms = [
	{ id: 5, name: "shopping" },
	{ id: 7, name: "disp", disposable: true },
];

it("file descriptors, memory, match rules and units stay as they are", async () => {
	const place = await startedByClient("systemd", vms);
	const { user, manager } = place;
	const ask = (request: BrokerRequest) => callBroker(user.env, encodeRequest(request));
	const cycle = async (round: number): Promise<void> => {
		await ask({ method: "start", vm: "shopping" });
		await ask({ method: "stop", vm: "shopping", force: round % 2 === 0 });
		if (round % 10 === 0) expect((await user.run("--disposable", "true")).status).toBe(0);
	};
	const measure = async () => {
		await user.until("all is at rest", () => user.vmmPids().length === 0);
		const broker = user.brokerPid();
		const said = async (...words: string[]) => (await manager?.run(words[0] ?? "", ...words.slice(1)))?.stdout ?? "";
		const stats = ["org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus.Debug.Stats"];
		const rules = await said("busctl", "--user", "--json=short", "call", ...stats, "GetAllMatchRules");
		const units = await said("systemctl", "--user", "list-units", "--all", "--plain", "--no-legend", "qubes-lite*");
		const rss = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${broker}/status`, "utf8"))?.[1];
		return {
			flat: {
				broker,
				fds: readdirSync(`/proc/${broker}/fd`).length,
				rules: rules.split("type='signal'").length - 1,
				units: units.trim().split("\n").length,
				ended: readdirSync(user.runtime, { recursive: true }).length,
			},
			rssMiB: Number(rss) / 1024,
		};
	};
	/** What a test starts in its own process does not find the bundle of the broker. */
	const release = await user.keepBroker();
	for (let round = 0; round < 10; round++) await cycle(round);
	const before = await measure();
	expect(before.flat.rules).toBeGreaterThan(0);
	for (let round = 0; round < rounds(12, 200); round++) await cycle(round);
	let after = await measure();
	/** What the last round has used goes a little later. */
	for (let looks = 0; looks < 20 && !isDeepStrictEqual(after.flat, before.flat); looks++) after = await measure();
	expect(after.flat).toEqual(before.flat);
	expect(after.rssMiB - before.rssMiB).toBeLessThan(32);
	await release();
	expect(await place.leave()).toEqual(nothingLeft);
}, 600_000);
