/** Whether a broker runs and answers. Never starts one: a socket that systemd holds is left alone until its service runs. */
import { lstatSync, readFileSync, statSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { brokerUnits } from "../../activation/unit-names.ts";
import { errnoOf, QubesLiteError } from "../../errors.ts";
import { brokerFrame, encodeRequest, fromBrokerLimits, parseRefused } from "../../protocol/broker.ts";
import { parseStatusList } from "../../protocol/broker-replies.ts";
import { FrameDecoder } from "../../protocol/frame.ts";
import { brokerSocketName } from "../../runtime-directory.ts";
import { shellWord } from "../../shell-word.ts";
import { type Check, type Finding, fail, pass, warn } from "./check.ts";
import type { DoctorHost } from "./host.ts";

export const brokerCheck = (host: DoctorHost): Check => ({ name: "broker", run: () => look(host) });

/** A broker answers in a millisecond, unless the machine is swapping. */
const answerWithinMs = 1000;

async function look(host: DoctorHost): Promise<Finding> {
	const { runtimeDirectory } = host;
	if (runtimeDirectory instanceof QubesLiteError) {
		return warn("not looked at: there is no runtime directory", runtimeDirectory.remedy ?? "echo $XDG_RUNTIME_DIR");
	}
	const path = join(runtimeDirectory, brokerSocketName);
	if (!isThere(path)) return pass("none runs; the first command starts one");
	const units = host.manager.kind === "there" ? host.manager.units : undefined;
	const isSystemds =
		units?.get(brokerUnits.socket)?.ActiveState === "active" &&
		(units.get(brokerUnits.socket)?.Listen ?? "").includes(path);
	const service = units?.get(brokerUnits.service);
	if (isSystemds && service?.ActiveState !== "active") return pass("none runs; systemd starts it when it is needed");
	const pid = isSystemds ? Number(service?.MainPID) : lockHolder(join(runtimeDirectory, "broker.lock"));
	const restart = isSystemds ? `systemctl --user restart ${brokerUnits.service}` : undefined;
	const answer = await ask(path);
	switch (answer.kind) {
		case "refused":
			return warn("a broker that is gone left its socket; the next command puts a new one there", "qubes-lite ls");
		case "silent": {
			const kill = pid ? `kill -KILL ${pid}` : `rm ${shellWord(path)}`;
			return fail(
				`the broker does not answer: ${answer.why}`,
				`${restart ?? kill} && qubes-lite ls   # vms and sessions go on`,
			);
		}
		case "answered": {
			const who = pid ? `the broker (pid ${pid})` : "the broker";
			if (pid && isOlderThanProgram(pid, join(host.programs, "broker.cjs"))) {
				const sentence = `${who} was started before this version was installed`;
				return warn(sentence, `${restart ?? `kill ${pid}`}   # vms and sessions go on`);
			}
			if (answer.vms === null) return pass(`${who} answers; the policy does not let it list the vms`);
			return pass(`${who} answers, and has ${answer.vms} vms`);
		}
	}
}

/** lstat: also a socket that nobody listens at. */
const isThere = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;

type BrokerAnswer =
	| { readonly kind: "refused" }
	| { readonly kind: "silent"; readonly why: string }
	/** null: the policy does not let it say. */
	| { readonly kind: "answered"; readonly vms: number | null };

function ask(path: string): Promise<BrokerAnswer> {
	return new Promise((resolve) => {
		const socket = connect(path);
		const settle = (answer: BrokerAnswer): void => {
			socket.destroy();
			resolve(answer);
		};
		const silent = (why: string): void => settle({ kind: "silent", why });
		socket.setTimeout(answerWithinMs, () => silent(`not a word within ${answerWithinMs} ms`));
		socket.once("error", (cause) =>
			errnoOf(cause) === "ECONNREFUSED" ? settle({ kind: "refused" }) : silent(errnoOf(cause) ?? cause.message),
		);
		socket.once("end", () => silent("it hangs up"));
		const decoder = new FrameDecoder(fromBrokerLimits);
		socket.on("data", (chunk: Buffer) => {
			try {
				decoder.push(chunk, ({ type, payload }) => {
					if (type === brokerFrame.refused) {
						const { code, message } = parseRefused(payload);
						if (code === "Denied") settle({ kind: "answered", vms: null });
						else silent(message);
					}
					if (type !== brokerFrame.reply) return;
					const vms = parseStatusList(JSON.parse(payload.toString("utf8"))).length;
					settle({ kind: "answered", vms });
				});
			} catch (cause) {
				silent(QubesLiteError.from(cause).message);
			}
		});
		socket.write(encodeRequest({ method: "list" }));
	});
}

/** Who has locked the file by flock(2), from proc_locks(5): "1: FLOCK ADVISORY WRITE 708 fd:00:131 0 EOF", an inode last. */
function lockHolder(path: string): number | undefined {
	const inode = statSync(path, { throwIfNoEntry: false })?.ino;
	const line = readFileSync("/proc/locks", "utf8").match(new RegExp(` FLOCK +\\S+ +WRITE +(\\d+) +\\S+:${inode} `));
	return line?.[1] === undefined ? undefined : Number(line[1]);
}

/** The kernel counts in hundredths of a second for user space (USER_HZ, proc_pid_stat(5): field 22, after the name). */
const ticksPerSecond = 100;
/** btime of proc_stat(5) has whole seconds. */
const startedAboutMs = 2000;

/** Whether the process was started before that file was written. */
export function isOlderThanProgram(pid: number, program: string): boolean {
	try {
		const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
		const ticks = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
		const bootedAt = Number(/^btime (\d+)$/m.exec(readFileSync("/proc/stat", "latin1"))?.[1]) * 1000;
		return bootedAt + (ticks / ticksPerSecond) * 1000 + startedAboutMs < statSync(program).mtimeMs;
	} catch (cause) {
		// It has left meanwhile.
		if (["ENOENT", "ESRCH"].includes(errnoOf(cause) ?? "")) return false;
		throw cause;
	}
}
