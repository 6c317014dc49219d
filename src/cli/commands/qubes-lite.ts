/** All commands of `qubes-lite`. */
import type { Command, DocumentedOption, Operand } from "./command.ts";

export const program = "qubes-lite";

const help: DocumentedOption = { names: ["--help", "-h"], value: "none", help: "this text" };
const json: DocumentedOption = { names: ["--json"], value: "none", help: "as JSON, for programs" };
const dryRun: DocumentedOption = {
	names: ["--dry-run"],
	value: "none",
	help: "says what would be done, and does nothing",
};

const anyNumber = Number.POSITIVE_INFINITY;
const aVm: Operand = { name: "VM", least: 1, most: 1, missing: "which VM?", completes: "vm" };
const vms: Operand = { ...aVm, most: anyNumber };
const maybeVm: Operand = { ...aVm, least: 0 };

const stopEverything = "all vms are stopped by: qubes-lite stop $(qubes-lite ls -q)";

/** By name; "image build" is a command of two words. */
export const commands = {
	ls: {
		help: "the vms and what they do",
		options: {
			quiet: { names: ["--quiet", "-q"], value: "none", help: "names only" },
			all: {
				names: ["--all", "-a"],
				value: "none",
				help: "also instances that are kept ready and nobody has asked for",
			},
			json,
			help,
		},
	},
	status: {
		help: "one vm, with what keeps it up or why it ended; without VM the broker itself",
		options: { json, help },
		operand: maybeVm,
	},
	ps: {
		help: "the sessions in running vms: what runs, for whom, since when",
		options: { json, help },
		operand: maybeVm,
	},
	start: {
		help: "boots vms without running anything in them",
		more: "With --print-argv or --explain nothing is started, and no broker: what would be is said for this host as it is now, and so is what is in the way.",
		options: {
			"print-argv": { names: ["--print-argv"], value: "none", help: "prints the vmm's command line instead" },
			explain: { names: ["--explain"], value: "none", help: "says why each word of it is there" },
			json: { ...json, help: "with either: as JSON, for programs" },
			help,
		},
		operand: vms,
	},
	stop: {
		help: "shuts vms down",
		more: "All of them: qubes-lite stop $(qubes-lite ls -q).",
		options: { force: { names: ["--force"], value: "none", help: "does not ask the guest" }, help },
		operand: { ...vms, missing: `which VM? ${stopEverything}` },
		pointers: { "--all": stopEverything, "-a": stopEverything },
	},
	kill: {
		help: "ends vms at once, as by a power cut",
		options: { help },
		operand: vms,
	},
	restart: {
		help: "shuts vms down, and boots them again",
		options: { force: { names: ["--force"], value: "none", help: "does not ask the guest" }, help },
		operand: vms,
	},
	why: {
		help: "what keeps a vm up, or why it is not",
		options: { json, help },
		operand: aVm,
	},
	set: {
		help: "changes the idleTimeout and the like of a running vm, until it stops",
		more: "idleTimeout, pauseTimeout and maxLifetime are seconds, 0 is never; idleAction is stop or pause; memory is MiB, at most what the vm was booted with, and on crosvm only. It holds at once. For every boot these stand in the configuration.",
		options: { json, help },
		operand: { ...vms, isFirstOnly: true },
		usages: ["[--json] VM KEY=VALUE…"],
	},
	inhibit: {
		help: "keeps a vm from stopping by idleness while a command runs on this host",
		more: "It boots nothing, and ends with the command's own exit status: 128 + N where signal N ended it, 126 or 127 where it can't be started.",
		options: {
			why: {
				...{ names: ["--why"], value: "required", arg: "TEXT", wants: "a text" },
				help: "what `ls` and `why` show, instead of the command's name",
			},
			help,
		},
		operand: aVm,
		commandMissing: "which command? It stands behind --: qubes-lite inhibit VM -- COMMAND",
		usages: ["[--why TEXT] VM -- COMMAND [ARG…]"],
	},
	events: {
		help: "what happens to vms, as it happens",
		more: "It begins with what each of them is at, and goes on until it is interrupted, which Ctrl-C does (exit status 130 then), or nobody reads it any more (0). A broker that comes later tells only what has changed. It keeps the broker, and no vm.",
		options: {
			json: { ...json, help: "a line of JSON for each event, for programs (docs/events.schema.json)" },
			follow: { names: ["--follow", "-f"], value: "none", help: "goes on with what comes, as it does anyway" },
			help,
		},
		operand: maybeVm,
	},
	logs: {
		help: "what a vm's vmm and its helpers have said",
		options: {
			follow: { names: ["--follow", "-f"], value: "none", help: "goes on with what comes" },
			console: { names: ["--console"], value: "none", help: "what the guest wrote to its serial console instead" },
			lines: {
				...{ names: ["--lines", "-n"], value: "required", arg: "LINES", wants: "a number of lines" },
				help: "only the last LINES lines",
			},
			help,
		},
		operand: aVm,
	},
	console: {
		help: "a running vm's serial console on this terminal",
		options: { help },
		operand: aVm,
	},
	"image build": {
		help: "builds the default guest image, and the images that vms ask for by packages",
		more: 'The default image is of this machine\'s Debian release. Of vms with "image": {"packages": [...]} in the configuration those that are named get theirs, or all.',
		options: {
			force: {
				names: ["--force"],
				value: "none",
				help: "asks Debian for the newest again, and builds even if nothing has changed",
			},
			help,
		},
		operand: { ...vms, least: 0 },
	},
	"image ls": { help: "the images that have been built", options: { json, help } },
	"image rm": {
		help: "removes images",
		more: "An image that a vm runs with is never removed. One that a vm would boot at its next start is removed only with --force: that vm then does not start until `qubes-lite image build` has made its image again.",
		options: { force: { names: ["--force"], value: "none", help: "even if vms of the configuration boot it" }, help },
		operand: {
			...{ name: "KEY", least: 1, most: anyNumber, missing: "which image?" },
			...{ listedBy: "qubes-lite image ls", completes: "image" },
		},
	},
	"image gc": {
		help: "removes images that no vm needs, and packages that no image is made of any more",
		options: { dryRun, help },
	},
	"image path": { help: "the directory of the current image", options: { help } },
	"image assemble": {
		help: "makes an image's directory of a kernel and a root file system of your own",
		more: "The initramfs is that of every image here: it mounts the root read-only, puts memory over it, and starts its /sbin/init.",
		options: {
			kernel: {
				...{ names: ["--kernel"], value: "required", arg: "FILE", wants: "a kernel" },
				...{ help: "a bzImage or vmlinux", completes: "file", isRequired: true },
			},
			modules: {
				...{ names: ["--modules"], value: "required", arg: "DIR", wants: "a directory" },
				...{ help: "its lib/modules/RELEASE", completes: "directory", isRequired: true },
			},
			busybox: {
				...{ names: ["--busybox"], value: "required", arg: "FILE", wants: "a static busybox" },
				...{ help: "for the initramfs; it is static", completes: "file", isRequired: true },
			},
			root: {
				...{ names: ["--root"], value: "required", arg: "FILE", wants: "a raw image" },
				...{ help: "a raw erofs or ext4", completes: "file", isRequired: true },
			},
			out: {
				...{ names: ["--out"], value: "required", arg: "DIR", wants: "a directory" },
				...{ help: "where the image will be: not there yet", completes: "directory", isRequired: true },
			},
			qcow: { names: ["--qcow"], value: "none", help: "makes a qcow2 of the root, by qemu-img" },
			help,
		},
		usages: ["--kernel FILE --root FILE … --out DIR"],
	},
	units: {
		help: "writes the systemd units of a configuration's vms",
		options: {
			config: {
				...{ names: ["--config"], value: "required", arg: "FILE", wants: "a configuration file" },
				...{ help: "the configuration", completes: "file", isRequired: true },
			},
			facts: {
				...{ names: ["--facts"], value: "required", arg: "FILE", wants: "a file of host facts" },
				...{ help: "facts of the host that they are for; else of this one", completes: "file" },
			},
			out: {
				...{ names: ["--out"], value: "required", arg: "DIR", wants: "a directory" },
				...{ help: "where they are written", completes: "directory", isRequired: true },
			},
			help,
		},
	},
	"host tap": {
		help: "prints what gives networked vms their TAPs on this host, with NAT",
		more: "It changes nothing; qubes-lite host tap --print | sudo sh does, until the next boot of this host, and may be run again. Without VM it is for all vms that have a network, and for disposablePool. The TAPs belong to the configuration's user, else to who asks. What the output begins with says what vms then reach.",
		options: {
			print: { names: ["--print"], value: "none", help: "has to be there, so that nobody takes it for more" },
			undo: { names: ["--undo"], value: "none", help: "what takes all of it away again" },
			nat: {
				...{ names: ["--nat"], value: "required", arg: "IFACE", wants: "a network interface" },
				help: "vms reach the outside by this interface only; else by any that the host's routes lead to",
			},
			format: {
				...{ names: ["--format"], value: "required", arg: "FORMAT", wants: "shell, networkd or networkmanager" },
				...{ words: ["shell", "networkd", "networkmanager"] },
				help: "shell: commands for root's; networkd, networkmanager: files for those, which last",
			},
			out: {
				...{ names: ["--out"], value: "required", arg: "DIR", wants: "a directory" },
				...{ help: "writes such files there, and prints their paths", completes: "directory" },
			},
			json: { ...json, help: "the TAPs, their owner and the rules as JSON, for programs" },
			help,
		},
		operand: { ...vms, least: 0 },
		usages: ["--print [--undo] [--nat IFACE] [--format FORMAT] [VM…]"],
	},
	open: {
		help: "opens a link or a file in a vm",
		more: "Links are http, https, ftp and mailto. Without --in the first line `open-url HOST VM|@dispvm|ask` of the policy that fits says where; where none does, you are asked on a terminal, and without one it is a disposable, as long as the policy has no such lines at all. It ends when the guest's handler (\"open\" of the vm's configuration, else xdg-open) has.",
		options: {
			in: {
				...{ names: ["--in"], value: "required", arg: "VM", wants: "a vm, @dispvm or @dispvm:VM" },
				...{ help: "there: a vm, @dispvm for a disposable, @dispvm:VM for one made from VM", completes: "vm" },
			},
			help,
		},
		operand: { name: "LINK", least: 1, most: 1, missing: "which link or file?", completes: "file" },
		usages: ["[--in VM|@dispvm] [--] LINK|FILE"],
	},
	"clip copy": {
		help: "makes what has been copied in a vm this desktop's to paste",
		more: "Text or a PNG picture of at most 16 MiB. Between vms and this desktop nothing that is copied goes by itself; a notification tells that it has gone.",
		options: {
			stdout: { names: ["--stdout"], value: "none", help: "writes it to standard output instead" },
			help,
		},
		operand: aVm,
	},
	"clip paste": {
		help: "makes what has been copied on this desktop the vm's to paste",
		more: "Text or a PNG picture of at most 16 MiB. The vm must run, and has it until something else is copied there.",
		options: {
			stdin: { names: ["--stdin"], value: "none", help: "takes standard input instead: a PNG, or text" },
			help,
		},
		operand: aVm,
	},
	cp: {
		help: "copies files and directories into a vm, or out of it",
		more: "One side is VM:PATH, from the home of the guest's user on; VM: is that home itself. ./a:b is a file here. A copy goes into a directory that is there, else it takes the name; several need a directory. What is there already stays, unless -f is given. Modes and times of change are kept, owners are not; symbolic links stay links, and those that lead out of what is copied are left out, as are sockets, FIFOs and devices: then the exit status is 1. Until all has come nothing has its name. `VM:PATH -` writes a tar archive to standard output.",
		options: {
			force: {
				names: ["--force", "-f"],
				value: "none",
				help: "replaces files that are there, and joins directories",
			},
			recursive: {
				names: ["--recursive", "-r"],
				value: "none",
				help: "directories with all that is in them, as always",
			},
			quiet: { names: ["--quiet", "-q"], value: "none", help: "shows no progress" },
			user: {
				...{ names: ["--user", "-u"], value: "required", arg: "USER", wants: "a name" },
				help: "whose files they are in the guest, instead of its ordinary user's",
			},
			"max-bytes": {
				...{ names: ["--max-bytes"], value: "required", arg: "N", wants: "a number of bytes" },
				help: "takes no more than that out of a vm (16G unless it is said); K, M, G and T are powers of 1024",
			},
			json: { ...json, help: "says as JSON how many files and bytes were copied, for programs" },
			help,
		},
		operand: {
			...{ name: "SOURCE", least: 1, most: anyNumber, missing: "what is to be copied, and where to?" },
			completes: "place",
		},
		pointers: {
			"-a": "modes and times are kept anyway",
			"-p": "modes and times are kept anyway",
			"-R": "-r, or nothing at all",
		},
		usages: ["[-f] [-q] [-u USER] [--json] SOURCE… DEST"],
	},
	"desktop sync": {
		help: "puts vms' programs into this desktop's menu",
		more: "Those that the configuration lists, and those that guests report: running ones are asked, of others the last report counts. With VM only that guest is asked. `install` does it at its end, and the broker when the configuration has changed or a vm has booted.",
		options: {
			boot: { names: ["--boot"], value: "none", help: "boots vms that do not run, to ask them" },
			noAsk: { names: ["--no-ask"], value: "none", help: "asks no guest: what each has reported last counts" },
			dryRun,
			json,
			help,
		},
		operand: { ...vms, least: 0 },
	},
	"desktop ls": { help: "the programs that the menu has of vms", options: { json, help } },
	"desktop colors": {
		help: "prints lines for sway that paint windows' titles in their vms' colours",
		more: 'Of the vms that have a "color". sway shows them with a font of Pango\'s: font pango:monospace 10. qubes-lite desktop colors >~/.config/sway/qubes-lite; and in its configuration: include qubes-lite',
		options: { help },
	},
	"desktop remove": { help: "takes vms' programs out of the menu", options: { dryRun, help } },
	install: {
		help: "puts units, completion, man pages and commands that start vms into their places",
		more: "Run it again when vms have come or gone, or start with the session or no longer: what else changes in the configuration, the broker puts into the units itself. Where systemd would give the broker another QUBES_LITE_CONFIG, XDG_CONFIG_HOME, XDG_CACHE_HOME or XDG_STATE_HOME than this shell has, or a PATH that leads to other programs, its unit gets the shell's, until the next run.",
		options: {
			dryRun,
			force: { names: ["--force"], value: "none", help: "replaces files that somebody has changed" },
			help,
		},
	},
	uninstall: {
		help: "takes away what install has put there",
		options: {
			dryRun,
			force: { names: ["--force"], value: "none", help: "even where vms run as units, or may" },
			help,
		},
	},
	"policy lint": {
		help: "looks for mistakes in the policy's files, and for lines that are hardly meant",
		more: "A single bad line and the broker allows nothing, until it is mended; then the exit status is 1. It asks no broker.",
		options: { json, help },
	},
	"policy explain": {
		help: "says whether the policy allows something, and which line decides",
		more: "SOURCE is @host, which is you, or the vm that asks. TARGET is a vm, @dispvm or @dispvm:BASE for a disposable instance, @anyvm for lists and the broker itself. SERVICE is exec, attach, broker, list, sessions, status, console, start, stop, set, inhibit, events, open or clip; ARGUMENT is the command of exec, the key of set, the scheme of open, copy or paste of clip, with or without the + of a rule. With open-url as SERVICE, TARGET is a host, and the answer is where its URLs are opened.",
		options: { json, help },
		operand: { name: "SOURCE", least: 1, most: 4, missing: "who, about what, and which SERVICE?" },
		usages: ["[--json] SOURCE TARGET SERVICE [ARGUMENT]"],
	},
	doctor: {
		help: "looks whether this machine has what vms need, and says what helps",
		options: {
			json,
			quiet: { names: ["--quiet", "-q"], value: "none", help: "only what is not in order" },
			help,
		},
	},
	completion: {
		help: "prints a script that completes our command lines in a shell",
		more: "For bash: source <(qubes-lite completion bash). `qubes-lite install` puts it in its place.",
		options: {
			vms: { names: ["--vms"], value: "none", help: "the names of the configured vms instead, one on each line" },
			help,
		},
		operand: {
			...{ name: "SHELL", least: 0, most: 1, missing: "which shell?" },
			words: ["bash", "zsh", "fish"],
		},
		usages: ["bash|zsh|fish", "--vms"],
	},
} as const satisfies Record<string, Command>;

/** Commands of other programs of this kind, and what does the same here. */
export const foreignCommands: Readonly<Record<string, string>> = {
	list: `${program} ls`,
	destroy: `${program} kill VM`,
	shutdown: `${program} stop VM`,
	poweroff: `${program} stop VM`,
	down: `${program} stop VM`,
	up: `${program} start VM`,
	boot: `${program} start VM`,
	reboot: `${program} restart VM`,
	run: "run-in-vm VM COMMAND",
	exec: "run-in-vm VM COMMAND",
	shell: "run-in-vm VM sh",
	attach: "run-in-vm --attach ID",
	copy: `${program} cp SOURCE… DEST`,
	scp: `${program} cp SOURCE… DEST`,
};

export type CommandName = keyof typeof commands;

export const commandNames = Object.keys(commands) as CommandName[];

/** The program's own options, in the place of a command. */
export const globalOptions: Readonly<Record<string, DocumentedOption>> = {
	help,
	version: { names: ["--version"], value: "none", help: "the version" },
};
