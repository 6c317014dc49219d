/** What can be said about an installed unit file: who wrote it, and whether it is still right. */
import { dirname } from "node:path";
import { bodyOf, judgeUnit, markUnit } from "../../activation/unit-file.ts";
import { brokerUnits } from "../../activation/unit-names.ts";
import { QubesLiteError } from "../../errors.ts";
import { toBrokerUnits } from "../install/wanted-files.ts";
import { removeVariables } from "../service-environment.ts";
import { toUnitsThatCanBe } from "../units/write-units.ts";
import type { DoctorHost } from "./host.ts";

export type UnitOrigin =
	/** As we rendered it. */
	| "ours"
	/** Rendered by us, changed by hand since. */
	| "edited"
	/** Rendered by us, as it is no longer: by another version, or from another configuration. */
	| "stale"
	/** None that we rendered. */
	| "foreign";

/** Whose the unit file of that name with this text is. */
export type UnitJudge = (name: string, text: string) => UnitOrigin;

export function createUnitJudge(host: DoctorHost): UnitJudge {
	let rendered: ReadonlyMap<string, string> | undefined;
	return (name, text) => {
		const origin = judgeUnit(text);
		if (origin !== "ours") return origin;
		rendered ??= render(host);
		const now = rendered.get(name);
		// Its variables are another check's (service-checks.ts).
		const plain = name === brokerUnits.service ? markUnit(removeVariables(bodyOf(text))) : text;
		return now === undefined || essenceOf(now) === essenceOf(plain) ? "ours" : "stale";
	};
}

/** Without the name server, which is another in each network, and which the broker puts in before a start. */
const essenceOf = (text: string): string => bodyOf(text).replaceAll(/ qubeslite\.dns=[\d.]+/g, "");

/** All units as this version, configuration and host make them now; none that can't be made, of which other checks have the reason. */
function render({ config, env, programs, searchPath }: DoctorHost): Map<string, string> {
	const units = [
		...orNone(() => toBrokerUnits(dirname(programs), searchPath, [])),
		...orNone(() => (config instanceof QubesLiteError ? [] : toUnitsThatCanBe(config.config, env).units)),
	];
	return new Map(units.map(({ name, text }) => [name, text]));
}

function orNone<T>(make: () => T[]): T[] {
	try {
		return make();
	} catch {
		return [];
	}
}
