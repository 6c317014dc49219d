/**
 * The tests' own tools have programs for each machine, which npm leaves out where it runs on a Node that is too old for them: Debian 12's npm does
 * (arborist's reify checks "engines" of what is optional). Then they are fetched by the same npm on the Node that we bring.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { QubesLiteError } from "../src/errors.ts";

/** Each is there with a package for this machine, or not at all. */
const scopes = ["@rolldown", "@oxc-parser"];
const withinMs = 180_000;

/** Throws where they are missing and can't be had. */
export function bringTestTools(root: string): void {
	if (scopes.every((scope) => hasBinding(join(root, "node_modules", scope)))) return;
	const npm = process.env.npm_execpath;
	if (npm === undefined) {
		throw new QubesLiteError(
			"Unsupported",
			"the tests' tools were left out: npm runs on a Node that is too old for them",
			{
				remedy: "npm test   # gets them",
			},
		);
	}
	const { status } = spawnSync(process.execPath, [npm, "install", "--no-save", "--ignore-scripts"], {
		...{ cwd: root, stdio: ["ignore", "ignore", "inherit"], timeout: withinMs },
		env: { ...process.env, NODE_NO_WARNINGS: "1" },
	});
	if (status === 0 && scopes.every((scope) => hasBinding(join(root, "node_modules", scope)))) return;
	throw new QubesLiteError("Internal", "npm could not get the tests' tools for this machine", {
		remedy: "run npm with Node 24: npm ci && npm test",
	});
}

const hasBinding = (directory: string): boolean =>
	existsSync(directory) && readdirSync(directory).some((name) => name.startsWith("binding-"));
