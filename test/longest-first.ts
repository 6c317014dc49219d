/**
 * The order of test files. A long one that begins last is waited for alone, and vitest knows the long ones only where they have run before:
 * in a fresh clone it goes by the size of files.
 */
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Longest first; from the last full run, each of them at least a quarter of the longest of its project. */
export const longest: readonly string[] = [
	...["lifecycle", "session", "qemu-contract", "main-job", "systemd", "disposable-pool"].map(inProject("e2e")),
	...["shared-directories", "terminal", "s6-guest", "nixos-facts"].map(inProject("e2e")),
	...["interrupted-install", "install", "doctor", "systemd-adversity", "adoption"].map(inProject("integration")),
	...["set", "notifications", "activated-broker", "crosvm-contract", "dbus-activation"].map(inProject("integration")),
	...["doctor-units", "completion", "crosvm", "activation-storm", "races"].map(inProject("integration")),
];

function inProject(room: string): (name: string) => string {
	return (name) => `test/${room}/${name}.test.ts`;
}

const placeOf = ({ moduleId }: TestSpecification): number => {
	const place = longest.findIndex((file) => moduleId.endsWith(`/${file}`));
	return place === -1 ? longest.length : place;
};

export class LongestFirst extends BaseSequencer {
	/** Those of `longest`, then the others as vitest has them. Projects stay apart: each has its own workers. */
	override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
		const sorted = await super.sort(files);
		const projects = [...new Set(sorted.map(({ project }) => project.name))];
		return projects.flatMap((name) =>
			sorted.filter(({ project }) => project.name === name).sort((a, b) => placeOf(a) - placeOf(b)),
		);
	}
}
