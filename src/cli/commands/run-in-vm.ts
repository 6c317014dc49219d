/** The options of `run-in-vm`, in the order in which its help lists them. */
import type { Pointers } from "../options.ts";
import type { DocumentedOption } from "./command.ts";

export const program = "run-in-vm";

export const filterModes = ["auto", "strict", "off"] as const;

const where = { group: "where it runs" } as const;
const how = { group: "how it runs" } as const;
const shown = { group: "what we show" } as const;

export const runOptions = {
	disposable: {
		...{ ...where, names: ["--disposable", "--dispvm"], value: "optional", arg: "BASE", completes: "vm" },
		help: "in a fresh copy of the vm BASE, which is gone afterwards",
	},
	noStart: { ...where, names: ["--no-start", "-n"], value: "none", help: "only if VM is running: do not boot it" },
	timeout: {
		...{ ...where, names: ["--timeout"], value: "required", arg: "S", wants: "a number of seconds" },
		help: "wait at most S seconds until the command starts (then exit status 124)",
	},
	shell: {
		...{ ...how, names: ["--shell"], value: "required", arg: "SCRIPT", wants: "a script for the guest's sh" },
		help: "SCRIPT by the guest's sh, in the place of COMMAND; further words are $1, $2, …",
	},
	user: {
		...{ ...how, names: ["--user", "-u"], value: "required", arg: "USER", wants: "a user of the guest" },
		help: "as this user of the guest",
	},
	workdir: {
		...{ ...how, names: ["--workdir", "-w"], value: "required", arg: "DIR", wants: "a directory of the guest" },
		help: "in this directory of the guest",
	},
	env: {
		...{ ...how, names: ["--env", "-e"], value: "required", arg: "K=V", wants: "K=V or K" },
		help: "with this environment variable; -e K passes ours on, if it is set",
	},
	tty: {
		...{ ...how, names: ["--tty", "-t"], value: "none" },
		help: "with a terminal of its own in the guest (else only if we have one on all three streams)",
	},
	noTty: { ...how, names: ["--no-tty", "-T"], value: "none", help: "with plain streams" },
	noStdin: {
		...{ ...how, names: ["--no-stdin", "-N"], value: "none" },
		help: "leaves our standard input alone; the command gets an empty one",
	},
	detach: {
		...{ ...how, names: ["--detach", "-d"], value: "none" },
		help: "goes on without us: prints the session's id and returns once the command has started",
	},
	attach: {
		...{ ...how, names: ["--attach"], value: "required", arg: "ID", wants: "the id of a session" },
		help: "comes back to such a session: its last output, what follows, and its exit status",
	},
	filter: {
		...{ ...shown, names: ["--filter"], value: "required", arg: "MODE", wants: "auto, strict or off" },
		...{ words: filterModes, help: "auto, strict or off: what of the guest's output reaches our terminal (see below)" },
	},
	quiet: { ...shown, names: ["--quiet", "-q"], value: "none", help: "no progress line" },
	statusFd: {
		...{ ...shown, names: ["--status-fd"], value: "required", arg: "N", wants: "a file descriptor's number" },
		help: "writes one JSON line to file descriptor N that says how the run ended",
	},
	help: { ...shown, names: ["--help", "-h"], value: "none", help: "this text" },
	version: { ...shown, names: ["--version"], value: "none", help: "the version" },
} as const satisfies Record<string, DocumentedOption>;

const noInteractive = "standard input goes over by itself; -t gives the command a terminal";

/** What others call it, or what belongs behind the vm. */
export const runPointers: Pointers = {
	"-i": noInteractive,
	"--interactive": noInteractive,
	"-v": "the version is --version",
	"-V": "the version is --version",
	"--rm": "a vm for one command is --disposable",
};

export const runUsages = [
	"[options] VM [--] COMMAND [ARG…]",
	"[options] --disposable[=BASE] [--] COMMAND [ARG…]",
	"[options] --attach ID",
] as const;
