/** The units of a guest of Debian are those of one of NixOS, but for where programs are. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { root } from "../e2e/own-image.ts";
import { read } from "../nix/golden.ts";

type Section = Readonly<Record<string, string | number | boolean | readonly string[]>>;
interface Unit {
	readonly after?: readonly string[];
	readonly before?: readonly string[];
	readonly wants?: readonly string[];
	readonly wantedBy?: readonly string[];
	readonly unitConfig?: Section;
	readonly serviceConfig?: Section;
}

const { services } = read<{ systemd: { services: Record<string, Unit> } }>("guest-plain").systemd;
const units = "guest-image/debian/root/usr/lib/systemd/system";

/** Its settings as lines "Key=value", without comments and descriptions. */
function linesOf(text: string): string[] {
	return text.split("\n").filter((line) => /^[A-Z]\w*=/.test(line) && !line.startsWith("Description="));
}

function linesOfNix({ after = [], before = [], wants = [], wantedBy = [], unitConfig, serviceConfig }: Unit): string[] {
	const list = (key: string, names: readonly string[]): string[] =>
		names.length === 0 ? [] : [`${key}=${names.join(" ")}`];
	const section = (values: Section = {}): string[] =>
		Object.entries(values).map(([key, value]) => `${key}=${String(value)}`);
	return [
		...[...list("After", after), ...list("Before", before), ...list("Wants", wants), ...list("WantedBy", wantedBy)],
		...[...section(unitConfig), ...section(serviceConfig)],
	];
}

const toPlaces = (line: string): string =>
	line
		.replace(/\/nix\/store\/\w{32}-qubes-lite-([\w-]+)$/, "/usr/lib/qubes-lite/$1")
		.replace("/nix/store/nodejs/bin/node", "/usr/lib/qubes-lite/node")
		.replace("/nix/store/qubes-lite-agent/lib/qubes-lite", "/usr/lib/qubes-lite");

it.each(["qubes-lite-agent", "qubes-lite-name-server"])("%s", (name) => {
	const own = linesOf(readFileSync(join(root, units, `${name}.service`), "utf8"));
	// Only here is there a display of its own to wait for.
	const common = own.map((line) => line.replace(" qubes-lite-windows.service", ""));
	expect(common.sort()).toEqual(
		linesOfNix(services[name] ?? {})
			.map(toPlaces)
			.sort(),
	);
});
