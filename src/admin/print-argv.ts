/** `qubes-lite start --print-argv` and `--explain`: what would be started for a vm on this host, and why it says what it says. */
import { dirname, join } from "node:path";
import { parseCommand } from "../cli/commands/parse-command.ts";
import { findConfig } from "../config/find-config.ts";
import { capabilities } from "../config/hypervisor.ts";
import type { Config, VmConfig } from "../config/schema.ts";
import { noSuchVm } from "../config/vm-name.ts";
import { QubesLiteError } from "../errors.ts";
import { gatherHostFacts, type HostPlaces } from "../host/gather-host-facts.ts";
import { planHere } from "../host/plan-here.ts";
import { cacheDirectoryOf, runtimeHomeOf } from "../host/xdg.ts";
import type { LaunchPlan } from "../launch-plan.ts";
import { shellWord } from "../shell-word.ts";
import { toSafeText } from "../terminal/safe-text.ts";
import type { Argument } from "../vmm/driver.ts";
import { drivers } from "../vmm/drivers.ts";
import type { Binaries, HostFacts } from "../vmm/host-facts.ts";
import { sayError } from "./say-error.ts";

/** What is to be said of a host that lacks one: each program by its name alone. */
const programs: Binaries = {
	qemu: "qemu-system-x86_64",
	crosvm: "crosvm",
	vhostDeviceVsock: "vhost-device-vsock",
	virtiofsd: "virtiofsd",
};

interface Printed {
	readonly plan: LaunchPlan;
	/** Of the vmm, without its program. */
	readonly words: readonly Argument[];
}

/**
 * One line for each vm, for a shell; resolves with 0. What would hinder its start is said on stderr, and the line is as it would be without.
 * Throws NoSuchVm, and BootFailed where there is no telling, for there is no image.
 */
export async function printArgv(words: readonly string[]): Promise<number> {
	const { operands, has } = parseCommand("start", words);
	const { config } = await findConfig(process.env);
	const printed = [...new Set(operands)].map((name) => explain(config, toVm(config, name)));
	const toText = has("explain") ? toExplanation : toLine;
	process.stdout.write(has("json") ? toJson(printed, has("explain")) : printed.map(toText).join("\n"));
	return 0;
}

function toVm({ vms }: Config, name: string): VmConfig {
	const vm = vms.find((one) => one.name === name);
	if (vm !== undefined) return vm;
	throw noSuchVm(
		name,
		vms.map((one) => one.name),
	);
}

function explain(config: Config, vm: VmConfig): Printed {
	const { env } = process;
	const places: HostPlaces = {
		runtimeDirectory: join(runtimeHomeOf(env) ?? `/run/user/${process.getuid?.()}`, "qubes-lite"),
		cacheDirectory: cacheDirectoryOf(env),
		searchPath: env.PATH ?? "",
		session: () => env,
	};
	const facts = gatherHostFacts(places, vm);
	const driver = drivers[vm.hypervisor];
	try {
		return { plan: planHere(config, vm, places), words: driver.explain(config, vm, facts) };
	} catch (cause) {
		const { message, remedy } = QubesLiteError.from(cause);
		sayError(new QubesLiteError("BootFailed", `as it is, ${vm.name} would not start: ${message}`, { remedy }));
		const better = assumeWhatItNeeds(vm, facts);
		return { plan: driver.plan(config, vm, better), words: driver.explain(config, vm, better) };
	}
}

function assumeWhatItNeeds(vm: VmConfig, facts: HostFacts): HostFacts {
	const { emulation, userNetwork } = capabilities[vm.hypervisor];
	return {
		...facts,
		accelerator: emulation ? facts.accelerator : "kvm",
		taps: userNetwork ? facts.taps : [...facts.taps, `ql-${vm.name}`],
		wayland:
			vm.gpu !== "auto" && "missing" in facts.wayland
				? { socket: join(dirname(facts.runtimeDirectory), process.env.WAYLAND_DISPLAY ?? "wayland-0"), isByName: true }
				: facts.wayland,
		binaries: { ...programs, ...facts.binaries },
	};
}

const toLine = ({ plan }: Printed): string => `${plan.vmm.argv.map(shellWord).join(" ")}\n`;

/** Helpers first, as they are started; below each words of the vmm what they are for. */
function toExplanation({ plan, words }: Printed): string {
	const helpers = plan.helpers.flatMap(({ name, argv }) => [
		`# ${name}, which must be there before: its socket says so`,
		argv.map(shellWord).join(" "),
		"",
	]);
	const own = words.map(
		({ words, why }) => `${words.map(shellWord).join(" ")}\n${toSafeText(why).replaceAll(/^/gm, "    ")}`,
	);
	return `${[...helpers, `# ${plan.vm}'s vmm`, shellWord(plan.vmm.argv[0]), ...own].join("\n")}\n`;
}

/** Programs may rely on it (contracts: schema 1). */
function toJson(printed: readonly Printed[], isExplained: boolean): string {
	const vms = printed.map(({ plan: { vm, hypervisor, vmm, helpers }, words }) => ({
		...{ vm, hypervisor, argv: vmm.argv, helpers: helpers.map(({ name, argv }) => ({ name, argv })) },
		...(isExplained && { arguments: words }),
	}));
	return `${JSON.stringify({ schema: 1, vms }, null, 2)}\n`;
}
