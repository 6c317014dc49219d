/** `qubes-lite doctor [-q] [--json]`: looks at all that a vm needs of this machine. Needs no root and changes nothing. */
import { parseCommand } from "../../cli/commands/parse-command.ts";
import { lookHere } from "../terminal-look.ts";
import { acceleratorCheck } from "./accelerator-check.ts";
import { brokerCheck } from "./broker-check.ts";
import { type Check, runChecks } from "./check.ts";
import { configurationCheck } from "./configuration-check.ts";
import { directoryChecks } from "./directory-checks.ts";
import { type DoctorHost, lookAtHost } from "./host.ts";
import { limitChecks } from "./limit-checks.ts";
import { managerChecks } from "./manager-checks.ts";
import { policyCheck } from "./policy-check.ts";
import { programChecks } from "./program-checks.ts";
import { formatJson, formatReport } from "./report.ts";
import { serviceChecks } from "./service-checks.ts";
import { startChecks } from "./start-checks.ts";
import { tapChecks } from "./tap-checks.ts";
import { unitChecks } from "./unit-checks.ts";
import { diskChecks, imageChecks, shareChecks } from "./vm-file-checks.ts";
import { windowChecks } from "./window-checks.ts";

/** Resolves with 0 where nothing FAILs, else 1. */
export async function doctor(words: readonly string[]): Promise<number> {
	const parsed = parseCommand("doctor", words);
	const results = await runChecks(toChecks(await lookAtHost(process.env)));
	const shown = results.filter(({ status }) => !parsed.has("quiet") || status !== "PASS");
	process.stdout.write(parsed.has("json") ? formatJson(shown) : formatReport(shown, lookHere()));
	return results.some(({ status }) => status === "FAIL") ? 1 : 0;
}

const toChecks = (host: DoctorHost): Check[] => [
	...programChecks(host),
	acceleratorCheck,
	...directoryChecks(host),
	configurationCheck(host),
	policyCheck(host),
	...imageChecks(host),
	...diskChecks(host),
	...shareChecks(host),
	...windowChecks(host),
	...startChecks(host),
	...tapChecks(host),
	...managerChecks(host),
	...unitChecks(host),
	...serviceChecks(host),
	brokerCheck(host),
	...limitChecks(host),
];
