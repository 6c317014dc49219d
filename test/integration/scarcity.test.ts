/** Directories without room, or that may not be written: named, survived, and no trace left. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { nothingLeft, type Outcome } from "../e2e/harness.ts";
import { FakeUser, isRoot } from "./fake-user.ts";

let user: FakeUser;

beforeEach(() => {
	user = new FakeUser({ vms: [{ id: 5, name: "shopping" }] });
});

afterEach(async () => {
	expect(await user.leave(["shopping"])).toEqual(nothingLeft);
});

/** Runs the script where the runtime directory is a file system of 60 pages; `fill` and `free` take and give its room. */
function shOnSmallDisk(script: string): Promise<Outcome> {
	const small = join(user.directory, "small");
	mkdirSync(small, { mode: 0o700 });
	writeFileSync(
		join(user.directory, "script"),
		`mount -t tmpfs -o size=240k,mode=700 small '${small}' || exit 99
export XDG_RUNTIME_DIR='${small}'
fill() { dd if=/dev/zero of='${small}/filler' bs=4096 2>/dev/null; }
free() { rm '${small}/filler'; }
${script}
qubes-lite stop --force shopping
until flock -n '${small}/qubes-lite/broker.lock' true; do sleep 0.05; done
ls '${small}/qubes-lite'
`,
	);
	return user.sh(`unshare ${isRoot ? "-m" : "-rm"} sh '${join(user.directory, "script")}'`);
}

it("a runtime directory without room for a vm is named, and works again once there is room", async () => {
	const { stdout, stderr } = await shOnSmallDisk(`
qubes-lite ls -q
fill
run-in-vm shopping echo no; echo $?
free
run-in-vm shopping echo again; echo $?`);
	expect(stdout).toBe("shopping\n125\nagain\n0\nbroker.lock\n");
	expect(stderr).toMatch(/^run-in-vm: shopping did not become ready: Can't start shopping in .*no space or no inode/);
	expect(stderr).toMatch(/^ {2}→ df -h /m);
});

it("a runtime directory without any room is named before there is a broker", async () => {
	const { stdout, stderr } = await shOnSmallDisk(`
fill
for n in $(seq 50); do : >"$XDG_RUNTIME_DIR/$n" || break; done 2>/dev/null
run-in-vm shopping echo run; echo $?
rm "$XDG_RUNTIME_DIR"/*[0-9]; free`);
	expect(stdout).toMatch(/^(125\n|run\n0\n)broker.lock\n$/);
	if (stdout.startsWith("125")) expect(stderr).toMatch(/^run-in-vm: .*\n {2}→ ./);
});

it("a runtime directory that fills up while a vm boots does not hinder its start", async () => {
	user.order("shopping", { helloDelayMs: 700 });
	const { stdout, stderr } = await shOnSmallDisk(`
run-in-vm shopping echo ready >"$HOME/out" 2>&1 &
until [ -e "$XDG_RUNTIME_DIR/qubes-lite/shopping/shim/vmm.pid" ]; do sleep 0.02; done
fill
wait $!; echo $?
cat "$HOME/out"
run-in-vm shopping echo more; echo $?
free`);
	expect({ stdout, stderr }).toEqual({ stdout: "0\nready\nmore\n0\nbroker.lock\n", stderr: "" });
	expect(user.starts("shopping")).toBe(1);
});

it("a state directory that can't be made costs the logs, nothing else", async () => {
	const file = join(user.directory, "a file");
	writeFileSync(file, "");
	user.env.XDG_STATE_HOME = join(file, "state");
	expect(await user.run("shopping", "echo", "hi")).toMatchObject({ status: 0, stdout: "hi\n", stderr: "" });
	expect(await user.sh("qubes-lite stop shopping")).toMatchObject({ status: 0, stderr: "" });
	expect(await user.stateOf("shopping")).toBe("stopped");
});
