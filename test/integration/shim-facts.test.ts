/** The facts that a unit was made for, before its start: the shim refuses what is not so, and says the same as the broker. */
import { execFileSync, spawnSync } from "node:child_process";
import { chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { shimPath, shimPrograms } from "../../src/activation/shim-script.ts";
import { shellWord } from "../../src/shell-word.ts";
import { isRoot, otherUid } from "./fake-user.ts";

const shells = ["dash", "busybox sh", "bash --posix"];
const which = (name: string) => execFileSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" }).trim();
const src = fileURLToPath(new URL("../../src/", import.meta.url));
const remedy = "qubes-lite install";

let directory: string;
beforeEach(() => {
	directory = mkdtempSync(join(tmpdir(), "qubes-lite-facts-"));
	mkdirSync(join(directory, "qubes-lite/shopping"), { recursive: true });
	mkdirSync(join(directory, "bin"));
	for (const name of [...shimPrograms.all, ...shimPrograms.unit])
		symlinkSync(which(name), join(directory, "bin", name));
	if (isRoot)
		for (const name of ["", "qubes-lite", "qubes-lite/shopping"]) chownSync(join(directory, name), otherUid, otherUid);
});
afterEach(() => rmSync(directory, { recursive: true }));

/** A host, as nobody: what a shell with the tests' rights does to it in namespaces of its own. */
function on(seed: string, command: string, uid = otherUid) {
	const become = `exec setpriv --reuid=${uid} --regid=${uid} --clear-groups`;
	const script = `set -e\nmount -t sysfs sysfs /sys\n${seed}\n${become} ${command}`;
	return spawnSync("unshare", ["--mount", "--net", "--propagation", "private", "sh", "-c", script], {
		encoding: "utf8",
	});
}

function check(shell: string, fact: string): string {
	const [name = "", ...words] = shell.split(" ");
	const argv = [which(name), ...words, shimPath, "check", join(directory, "qubes-lite/shopping"), remedy, fact];
	return ["env", `PATH=${join(directory, "bin")}`, ...argv].map(shellWord).join(" ");
}

/** What the shim says on the way, without its own name. */
const said = ({ status, stdout, stderr }: { status: number | null; stdout: string; stderr: string }) => ({
	status,
	said: stdout + stderr,
});
const accepted = { status: 0, said: "" };
const refused = (sentence: string) => ({ status: 1, said: `qubes-lite: ${sentence}. Try: ${remedy}\n` });

/** A processor with this in its flags, and a /dev of which nothing is there but null. */
const processor = (flags: string) => `sed 's/^flags.*: .*/flags\t\t: ${flags}/' /proc/cpuinfo >"$DIRECTORY/cpuinfo"
mount --bind "$DIRECTORY/cpuinfo" /proc/cpuinfo
mkdir -p "$DIRECTORY/dev"
mount -t tmpfs -o mode=755 tmpfs "$DIRECTORY/dev"
mknod -m 666 "$DIRECTORY/dev/null" c 1 3
mount --move "$DIRECTORY/dev" /dev`;
/** A device that opens, whatever stands behind it. */
const opens = "mknod -m 666 /dev/kvm c 1 3";
/** access(2) says that it may be opened, open(2) refuses. */
const nodev = "mount --bind /dev/kvm /dev/kvm\nmount -o remount,bind,nodev /dev/kvm";

const hosts: readonly (readonly [string, "kvm" | "tcg", string])[] = [
	["a /dev/kvm that opens", "kvm", `${processor("fpu vmx sse")}\n${opens}`],
	["a /dev/kvm that opens, on a processor of AMD's", "kvm", `${processor("fpu svm")}\n${opens}`],
	["a processor without virtualisation", "tcg", `${processor("fpu vmx-less nosvm")}\n${opens}`],
	["no /dev/kvm", "tcg", processor("fpu vmx")],
	["a /dev/kvm that is another's", "tcg", `${processor("fpu vmx")}\n${opens}\nchmod 600 /dev/kvm`],
	["a /dev/kvm that may only be read", "tcg", `${processor("fpu vmx")}\n${opens}\nchmod 444 /dev/kvm`],
	["a /dev/kvm on a mount without devices", "tcg", `${processor("fpu vmx")}\n${opens}\n${nodev}`],
	["a /dev/kvm without its module", "tcg", `${processor("fpu vmx")}\nmknod -m 666 /dev/kvm c 10 254`],
	["a /dev/kvm that is a file", "tcg", `${processor("fpu vmx")}\n: >/dev/kvm\nchmod 666 /dev/kvm`],
];
const withDirectory = (seed: string) => `DIRECTORY=${shellWord(directory)}\n${seed}`;

/** What the broker finds out, by which it renders units. */
function lookAsBroker(seed: string): { accelerator: string; taps: string[] } {
	const script = `import { lookAtKvm } from "${src}host/kvm.ts"; import { listTaps } from "${src}host/taps.ts";
console.log(JSON.stringify({ accelerator: lookAtKvm().works ? "kvm" : "tcg", taps: listTaps() }));`;
	const words = ["env", "NODE_NO_WARNINGS=1", process.execPath, "--input-type=module", "--eval", script];
	const { stdout, stderr } = on(seed, words.map(shellWord).join(" "));
	expect(stderr).toBe("");
	return JSON.parse(stdout);
}

const noKvm = refused("this unit was made for KVM, and /dev/kvm can't be used any more");
const hasKvm = refused("this unit was made for a host without KVM, and now there is one");

describe.runIf(isRoot)("a host with", () => {
	it.each(hosts)("%s is for %s, to the broker and to the shim in each shell", (_, accelerator, seed) => {
		const host = withDirectory(seed);
		expect(lookAsBroker(host).accelerator).toBe(accelerator);
		for (const shell of shells) {
			const verdicts = [said(on(host, check(shell, "kvm"))), said(on(host, check(shell, "tcg")))];
			expect(verdicts, shell).toEqual(accelerator === "kvm" ? [accepted, hasKvm] : [noKvm, accepted]);
		}
	});

	it("no /dev/kvm has none after root has looked for it", () => {
		const host = withDirectory(processor("fpu vmx"));
		for (const shell of shells) {
			const look = `sh -c ${shellWord(`${check(shell, "tcg")}; ls /dev`)}`;
			expect(said(on(host, look, 0)), shell).toEqual({ status: 0, said: "null\n" });
		}
	});

	it.each([
		["no such interface", false, ":"],
		["a TAP", true, "ip tuntap add dev ql-shopping mode tap"],
		["something else of a TAP's name", false, "ip link add ql-shopping type veth peer name other"],
	])("%s (a TAP: %s) is the same to the broker and to the shim in each shell", (_, isTap, seed) => {
		expect(lookAsBroker(seed).taps).toEqual(isTap ? ["ql-shopping"] : []);
		const gone = refused("this unit was made for the TAP ql-shopping, which is not there any more");
		const come = refused("this unit was made for a host without the TAP ql-shopping, and now there is one");
		for (const shell of shells) {
			const facts = ["tap=ql-shopping", "no-tap=ql-shopping"];
			const verdicts = facts.map((fact) => said(on(seed, check(shell, fact))));
			expect(verdicts, shell).toEqual(isTap ? [accepted, come] : [gone, accepted]);
		}
	});
});

/** What an instance's unit finds out of its tag; `network` is "tap" where instances have one. */
function cid(shell: string, tag: string, network = ""): string {
	const [name = "", ...words] = shell.split(" ");
	return [which(name), ...words, shimPath, "cid", join(directory, "qubes-lite/shopping"), tag, network]
		.filter((word) => word !== "")
		.map(shellWord)
		.join(" ");
}
const readCid = () => readFileSync(join(directory, "qubes-lite/shopping/cid"), "utf8");

describe.runIf(isRoot).each(shells)("an instance whose unit gives it a TAP, in %s,", (shell) => {
	const make = "ip tuntap add dev ql-d9 mode tap\nip tuntap add dev ql-d255 mode tap";
	const again = (what: string) => ({ status: 1, said: `qubes-lite: ${what}. Try: run-in-vm --disposable\n` });

	it.each([
		["1a09", 6665, 9, 8, "09"],
		["ffff", 65535, 255, 254, "ff"],
	])("%s has the one that its tag says", (tag, id, tap, gateway, mac) => {
		expect(said(on(make, cid(shell, tag, "tap")))).toEqual(accepted);
		expect(readCid()).toBe(
			`QUBES_LITE_CID=${id}\nQUBES_LITE_TAP=${tap}\nQUBES_LITE_GATEWAY=${gateway}\nQUBES_LITE_MAC=${mac}\n`,
		);
	});

	it("is refused where its tag says none, or one that is not there", () => {
		expect(said(on(make, cid(shell, "1a08", "tap")))).toEqual(
			again("this unit gives instances a TAP of disposablePool, and disp-1a08 was made without one"),
		);
		expect(said(on(make, cid(shell, "1a0b", "tap")))).toEqual(
			again("the TAP ql-d11 of disposablePool, which disp-1a0b was given, is gone"),
		);
	});
});

it.runIf(isRoot)(
	"a TAP that somebody has open is in use to the broker, and one that is switched off is not known to be",
	() => {
		const look = `import { readTap } from "${src}host/taps.ts";
console.log(JSON.stringify(["ql-d9", "ql-d11", "ql-d13", "ql-d15"].map((name) => readTap(name)?.isInUse)));`;
		const script = `${[9, 11, 13].map((id) => `ip tuntap add dev ql-d${id} mode tap`).join("\n")}
ip link set ql-d9 up && ip link set ql-d11 up
qemu-system-x86_64 -M none -nodefaults -display none -netdev tap,id=net,ifname=ql-d9,script=no,downscript=no &
until grep -q 1 /sys/class/net/ql-d9/carrier; do kill -0 $! && sleep 0.05; done
env NODE_NO_WARNINGS=1 ${shellWord(process.execPath)} --input-type=module --eval ${shellWord(look)}
kill $!`;
		expect(JSON.parse(on(script, "true").stdout)).toEqual([true, false, false, null]);
	},
);

describe.each(shells)("in %s", (shell) => {
	const verdict = (fact: string) => said(spawnSync("sh", ["-c", check(shell, fact)], { encoding: "utf8" }));
	const gone = (path: string) => refused(`this unit was made for ${path}, which is not there any more`);

	it("a program is a file that can be executed", () => {
		const at = (name: string) => join(directory, name);
		writeFileSync(at("pro = gram"), "", { mode: 0o755 });
		writeFileSync(at("text"), "", { mode: 0o644 });
		expect(verdict(`program=${at("pro = gram")}`)).toEqual(accepted);
		for (const name of ["text", "bin", "nothing"]) expect(verdict(`program=${at(name)}`)).toEqual(gone(at(name)));
	});

	it("a file is one that can be read", () => {
		const path = join(directory, "a = file");
		writeFileSync(path, "");
		expect(verdict(`file=${path}`)).toEqual(accepted);
		rmSync(path);
		expect(verdict(`file=${path}`)).toEqual(gone(path));
	});

	it.runIf(isRoot)("a shared directory is one that its user can enter, and write where the guest may", () => {
		const at = (name: string) => join(directory, name);
		mkdirSync(at("a = d"), { mode: 0o700 });
		mkdirSync(at("sealed"), { mode: 0o500 });
		writeFileSync(at("text"), "");
		for (const name of ["a = d", "sealed"]) chownSync(at(name), otherUid, otherUid);
		/** As nobody, since root may all. */
		const verdicts = (name: string) =>
			["directory", "read-only-directory"].map((kind) => said(on(":", check(shell, `${kind}=${at(name)}`))));
		const no = (name: string, what: string, help: string) => ({
			status: 1,
			said: `qubes-lite: the shared directory ${at(name)} ${what}. Try: ${help} '${at(name)}'\n`,
		});
		expect(verdicts("a = d")).toEqual([accepted, accepted]);
		expect(verdicts("sealed")).toEqual([no("sealed", "is not yours to read and write", "namei -l"), accepted]);
		expect(verdicts("none")).toEqual([no("none", "is not there", "mkdir -p"), no("none", "is not there", "mkdir -p")]);
		expect(verdicts("text")[0]).toEqual(no("text", "is no directory", "ls -ld"));
		chownSync(at("a = d"), 0, 0);
		expect(verdicts("a = d")[1]).toEqual(no("a = d", "is not yours to read", "namei -l"));
	});

	it("a fact that a later version has is refused", () => {
		expect(verdict("moon=full")).toEqual(refused("this unit names a fact that this version does not know: moon=full"));
	});

	it("an instance is named by four digits, and its id is their number", () => {
		const named = (tag: string) => said(spawnSync("sh", ["-c", cid(shell, tag)], { encoding: "utf8" }));
		for (const tag of ["03e8", "1a65", "fffe"]) {
			expect(named(tag)).toEqual(accepted);
			expect(readCid()).toBe(`QUBES_LITE_CID=${Number.parseInt(tag, 16)}\n`);
		}
		for (const tag of ["03e7", "1a6", "1A65", "1a65f", "0x10", "$(x)"]) expect(named(tag)).toMatchObject({ status: 1 });
	});

	it("all facts must hold, and the broker can read which does not", () => {
		const path = join(directory, "gone");
		const { status } = verdict(`file=${shimPath}`);
		expect(status).toBe(0);
		const both = `${check(shell, `file=${shimPath}`)} file=${path}`;
		expect(spawnSync("sh", ["-c", both]).status).toBe(1);
		expect(execFileSync("cat", [join(directory, "qubes-lite/shopping/vmm.log")], { encoding: "utf8" })).toBe(
			gone(path).said,
		);
	});
});
