/** What people mistype, and what machines lack: one clear sentence with a remedy, the right status, nothing left behind. */
import { chmodSync, chownSync, mkdirSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nothingLeft, type Outcome } from "../e2e/harness.ts";
import { FakeUser, isRoot, otherUid } from "./fake-user.ts";

let user: FakeUser;
const badHellos = ["never", "ofAnotherVm", "ofAnotherVersion", "garbage", "oversized"] as const;
/** The vm of each, which boots with it. */
const vmOf = (hello: (typeof badHellos)[number]): string => `bad-${badHellos.indexOf(hello)}`;

beforeAll(() => {
	user = new FakeUser({
		vms: [
			{ id: 5, name: "shopping" },
			{ id: 7, name: "banking" },
			...badHellos.map((hello, index) => ({ id: 9 + 2 * index, name: vmOf(hello), bootTimeout: 6 })),
		],
	});
});

afterAll(async () => {
	expect(await user.leave(["shopping", "banking", ...badHellos.map(vmOf)])).toEqual(nothingLeft);
});

/** Status, silence on stdout, the sentence, and a remedy below it. */
function expectRefusal(outcome: Outcome, status: number, sentence: RegExp | string): void {
	expect(outcome).toMatchObject({ status, stdout: "" });
	const [first = "", second = ""] = outcome.stderr.split("\n");
	expect(first).toMatch(sentence);
	expect(second).toMatch(/^ {2}→ ./);
	expect(outcome.stderr).not.toMatch(/\p{Cc}(?<!\n)/u);
}

/** Runs `line` with other variables, and with a runtime directory of their own where `XDG_RUNTIME_DIR` is one of them. */
function shWith(env: Readonly<Record<string, string>>, line: string): Promise<Outcome> {
	const words = Object.entries(env).map(([name, value]) => `${name}='${value}'`);
	return user.sh(`${words.join(" ")} ${line}`);
}

describe("run-in-vm's command line", () => {
	it.each([
		["", /which VM\?/],
		["shopping", /which command is to run in the vm shopping\?/],
		["shopping --", /which command/],
		["--quite shopping true", /no option --quite; did you mean --quiet\?/],
		["--timeout=soon shopping true", /--timeout needs seconds/],
		["--timeout 0 shopping true", /--timeout needs seconds/],
		["--quiet=yes shopping true", /--quiet takes no value/],
		["--status-fd 999 shopping true", /no such file descriptor/],
		["-- shopping true", /VM is missing/],
	])("refuses 'run-in-vm %s'", async (words, sentence) => {
		expectRefusal(await user.sh(`run-in-vm ${words}`), 125, sentence);
	});

	it("names the nearest vm", async () => {
		expectRefusal(await user.run("shoping", "true"), 125, "there is no vm 'shoping'; did you mean 'shopping'?");
	});

	it.each(["../x", "a;b", "$(x)", "%n", "a\nb", "x".repeat(300), "shоpping", "Shopping", "", "a\x1b[31m"])(
		"refuses the vm name %j",
		async (name) => {
			expectRefusal(await user.run(name, "true"), 125, /is not a vm name/);
		},
	);

	it("refuses an argument that is not UTF-8", async () => {
		expectRefusal(await user.sh(`run-in-vm shopping echo "$(printf 'a\\377b')"`), 125, /not valid UTF-8/);
	});

	it("passes an argument of 131,071 bytes", async () => {
		const outcome = await user.run("shopping", "sh", "-c", 'printf %s "$1" | wc -c', "sh", "x".repeat(131_071));
		expect(outcome).toMatchObject({ status: 0, stdout: "131071\n" });
	});

	it("refuses with -n to start a vm that is down, and runs in one that is up", async () => {
		expectRefusal(await user.run("-n", "banking", "true"), 125, /banking is stopped, and this run must not start it/);
		expect((await user.run("-n", "shopping", "true")).status).toBe(0);
	});

	it("says on --status-fd whose status it is", async () => {
		const statusOf = async (words: string): Promise<object> =>
			JSON.parse((await user.sh(`run-in-vm --status-fd 3 ${words} 3>&1 >/dev/null 2>&1`)).stdout);
		expect(await statusOf("shopping sh -c 'exit 127'")).toMatchObject({
			schema: 1,
			status: 127,
			by: "command",
			code: 127,
		});
		expect(await statusOf("shopping no-such")).toMatchObject({ status: 127, by: "start", failure: "notFound" });
		expect(await statusOf("nosuchvm true")).toMatchObject({ status: 125, by: "qubes-lite", code: "NoSuchVm" });
	});

	it("works with closed standard streams", async () => {
		expect((await user.sh("run-in-vm shopping true <&- >&- 2>&-")).status).toBe(0);
	});
});

