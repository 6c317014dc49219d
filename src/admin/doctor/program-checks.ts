/** The programs that a vm is made of, and those that its shim needs. */
import { shimPrograms } from "../../activation/shim-script.ts";
import type { Hypervisor } from "../../config/hypervisor.ts";
import { findCrosvm, findQemu, findVhostDeviceVsock } from "../../host/gather-host-facts.ts";
import { toInstallCommand } from "../../host/install-command.ts";
import { findProgram } from "../../host/programs.ts";
import { isLeftToProfiles, withoutProfilesRemedy } from "../../host/user-namespaces.ts";
import { findVirtiofsd } from "../../host/virtiofsd.ts";
import { type Check, type Finding, fail, pass, warn } from "./check.ts";
import { type DoctorHost, vmsOf } from "./host.ts";
import { runProgram } from "./run-program.ts";

/** Of a program's own version; QEMU takes 20 ms. */
const versionWithinMs = 1000;

/** Every flag of vmm/qemu.ts was tried with it; older ones may not know all. */
const qemuOldest = [7, 2] as const;

/** Of node: what the sources are built for (package.json). */
const nodeOldest = 24;

/** flock holds the broker's lock (cli/broker-start.ts). */
const neededPrograms = ["flock", "sh", ...shimPrograms.all, ...shimPrograms.unit];

export function programChecks(host: DoctorHost): Check[] {
	const own = vmsOf(host).flatMap((vm) => (vm.hypervisor === "crosvm" ? [vm.crosvm.binary ?? findCrosvm(host)] : []));
	const crosvms = new Set(
		[...own, ...(own.length === 0 ? [findCrosvm(host)] : [])].filter((path) => path !== undefined),
	);
	const runs = (hypervisor: Hypervisor): string[] =>
		vmsOf(host).flatMap((vm) => (vm.hypervisor === hypervisor ? [vm.name] : []));
	const byCrosvm = runs("crosvm");
	const needsQemu = runs("qemu").length > 0 || byCrosvm.length === 0;
	return [
		...(needsQemu ? [{ name: "qemu", run: () => checkQemu(host) }] : []),
		...[...crosvms].map((crosvm) => ({ name: "crosvm", run: () => checkCrosvm(host, crosvm, byCrosvm) })),
		{ name: "vhost-device-vsock", run: () => checkHelper(host) },
		...(vmsOf(host).some(({ sharedDirectories }) => sharedDirectories.length > 0)
			? [{ name: "virtiofsd", run: () => checkVirtiofsd(host) }]
			: []),
		{ name: "shim-programs", run: () => checkShimPrograms(host) },
		{ name: "node", run: checkNode },
	];
}

async function checkQemu(host: DoctorHost): Promise<Finding> {
	const install = toInstallCommand(host.searchPath, {
		apt: "qemu-system-x86",
		dnf: "qemu-system-x86-core",
		pacman: "qemu-base",
		zypper: "qemu-x86",
	});
	const qemu = findQemu(host);
	if (qemu === undefined) return fail("qemu-system-x86_64 is not installed, which runs the guests", install);
	const { stdout } = await runProgram([qemu, "--version"], host.env, versionWithinMs);
	const version = /version (\d+)\.(\d+)[.\d]*/.exec(stdout);
	if (version === null) return fail(`${qemu} does not say its version, so it does not run`, `${qemu} --version`);
	const [major = 0, minor = 0] = version.slice(1).map(Number);
	const isOld = major < qemuOldest[0] || (major === qemuOldest[0] && minor < qemuOldest[1]);
	const sentence = `QEMU ${major}.${minor}: ${qemu}`;
	if (isOld) return warn(`${sentence} is older than what guests were tried with, ${qemuOldest.join(".")}`, install);
	return pass(sentence);
}

/** What its vms need of the host besides, is a check of each (start-checks.ts). */
async function checkCrosvm({ env }: DoctorHost, crosvm: string, vms: readonly string[]): Promise<Finding> {
	const { stdout } = await runProgram([crosvm, "version"], env, versionWithinMs);
	const use = vms.length === 0 ? "QEMU runs the guests" : `runs ${vms.join(", ")}`;
	return pass(`${stdout.trim().split("\n")[0] || "crosvm"}: ${crosvm}; ${use}`);
}

async function checkHelper(host: DoctorHost): Promise<Finding> {
	const build = "qubes-lite image build";
	const helper = findVhostDeviceVsock(host);
	if (helper === undefined) {
		const remedy = `${build}   # gets it from Debian, or says what else helps`;
		return fail("vhost-device-vsock is not there, the helper by which the host speaks with guests", remedy);
	}
	const { status, stdout } = await runProgram([helper, "--version"], host.env, versionWithinMs);
	if (status !== 0) return fail(`${helper} does not run`, `rm -f ${helper} && ${build}`);
	return pass(`${stdout.trim()}: ${helper}`);
}

async function checkVirtiofsd(host: DoctorHost): Promise<Finding> {
	const virtiofsd = findVirtiofsd(host);
	if (virtiofsd === undefined) {
		const remedy = "qubes-lite image build   # gets it from Debian, or says what else helps";
		return fail("virtiofsd 1.13 or newer, which sharedDirectories need, is not there", remedy);
	}
	if (virtiofsd.startsWith(host.cacheDirectory) && process.getuid?.() !== 0 && isLeftToProfiles()) {
		return warn(
			`AppArmor may keep ${virtiofsd} from shutting itself in, and then it does not start`,
			withoutProfilesRemedy,
		);
	}
	const { stdout } = await runProgram([virtiofsd, "--version"], host.env, versionWithinMs);
	return pass(`${stdout.trim()}: ${virtiofsd}`);
}

function checkShimPrograms({ searchPath }: DoctorHost): Finding {
	const missing = neededPrograms.filter((name) => findProgram(searchPath, name) === undefined);
	if (missing.length === 0) return pass(`all are there: ${neededPrograms.join(" ")}`);
	const packages = "coreutils util-linux dash grep";
	return fail(
		`not on PATH, and no vm can start without: ${missing.join(" ")}`,
		toInstallCommand(searchPath, { apt: packages, dnf: packages, pacman: packages, zypper: packages }),
	);
}

function checkNode(): Finding {
	const { node } = process.versions;
	if (Number.parseInt(node, 10) >= nodeOldest) return pass(`Node ${node}`);
	return fail(`Node ${node} is older than ${nodeOldest}, for which this was built`, "npm ci");
}
