/** Completion for fish. */
import type { DocumentedOption } from "../../cli/commands/command.ts";
import { runOptions } from "../../cli/commands/run-in-vm.ts";
import {
	commandLines,
	families,
	membersOf,
	offersFor,
	programOptions,
	type Source,
	sourceOf,
	valuedNames,
} from "./command-lines.ts";

const ours = Object.values(runOptions) as readonly DocumentedOption[];

export const formatFishCompletion =
	(): string => `# Completion of qubes-lite and run-in-vm for fish, by: qubes-lite completion fish

# The vms of the configuration. Boots nothing, and asks no broker.
function __qubes_lite_vms
    type -q qubes-lite; and command qubes-lite completion --vms 2>/dev/null
end

# The images that have been built.
function __qubes_lite_images
    type -q qubes-lite; and command qubes-lite image ls 2>/dev/null | string replace -rf '^([0-9a-f]+) .*' '$1'
end

# Files, and vms with a colon; behind that colon is the guest's.
function __qubes_lite_places
    set -l token (commandline -ct)
    string match -qr '^[^/]*:' -- $token; and return
    for vm in (__qubes_lite_vms)
        echo $vm:
    end
    __fish_complete_path $token
end

# Whether the command line is that of the command $argv.
function __qubes_lite_in
    set -l words (commandline -opc)
    test (count $words) -gt (count $argv); or return 1
    set -l path (math 1 + (count $argv))
    test "$words[2..$path]" = "$argv"
end

# Whether it is no more than that.
function __qubes_lite_at
    set -l words (commandline -opc)
    test (count $words) -eq (math 1 + (count $argv)); or return 1
    test (count $argv) -eq 0; or __qubes_lite_in $argv
end

# Whether there is room for one more of $most operands of the command that the words after $valued are. $valued: the options
# that have a word as value.
function __qubes_lite_fits --argument-names most valued
    set -l path $argv[3..]
    __qubes_lite_in $path; or return 1
    set -l words (commandline -opc)
    set -l valued (string split ' ' -- $valued)
    set -l operands 0
    set -l skips 0
    for word in $words[(math 2 + (count $path))..]
        if test $skips -eq 1
            set skips 0
        else if contains -- $word $valued
            set skips 1
        else if not string match -q -- '-*' $word
            set operands (math $operands + 1)
        end
    end
    test $operands -lt $most
end

# Prints what comes next on run-in-vm's line: "vm" (or an option), "first" (or an option), "nothing", or the number of the
# word with which the command begins.
function __run_in_vm_next
    set -l words (commandline -opc)
    set -l named 0
    set -l skips 0
    for at in (seq 2 (count $words))
        set -l word $words[$at]
        if test $skips -eq 1
            set skips 0
            continue
        end
        switch $word
            case ${runOptions.attach.names.map((name) => `${name} ${quote(`${name}=*`)}`).join(" ")}
                echo nothing
                return
            case ${runOptions.disposable.names.map((name) => `${name} ${quote(`${name}=*`)}`).join(" ")}
                set named 1
            case ${valuedNames(ours)
							.filter((name) => !runOptions.attach.names.some((attach) => attach === name))
							.join(" ")}
                set skips 1
            case --
                test $named -eq 1; and math $at + 1; or echo nothing
                return
            case '-*'
            case '*'
                set -l from $at
                test $named -eq 1; or set from (math $at + 1)
                test "$words[$from]" = --; and set from (math $from + 1)
                echo $from
                return
        end
    end
    test $named -eq 1; and echo first; or echo vm
end

# The command, as if it were to run here.
function __run_in_vm_command
    set -l words (commandline -opc)
    set -l next (__run_in_vm_next)
    test $next = first; and set next (math 1 + (count $words))
    complete --do-complete=(string join ' ' -- (string escape -- $words[$next..]) (commandline -ct))
end

complete -c qubes-lite -f
complete -c run-in-vm -f
complete -c run-in-vm -n 'test (__run_in_vm_next) = vm' -a '(__qubes_lite_vms)' -d vm
complete -c run-in-vm -n 'string match -qr "^(first|[0-9]+)\\$" (__run_in_vm_next)' -a '(__run_in_vm_command)'
${ours.map((option) => formatOption("run-in-vm", "contains (__run_in_vm_next) vm first", option)).join("")}
${["", ...families].map(formatMembers).join("")}${programOptions.map((option) => formatOption("qubes-lite", "__qubes_lite_at", option)).join("")}
${commandLines.map(formatCommand).join("")}`;

function formatMembers(path: string): string {
	const condition = `__qubes_lite_at ${path}`.trimEnd();
	return membersOf(path)
		.map(({ word, help }) => `complete -c qubes-lite -n ${quote(condition)} -a ${word} -d ${quote(help)}\n`)
		.join("");
}

function formatCommand({ name, command, options }: (typeof commandLines)[number]): string {
	const { operand } = command;
	const lines = options.map((option) => formatOption("qubes-lite", `__qubes_lite_in ${name}`, option));
	if (operand !== undefined) {
		const valued = quote(valuedNames(options).join(" "));
		const condition = `__qubes_lite_fits ${offersFor(command)} ${valued} ${name}`;
		lines.push(`complete -c qubes-lite -n ${quote(condition)} ${formatSource(sourceOf(operand))}\n`);
	}
	return lines.join("");
}

/** fish asks for a value behind = where one is optional, and for the next word, too, where it must be there (-r). */
function formatOption(program: string, condition: string, option: DocumentedOption): string {
	const names = option.names.map((name) => (name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
	const source = formatSource(sourceOf(option));
	const value = { none: "", optional: source, required: `-r ${source === "" ? "-f" : source}` }[option.value];
	const parts = [`-n ${quote(condition)}`, ...names, value, `-d ${quote(option.help)}`];
	return `complete -c ${program} ${parts.filter((part) => part !== "").join(" ")}\n`;
}

function formatSource(source: Source): string {
	if (source === null) return "";
	if ("words" in source) return `-f -a ${quote(source.words.join(" "))}`;
	if (source.completes === "vm") return "-f -a '(__qubes_lite_vms)'";
	if (source.completes === "image") return "-f -a '(__qubes_lite_images)'";
	if (source.completes === "place") return "-f -a '(__qubes_lite_places)'";
	return source.completes === "directory" ? "-f -a '(__fish_complete_directories)'" : "-F";
}

/** Within single quotes fish knows two escapes only: of the quote, and of the backslash. */
function quote(text: string): string {
	return `'${text.replaceAll(/['\\]/g, "\\$&")}'`;
}