describe("qubes-lite's command line", () => {
	it.each([
		["", /which command\?/],
		["lst", /no command 'lst'; did you mean 'ls'\?/],
		["ls extra", /'extra' is one word too many/],
		["ls --jsno", /--jsno/],
		["stop", /which VM\?/],
		["status a b", /'b' is one word too many/],
	])("refuses 'qubes-lite %s' with status 2", async (words, sentence) => {
		expectRefusal(await user.sh(`qubes-lite ${words}`), 2, sentence);
	});

	it("fails with status 1 on a vm that does not exist, and does the others", async () => {
		const outcome = await user.sh("qubes-lite start shopping nosuch");
		expect(outcome.status).toBe(1);
		expect(outcome.stderr).toContain("there is no vm 'nosuch'");
	});
});

describe("a configuration that is wrong", () => {
	const refuse = async (text: string, ...sentences: RegExp[]): Promise<void> => {
		const other = new FakeUser({ vms: [] });
		writeFileSync(other.env.QUBES_LITE_CONFIG ?? "", text);
		const outcome = await other.run("shopping", "true");
		expect(outcome.status).toBe(125);
		for (const sentence of sentences) expect(outcome.stderr).toMatch(sentence);
		expect(await other.leave([])).toEqual(nothingLeft);
	};

	it("is refused with line and column where it is not JSON", () =>
		refuse('{"version":1,\n "vms":[}', /config\.json.*line 2/s));

	it("is refused with all its problems at once", () =>
		refuse(
			'{"version":1,"vms":[{"id":4,"name":"Bad Name"},{"id":5,"name":"a","memroy":1},{"id":5,"name":"a"}]}',
			/vms\[0\]\.id/,
			/vms\[0\]\.name/,
			/memroy.*memory/,
			/vms\[2\]\.id/,
			/vms\[2\]\.name/,
		));

	it("is refused where a named file is missing", async () => {
		const outcome = await new FakeUserIn({ QUBES_LITE_CONFIG: "/nonexistent/config.json" }).run();
		expectRefusal(outcome, 125, /\/nonexistent\/config\.json/);
	});
});

describe("a machine that lacks something", () => {
	it.each([
		["qemu-system-x86_64", /qemu-system-x86_64 is not installed/, /apt-get install qemu-system-x86/],
		["vhost-device-vsock", /vhost-device-vsock is not installed/, /qubes-lite image build/],
	])("says that %s is missing", async (program, sentence, remedy) => {
		const other = new FakeUser({ vms: [{ id: 5, name: "shopping" }] });
		rmSync(join(other.fakes, program));
		const tools = join(other.directory, "tools");
		mkdirSync(tools);
		for (const tool of ["flock", "sh", "setsid", "dd", "mkfifo", "mv", "rm", "sleep", "wc"])
			symlinkSync(`/usr/bin/${tool}`, join(tools, tool));
		other.env.PATH = `${(other.env.PATH ?? "").split(":").slice(0, 2).join(":")}:${tools}`;
		const outcome = await other.run("shopping", "true");
		expectRefusal(outcome, 125, sentence);
		expect(outcome.stderr).toMatch(remedy);
		expect(await other.leave(["shopping"])).toEqual(nothingLeft);
	});

	it("says that the guest image is missing, or damaged", async () => {
		const other = new FakeUser({ vms: [{ id: 5, name: "shopping" }] });
		const image = join(other.cache, "qubes-lite/images/current");
		truncateSync(join(image, "vmlinux"), 0);
		expectRefusal(await other.run("shopping", "true"), 125, /image in .* is damaged: vmlinux has 0 bytes instead of 1/);
		rmSync(image, { recursive: true });
		expectRefusal(await other.run("shopping", "true"), 125, /there is no guest image/);
		expect(await other.leave(["shopping"])).toEqual(nothingLeft);
	});
});

