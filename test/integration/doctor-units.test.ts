/** The doctor and a real user manager: our units as they may be found, and nothing started by looking. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fillBrokerUnit } from "../../src/activation/broker-units.ts";
import { markUnit } from "../../src/activation/unit-file.ts";
import { nothingLeft } from "../e2e/harness.ts";
import { type Diagnosis, DoctorUser } from "./doctor-user.ts";
import { isRoot } from "./fake-user.ts";
import { OwnCgroups } from "./own-cgroups.ts";

const systemd = "/lib/systemd/systemd";
const dist = fileURLToPath(new URL("../../dist", import.meta.url));
const socket = "qubes-lite-broker.socket";
const service = "qubes-lite-broker.service";

let user: DoctorUser;
let units: string;
let cgroups: OwnCgroups;

beforeEach(() => {
	user = new DoctorUser({ vms: [{ id: 13, name: "vault", network: false }] });
	units = join(user.directory, ".config/systemd/user");
	cgroups = new OwnCgroups(user.directory, 0);
	mkdirSync(units, { recursive: true });
});

afterEach(async () => {
	expect(await user.leave(["vault"])).toEqual(nothingLeft);
	cgroups.remove();
});

const write = (name: string, text: string): void => writeFileSync(join(units, name), text);

const templates = fileURLToPath(new URL("../../units/", import.meta.url));

/** As `qubes-lite install` writes them. */
function install(directory = dist): void {
	const paths = { flock: "/usr/bin/flock", node: process.execPath, dist: directory };
	for (const name of readdirSync(templates).filter((entry) => entry.includes("."))) {
		write(name, markUnit(fillBrokerUnit(readFileSync(join(templates, name), "utf8"), paths)));
	}
}

/** A user manager that ends with the shell. */
const started = () => `${cgroups.enter}
mount -t tmpfs run /run && mkdir -p /run/systemd/system /run/user/0 && chmod 700 /run/user/0 || exit 99
export XDG_RUNTIME_DIR=/run/user/0 XDG_CONFIG_HOME="$HOME/.config"
${systemd} --user >/dev/null 2>&1 &
manager=$!
trap 'systemctl --user show -P ActiveState ${service} >"$HOME/service"; kill $manager; wait $manager' EXIT
until systemctl --user show-environment >/dev/null 2>&1; do sleep 0.05; done
`;
const namespaces = "unshare -m --propagation private";
const enable = `systemctl --user enable --now ${socket} 2>/dev/null`;

const diagnose = (seed = ":"): Promise<Diagnosis> => user.diagnose(`${started()}${seed}`, namespaces);
const cure = (name: string, sick: Diagnosis, seed = ":") => user.cure(name, sick, `${started()}${seed}`, namespaces);

describe.runIf(isRoot && existsSync(systemd))("the broker's units", () => {
	it("are not installed", async () => {
		const { of, status, checks } = await diagnose();
		expect(of("socket-unit")).toMatchObject({ status: "WARN", remedy: "qubes-lite install" });
		expect(of("user-manager")).toMatchObject({ status: "PASS", sentence: expect.stringMatching(/^systemd \d/) });
		expect(status, JSON.stringify(checks)).toBe(0);
	});

	it("listen, and are not woken", async () => {
		install();
		const { of, status, checks } = await diagnose(enable);
		expect(of("socket-unit")).toMatchObject({
			status: "PASS",
			sentence: expect.stringContaining("started when needed"),
		});
		expect(of("broker")).toMatchObject({ status: "PASS", sentence: "none runs; systemd starts it when it is needed" });
		expect(readFileSync(join(user.directory, "service"), "utf8")).toBe("inactive\n");
		expect(status, JSON.stringify(checks)).toBe(0);
	});

	it("are installed, but not enabled", async () => {
		install();
		const sick = await diagnose();
		expect(sick.of("socket-unit")).toMatchObject({ status: "WARN", remedy: `systemctl --user enable --now ${socket}` });
		await cure("socket-unit", sick);
	});

	it("lead to a checkout that has moved, or to another one", async () => {
		install(join(user.directory, "moved away"));
		expect((await diagnose(enable)).of("socket-unit")).toMatchObject({
			...{ status: "FAIL", remedy: "qubes-lite install" },
			sentence: expect.stringContaining(`starts ${user.directory}/moved away/broker.cjs, which is not there`),
		});
		cpSync(join(dist, "broker.cjs"), join(user.directory, "moved away/broker.cjs"));
		expect((await diagnose(enable)).of("socket-unit")).toMatchObject({
			...{ status: "WARN", sentence: expect.stringContaining("another checkout's broker") },
		});
	});

	it("are masked", async () => {
		install();
		rmSync(join(units, socket));
		symlinkSync("/dev/null", join(units, socket));
		expect((await diagnose()).of("socket-unit")).toMatchObject({
			...{ status: "FAIL", remedy: `systemctl --user unmask ${socket}` },
		});
	});

	it("have failed", async () => {
		install();
		const seed = `${enable}
sed -i 's#^ExecStart=.*#ExecStart=/bin/false#; s#^Restart=.*##' '${units}/${service}'; systemctl --user daemon-reload
systemctl --user start ${service}; until systemctl --user is-failed -q ${service}; do sleep 0.05; done`;
		const { of } = await diagnose(seed);
		expect(of("socket-unit")).toMatchObject({
			...{ status: "FAIL", sentence: `${service} has failed (exit-code)` },
			remedy: `systemctl --user reset-failed ${service}; systemctl --user restart ${socket}`,
		});
	});

	it("have not the PATH that the shell has", async () => {
		install();
		const seed = `${enable}; systemctl --user set-environment PATH=/nowhere`;
		const sick = await diagnose(seed);
		expect(sick.of("service-path")).toMatchObject({
			status: "WARN",
			sentence: expect.stringContaining("/setsid "),
		});
		await cure("service-path", sick, seed);
	});

	it.each([
		["the cache of the shell's", "set-environment XDG_CACHE_HOME=/n", "XDG_CACHE_HOME is /n there, and here "],
		[
			"the configuration of the shell's",
			"set-environment QUBES_LITE_CONFIG=/n",
			"QUBES_LITE_CONFIG is /n there, and here ",
		],
		["the programs of the shell's", "set-environment PATH=/usr/bin:/bin", "PATH is /usr/bin:/bin there, and here "],
	])("do not look at %s", async (_, change, sentence) => {
		install();
		const seed = `${enable}; systemctl --user ${change}`;
		const sick = await diagnose(seed);
		expect(sick.of("service-environment")).toMatchObject({
			...{ status: "WARN", remedy: "qubes-lite install", sentence: expect.stringContaining(sentence) },
		});
		await cure("service-environment", sick, seed);
	});

	it("look where a drop-in says, which no installation changes", async () => {
		install();
		const dropIn = `mkdir -p '${units}/${service}.d'; printf '[Service]\\nEnvironment=XDG_CACHE_HOME=/n\\n' >'${units}/${service}.d/my.conf'`;
		const seed = `${enable}; ${dropIn}; qubes-lite install >&2; systemctl --user daemon-reload`;
		expect((await diagnose(seed)).of("service-environment")).toMatchObject({
			...{ status: "WARN", remedy: `systemctl --user edit ${service}   # a drop-in has the last word` },
			sentence: expect.stringContaining("XDG_CACHE_HOME is /n there, and here "),
		});
	});

	it("are there by half", async () => {
		install();
		rmSync(join(units, service));
		expect((await diagnose()).of("socket-unit")).toMatchObject({ status: "FAIL", remedy: "qubes-lite install" });
	});
});

