import { defineConfig } from "vitest/config";

const rooms =
	"test/{config,protocol,statemachines,vmm,activation,guest,broker,cli,guest-image,structure,terminal}/**/*.test.ts";

export default defineConfig({
	test: {
		projects: [
			{ test: { name: "unit", include: [rooms, "test/*.test.ts"], testTimeout: 10_000 } },
			{
				test: {
					name: "integration",
					include: ["test/integration/**/*.test.ts"],
					testTimeout: 60_000,
					hookTimeout: 60_000,
					fileParallelism: false,
				},
			},
			{
				test: {
					name: "e2e",
					include: ["test/e2e/**/*.test.ts"],
					testTimeout: 180_000,
					hookTimeout: 180_000,
					fileParallelism: false,
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
