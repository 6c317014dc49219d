/** The attacks of ticket-attacks.ts on real guests, and a process in the guest that poses as its agent. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeHello, nonceBytes } from "../../src/protocol/control.ts";
import { hostControlPort } from "../../src/protocol/ports.ts";
import { ourVersions } from "../../src/protocol/version.ts";
import { nothingLeft, type Outcome, TestUser } from "./harness.ts";
import { attacks, execWith, hello, knockOnce, mark, permitToRun, type Target } from "./ticket-attacks.ts";

let user: TestUser;
let target: Target;

beforeAll(async () => {
	user = new TestUser({
		vms: [
			{ id: 5, name: "shopping", memory: 512 },
			{ id: 7, name: "banking", memory: 512 },
		],
	});
	target = { runtime: user.runtime, vm: "shopping", otherVm: "banking" };
	expect((await user.sh("qubes-lite start shopping banking")).status).toBe(0);
});

afterAll(async () => {
	expect(await user.leave(["shopping", "banking"])).toEqual(nothingLeft);
});

describe("the command port of a guest refuses", () => {
	for (const { what, run, answers } of attacks) {
		it(what, async () => {
			expect(await run(target)).toEqual(answers);
		});
	}

	it("a ticket that has expired", async () => {
		const permit = await permitToRun(target);
		const waits = (leases: readonly string[]): boolean => leases.some((lease) => lease.includes("about to run"));
		expect(waits(await user.leases("shopping"))).toBe(true);
		await user.until("it has expired", async () => !waits(await user.leases("shopping")), 20_000);
		expect(await knockOnce(permit.vsock, hello, execWith(permit))).toBe("expired: the ticket is too old");
		permit.leave();
	});

	it("all that with one line a minute on its console, and with nothing run", async () => {
		const console = readFileSync(join(user.runtime, "shopping/console.log"), "utf8");
		const lines = console.match(/agent: refused a connection to port 5000 whose ticket is not valid/g)?.length;
		expect([1, 2]).toContain(lines);
		expect((await user.run("shopping", "sh", "-c", `ls ${mark}*`)).stdout).toBe("");
	});

	it("a ticket of an earlier boot", async () => {
		const earlier = { ...target, vm: "banking" };
		const permit = await permitToRun(earlier);
		expect((await user.sh("qubes-lite stop --force banking && qubes-lite start banking")).status).toBe(0);
		expect(await knockOnce(permit.vsock, hello, execWith(permit))).toBe("refused: the ticket is not valid here");
	});
});

/** Dials the host as the agent does (guest/agent/vsock.ts), writes what it is given, prints what comes until the end. */
const dialer = `
	const native = require("/usr/lib/qubes-lite/koffi.node").load(null);
	const call = (signature) => native.func(signature);
	const fd = call("int socket(int domain, int type, int protocol)")(40, 1, 0);
	const address = Buffer.alloc(16);
	address.writeUInt16LE(40, 0);
	address.writeUInt32LE(${hostControlPort}, 4);
	address.writeUInt32LE(2, 8);
	if (call("int connect(int fd, const uint8_t *address, uint32_t length)")(fd, address, 16) !== 0) process.exit(3);
	const bytes = Buffer.from(process.argv[1], "hex");
	call("long write(int fd, const uint8_t *bytes, size_t length)")(fd, bytes, bytes.length);
	const read = call("long read(int fd, _Out_ uint8_t *bytes, size_t length)");
	const buffer = Buffer.alloc(4096);
	let said = "connected ";
	for (let length; (length = Number(read(fd, buffer, buffer.length))) > 0; ) said += buffer.toString("hex", 0, length);
	console.log(said + "closed");
`;

describe("the broker refuses a process in the guest that poses as its agent", () => {
	const dial = (words: string[], frame: Buffer): Promise<Outcome> =>
		user.run(...words, "shopping", "node", "-e", dialer, frame.toString("hex"));
	const nothing = { phases: [], sessions: [], cgroups: [], lastSession: 0 };
	const forged = (nonce: string): Buffer => encodeHello({ ...ourVersions, nonce, vm: "shopping", ...nothing });
	const refusals = (): string[] =>
		user
			.log()
			.split("\n")
			.filter((line) => line.includes('"guest.refused"') && line.includes("an agent is connected already"));

	it("whoever it is, and tells it once", async () => {
		const { stdout: nonce } = await user.run("-u", "root", "shopping", "cat", "/run/qubes-lite/nonce");
		expect(nonce).toMatch(/^[0-9a-f]{32}$/);
		expect((await user.run("shopping", "cat", "/run/qubes-lite/nonce")).status).toBe(1);
		for (const words of [[], ["-u", "root"]]) {
			for (const forgedNonce of [randomBytes(nonceBytes).toString("hex"), nonce]) {
				expect(await dial(words, forged(forgedNonce))).toMatchObject({
					status: 0,
					stdout: "connected closed\n",
					stderr: "",
				});
			}
		}
		expect(refusals()).toHaveLength(1);
		expect(await user.status("shopping")).toMatchObject({ flags: [] });
		expect((await user.run("shopping", "echo", "served")).stdout).toBe("served\n");
	});
});