describe("a vm's own files", () => {
	it.each([
		[
			{ disks: ["/no/such/disk.img"] },
			/the disk \/no\/such\/disk\.img is not there/,
			/truncate -s 4G \/no\/such\/disk\.img/,
		],
		[
			{ image: "/no/such/image" },
			/no guest image in \/no\/such\/image, which .* image of shopping/,
			/correct "image" of shopping/,
		],
	])("that are missing are named with what helps: %j", async (changes, sentence, remedy) => {
		const other = new FakeUser({ vms: [{ id: 5, name: "shopping", ...changes }] });
		const outcome = await other.run("shopping", "true");
		expectRefusal(outcome, 125, sentence);
		expect(outcome.stderr).toMatch(remedy);
		expect(outcome.stderr).not.toContain("image build");
		expect(await other.leave(["shopping"])).toEqual(nothingLeft);
	});

	it("are not looked at where the words are the wrong way round: the vm comes first", async () => {
		expect((await user.sh("run-in-vm firefox shopping --new-window")).stderr).toContain(
			"  → the vm comes first: run-in-vm shopping firefox --new-window\n",
		);
		expect((await user.sh("run-in-vm firefox true")).stderr).toContain("choose one of the configured vms");
	});
});

/** A client in an environment that is refused before a broker is asked. */
class FakeUserIn {
	readonly #env: Readonly<Record<string, string>>;
	constructor(env: Readonly<Record<string, string>>) {
		this.#env = env;
	}