describe.runIf(isRoot && existsSync(systemd))("a vm's unit", () => {
	const render = (directory: string) =>
		`qubes-lite units --config "$QUBES_LITE_CONFIG" --out '${directory}' >/dev/null`;

	it("passes, is masked, or is of a vm that there is no longer", async () => {
		write("qubes-lite-old.service", markUnit("[Service]\nExecStart=/bin/true\n"));
		const { of, checks } = await diagnose(render(units));
		expect(of("unit:vault")).toMatchObject({ status: "PASS" });
		expect(of("unit:old")).toMatchObject({
			...{ status: "WARN", remedy: "qubes-lite install" },
			sentence: "qubes-lite-old.service is installed, but the configuration has no vm old",
		});
		expect(checks.map(({ name }) => name)).not.toContain("unit:broker");
	});

	it("is of another configuration", async () => {
		write("qubes-lite-vault.service", markUnit("[Service]\nExecStart=/bin/true\n"));
		const sick = await diagnose();
		expect(sick.of("unit:vault")).toMatchObject({
			...{ status: "WARN", remedy: "qubes-lite install" },
			sentence: `${units}/qubes-lite-vault.service is not what this version and configuration make of it`,
		});
		await cure("unit:vault", sick);
	});

	it("was changed by hand", async () => {
		const sick = await diagnose(`${render(units)}; echo CPUWeight=7 >>'${units}/qubes-lite-vault.service'`);
		expect(sick.of("unit:vault")).toMatchObject({
			...{ status: "WARN", remedy: expect.stringContaining("&& systemctl --user edit qubes-lite-vault.service") },
			sentence: expect.stringContaining("was changed by hand"),
		});
		// An editor is only opened on a terminal.
		const [move = ""] = (sick.of("unit:vault").remedy ?? "").split(" && systemctl");
		const healthy = await diagnose(`{ ${move}; } >&2`);
		expect(healthy.of("unit:vault")).toMatchObject({ status: "PASS" });
		expect(readFileSync(join(units, "qubes-lite-vault.service.mine"), "utf8")).toContain("CPUWeight=7");
	});

	it("is somebody else's", async () => {
		write("qubes-lite-vault.service", "[Service]\nExecStart=/bin/true\n");
		expect((await diagnose()).of("unit:vault")).toMatchObject({
			...{ status: "WARN", remedy: "systemctl --user cat qubes-lite-vault.service" },
			sentence: expect.stringContaining("is none of ours"),
		});
	});

	it("is masked for this login, which its remedy ends", async () => {
		user.env.XDG_DATA_HOME = join(user.directory, "vendor");
		const seed = `${render(join(user.directory, "vendor/systemd/user"))}
systemctl --user mask --runtime qubes-lite-vault.service 2>/dev/null`;
		const sick = await diagnose(seed);
		expect(sick.of("unit:vault")).toMatchObject({ status: "FAIL", sentence: expect.stringContaining("is masked") });
		await cure("unit:vault", sick, seed);
	});

	it("has changed on disk", async () => {
		const seed = `systemctl --user start qubes-lite-vault.service
${render(units)}; touch -d tomorrow '${units}/qubes-lite-vault.service'`;
		write("qubes-lite-vault.service", markUnit("[Service]\nExecStart=/bin/sleep 100\n"));
		const sick = await diagnose(seed);
		expect(sick.of("unit:vault")).toMatchObject({ status: "WARN", remedy: "systemctl --user daemon-reload" });
		await cure("unit:vault", sick, "");
	});
});
