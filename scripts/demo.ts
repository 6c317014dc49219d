/**
 * `npm run demo`: sets up what is missing, then does the main job on real guests and checks every result. Runs in
 * directories of its own, so that it neither sees nor touches the user's vms; leaves nothing running. With --gui it is
 * a browser in a vm, on a compositor that draws into a file.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { browserVm, showWindows } from "./demo-gui.ts";
import { Demo, isLeftAlone } from "./demo-stage.ts";
import { setUpOrExit } from "./setup.ts";

const bin = fileURLToPath(new URL("../bin", import.meta.url));

const { gui: isGui } = parseArgs({ options: { gui: { type: "boolean", default: false } } }).values;

/** The seed's vms, with an idleTimeout that one can wait for. */
const plainVms = [
	{ id: 5, name: "shopping", memory: 512, idleTimeout: 6 },
	{ id: 13, name: "vault", memory: 512, network: false, idleTimeout: 60 },
	{ id: 15, name: "disp", memory: 512, disposable: true },
];
const config = { version: 1, vms: isGui ? [browserVm] : plainVms };

async function show(demo: Demo): Promise<void> {
	demo.say("A run in a vm that is not even booted: it boots by itself.");
	await demo.type(
		"run-in-vm shopping uname -a",
		"the guest's kernel",
		(o) => o.status === 0 && /^Linux shopping .*cloud/.test(o.stdout),
	);
	demo.say("The second run finds it up.");
	await demo.type(
		"run-in-vm shopping uname -n",
		"the guest's name",
		(o) => o.status === 0 && o.stdout === "shopping\n",
	);
	await demo.type(
		"echo hello | run-in-vm shopping tr a-z A-Z",
		"its standard input goes through",
		(o) => o.stdout === "HELLO\n",
	);
	await demo.type("run-in-vm shopping sh -c 'echo it failed >&2; exit 42'", "exit status 42", (o) => o.status === 42);
	await demo.type("run-in-vm shopping no-such-command", "exit status 127", (o) => o.status === 127);
	await demo.type("run-in-vm shoping true", "the nearest name, exit status 125", (o) => o.status === 125);
	await demo.type(
		"qubes-lite ls",
		"shopping is up",
		(o) => o.status === 0 && /^shopping +5 +(idle|ready)/m.test(o.stdout),
	);

	demo.say("Nothing needs shopping any more: idle for 6 s, it shuts down.");
	const hasStopped = await demo.waitFor("6 s of idleness", () => demo.isStopped("shopping"), 60);
	demo.check("shopping has stopped by itself", hasStopped);
	await demo.type("qubes-lite ls", "and says why", (o) => /^shopping .*idle for 6 s/m.test(o.stdout));

	demo.say("An offline vm has no network interface but its own loopback.");
	await demo.type("run-in-vm vault ls /sys/class/net", "only lo", (o) => o.status === 0 && o.stdout === "lo\n");

	demo.say("A disposable vm forgets: what one run writes, the next does not find.");
	await demo.type("run-in-vm disp sh -c 'echo secret >~/note; cat ~/note'", "written", (o) => o.stdout === "secret\n");
	const isGone = await demo.waitFor("its shutdown", () => demo.isStopped("disp"), 30);
	demo.check("the disposable has stopped by itself", isGone);
	await demo.type("run-in-vm disp sh -c 'cat ~/note'", "no such file", (o) => o.status === 1 && o.stdout === "");

	await demo.type("qubes-lite stop vault disp", "stopped", (o) => o.status === 0);
}

await setUpOrExit(isGui ? "gui" : "use");
/** Short, since a socket's path has room for 107 bytes. */
const directory = await mkdtemp(join(tmpdir(), "ql-demo-"));
try {
	await writeFile(join(directory, "config.json"), JSON.stringify(config, null, 2));
	const env: NodeJS.ProcessEnv = {
		...process.env,
		PATH: `${bin}:${process.env.PATH}`,
		QUBES_LITE_CONFIG: join(directory, "config.json"),
		QUBES_LITE_BROKER_IDLE_MS: "1000",
		XDG_RUNTIME_DIR: directory,
		XDG_STATE_HOME: join(directory, "state"),
	};
	const demo = new Demo(env);
	try {
		await (isGui ? showWindows(demo, env) : show(demo));
	} finally {
		await demo.quietly(`qubes-lite stop --force ${config.vms.map(({ name }) => name).join(" ")}`);
	}
	const isAlone = await demo.waitFor("the broker leaves by itself", () => isLeftAlone(directory), 30);
	demo.check("nothing is left running", isAlone);
	demo.say(
		demo.failures === 0
			? "All as it should be. Now try: bin/run-in-vm --help"
			: `${demo.failures} results are NOT as they should be.`,
	);
	process.exitCode = demo.failures === 0 ? 0 : 1;
} finally {
	await rm(directory, { recursive: true, force: true });
}