	/** In a runtime directory of its own unless one is given. */
	async run(): Promise<Outcome> {
		const directory = join(user.directory, `in-${Math.round(performance.now())}`);
		mkdirSync(directory, { mode: 0o700 });
		return shWith({ XDG_RUNTIME_DIR: directory, ...this.#env }, "run-in-vm shopping true");
	}
}

describe("a runtime directory that is not safe", () => {
	const refuse = async (path: string, sentence: RegExp): Promise<void> =>
		expectRefusal(await new FakeUserIn({ XDG_RUNTIME_DIR: path }).run(), 125, sentence);
	const make = (name: string, mode = 0o700): string => {
		const path = join(user.directory, name);
		mkdirSync(path, { mode });
		chmodSync(path, mode);
		return path;
	};

	it("is refused when it is not set, relative, or missing", async () => {
		await refuse("", /XDG_RUNTIME_DIR is not set/);
		await refuse("run", /not an absolute path/);
		await refuse(join(user.directory, "missing"), /does not exist/);
	});

	it("is refused when it is a symbolic link, a file, or open to others", async () => {
		const link = join(user.directory, "link");
		symlinkSync(make("target"), link);
		await refuse(link, /symbolic link/);
		await refuse(join(user.directory, "config.json"), /not a directory/);
		await refuse(make("open", 0o755), /open to other users/);
	});

	it("is refused when its path is too long for a socket's", async () => {
		await refuse(make("x".repeat(100)), /\d+ bytes too long for a socket's path/);
	});

	it.runIf(isRoot)("is refused when it belongs to somebody else", async () => {
		const path = make("foreign");
		chownSync(path, otherUid, otherUid);
		await refuse(path, /belongs to uid 65534, not to you/);
	});
});

describe("who may come near", () => {
	it("keeps directories 0700 and sockets 0600 under umask 0", async () => {
		await user.sh("qubes-lite stop --force shopping banking");
		await user.until("no broker runs", () => user.brokerPids().length === 0);
		expect((await user.sh("umask 0; run-in-vm shopping true")).status).toBe(0);
		const mode = (name: string): string => (statSync(join(user.runtime, name)).mode & 0o777).toString(8);
		expect(["", "shopping", "broker.sock", "shopping/vsock_5001"].map(mode)).toEqual(["700", "700", "600", "600"]);
	});

	it.runIf(isRoot)("lets no other user connect", async () => {
		const outcome = await user.sh(
			`chmod 711 '${user.directory}'; setpriv --reuid=${otherUid} --regid=${otherUid} --clear-groups run-in-vm shopping true; echo $?; chmod 700 '${user.directory}'`,
		);
		expect(outcome.stdout).toBe("125\n");
		expect(outcome.stderr).toContain("belongs to uid 0, not to you");
	});
});

describe("garbage on a socket", () => {
	it.each([
		["noise", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
		["a frame that announces 4 GiB", Buffer.from([0x41, 0xff, 0xff, 0xff, 0xff])],
		["a request that is not JSON", Buffer.from([0x41, 0, 0, 0, 1, 0x7b])],
	])("is answered on broker.sock: %s", async (_what, bytes) => {
		expect((await user.sh("qubes-lite ls")).status).toBe(0);
		const socket = await user.connectBroker();
		const said = await new Promise<string>((resolve) => {
			let text = "";
			socket.on("data", (chunk) => {
				text += chunk.toString();
			});
			socket.once("close", () => resolve(text));
			socket.write(bytes);
		});
		expect(said).toContain('"code":"BadRequest"');
		expect((await user.run("shopping", "true")).status).toBe(0);
	});

	it("is cut on the control socket, and the agent stays connected", async () => {
		expect((await user.run("shopping", "true")).status).toBe(0);
		for (const bytes of [Buffer.from("noise noise"), Buffer.from([0x21, 0xff, 0xff, 0xff, 0xff])]) {
			const socket = await user.connect("shopping/vsock_5001");
			socket.resume();
			await new Promise((resolve) => socket.once("close", resolve).write(bytes));
		}
		expect((await user.status("shopping")).flags).toEqual([]);
		expect((await user.run("shopping", "true")).status).toBe(0);
	});

	it.each(["garbage", "oversized", "exitOutOfRange", "creditForNothing"] as const)(
		"from a guest ends the session with 125: %s",
		async (session) => {
			user.order("shopping", { session });
			const outcome = await user.run("shopping", "true");
			expect(outcome.status).toBe(125);
			expect(outcome.stderr).toMatch(/^run-in-vm: ./);
			user.order("shopping", {});
		},
	);
});

describe("a guest that never says hello", () => {
	it.concurrent.each(badHellos)(
		"fails the boot with 124, its phase and its console, and stays up for a look: %s",
		async (hello) => {
			const vm = vmOf(hello);
			user.order(vm, { hello, console: "\x1b]0;evil title\x07 strange \x1b[2J\xff words\n" });
			const outcome = await user.run(vm, "true");
			expect(outcome.status).toBe(124);
			expect(outcome.stderr).toContain(`${vm} did not become ready: no hello within 6 s; reached agent`);
			expect(outcome.stderr).toMatch(/\| .*strange .*words/);
			expect(outcome.stderr).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f]/);
			expect(await user.status(vm)).toMatchObject({ state: "failed", flags: ["vmmAlive"] });
			expect((await user.sh(`qubes-lite stop ${vm}`)).status).toBe(0);
			expect((await user.status(vm)).state).toBe("stopped");
			user.order(vm, {});
			expect(await user.run(vm, "true")).toMatchObject({ status: 0, stderr: "" });
			expect((await user.sh(`qubes-lite stop ${vm}`)).status).toBe(0);
		},
	);
});
