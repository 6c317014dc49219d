import { defineConfig } from "vitest/config";
import { LongestFirst } from "./test/longest-first.ts";
import { isSoak } from "./test/rounds.ts";

/** A hang bound: the full counts take minutes each. */
const patience = isSoak ? 30 : 1;

/** Such tests wait more than they work: on two cores three at once take three quarters of the time of two, and fake guests cost less than real ones. */
const waitingWorkers = { fake: 6, real: 3 };

const rooms =
	"test/{admin,config,copy,dbus,desktop,display,open,host,policy,protocol,statemachines,vmm,vmm-control,wayland,activation,launch,guest,broker,cli,guest-image,session-client,sound,structure,tar,terminal,trees}/**/*.test.ts";

/** Guests that take minutes to make: `npm run soak` has them. */
export const soakTests = "test/soak/**/*.test.ts";

export default defineConfig({
	test: {
		sequence: { sequencer: LongestFirst },
		projects: [
			{
				test: {
					name: "unit",
					include: [rooms, "test/*.test.ts", "test/fixtures/crosvm-*.test.ts"],
					testTimeout: 10_000 * patience,
					maxWorkers: 2,
				},
			},
			{
				test: {
					name: "integration",
					include: ["test/integration/**/*.test.ts", "test/nix/*.test.ts", "test/fixtures/fake-*.test.ts"],
					testTimeout: 60_000 * patience,
					hookTimeout: 60_000,
					maxWorkers: waitingWorkers.fake,
				},
			},
			{
				test: {
					name: "e2e",
					include: ["test/e2e/**/*.test.ts", ...(isSoak ? [soakTests] : [])],
					testTimeout: 180_000 * patience,
					hookTimeout: 180_000,
					maxWorkers: waitingWorkers.real,
				},
			},
		],
		coverage: {
			include: ["src/statemachines/**"],
			thresholds: { branches: 100 },
			reporter: ["text-summary"],
		},
	},
});
