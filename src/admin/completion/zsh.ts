/** Completion for zsh: the file of its name in fpath (`#compdef`), or sourced after compinit. */
import type { DocumentedOption, Operand } from "../../cli/commands/command.ts";
import { runOptions } from "../../cli/commands/run-in-vm.ts";
import {
	commandLines,
	families,
	membersOf,
	offersFor,
	programOptions,
	quote,
	type Source,
	sourceOf,
} from "./command-lines.ts";

const ours = Object.values(runOptions) as readonly DocumentedOption[];

export const formatZshCompletion = (): string => `#compdef qubes-lite run-in-vm
# Completion of qubes-lite and run-in-vm for zsh, by: qubes-lite completion zsh

# The vms of the configuration. Boots nothing, and asks no broker.
_qubes_lite_vms() {
	local -a names expl
	names=(\${(f)"$(command qubes-lite completion --vms 2>/dev/null)"})
	_wanted vms expl vm compadd -a names
}

# The images that have been built.
_qubes_lite_images() {
	local -a lines keys expl
	lines=(\${(f)"$(command qubes-lite image ls 2>/dev/null)"})
	keys=(\${lines[2,-1]%% *})
	_wanted images expl image compadd -a keys
}

# Files, and vms with a colon; behind that colon is the guest's.
_qubes_lite_places() {
	local -a names expl
	[[ $PREFIX == *:* && $PREFIX != */* ]] && return 1
	names=(\${(f)"$(command qubes-lite completion --vms 2>/dev/null)"})
	_wanted vms expl vm compadd -S : -a names
	_files
}

_qubes_lite() {
	local line= word
	local -a members
	while true; do
		members=()
		case $line in
${["", ...families].map(formatMembers).join("")}		esac
		(( $#members )) || break
		if (( CURRENT == 2 )); then
			if [[ $words[2] == -* ]]; then
				_arguments ${formatSpecs(programOptions).join(" ")}
			else
				_describe -t commands command members
			fi
			return
		fi
		word=$words[2]
		shift words
		(( CURRENT-- ))
		line=\${line:+$line }$word
	done
	case $line in
${commandLines.map(formatCommand).join("")}	esac
}

# The command, as if it were to run here.
_run_in_vm_command() {
	if [[ $words[1] == -- ]] && (( CURRENT > 1 )); then
		shift words
		(( CURRENT-- ))
	fi
	_normal
}

# With a vm named by an option the first word that is none is the command's.
_run_in_vm() {
	local -a operands=('1:VM:_qubes_lite_vms' '*:::command:_run_in_vm_command')
	local at=2
	while (( at < CURRENT )) && [[ $words[at] == -?* && $words[at] != -- ]]; do
		case $words[at] in
		(${formatBaseOptions()}) operands=('*:::command:_run_in_vm_command') ;;
		(${runOptions.attach.names.flatMap((name) => [name, `${name}=*`]).join("|")}) operands=() ;|
		(${ours
			.filter(({ value }) => value === "required")
			.flatMap(({ names }) => names)
			.join("|")}) (( at++ )) ;;
		esac
		(( at++ ))
	done
	_arguments -s -S -A '-*' \\
${formatSpecs(ours)
	.map((spec) => `\t\t${spec} \\\n`)
	.join("")}		$operands
}

# Within a completion we are the function that compinit has loaded from this file.
if (( $+compstate )); then
	case $service in
	(run-in-vm) _run_in_vm ;;
	(*) _qubes_lite ;;
	esac
else
	compdef _qubes_lite qubes-lite
	compdef _run_in_vm run-in-vm
fi
`;

const formatBaseOptions = (): string => runOptions.disposable.names.flatMap((name) => [name, `${name}=*`]).join("|");

function formatMembers(path: string): string {
	const words = membersOf(path).map(({ word, help }) => quote(`${word}:${help}`));
	return `\t\t(${quote(path)}) members=(${words.join(" ")}) ;;\n`;
}

function formatCommand({ name, command, options }: (typeof commandLines)[number]): string {
	const specs = [
		...formatSpecs(options),
		...(command.operand === undefined ? [] : [formatOperand(command.operand, offersFor(command))]),
	];
	return `\t(${quote(name)})\n\t\t_arguments -s -S \\\n${specs.map((spec) => `\t\t\t${spec}`).join(" \\\n")}\n\t\t;;\n`;
}

const formatOperand = (operand: Operand, most: number): string =>
	quote(`${most > 1 ? "*" : "1"}:${operand.name}:${formatSource(sourceOf(operand))}`);

/** optspecs of _arguments (zshcompsys(1)): one for each name, each of which excludes the others. */
function formatSpecs(options: readonly DocumentedOption[]): string[] {
	return options.flatMap((option) => {
		const { names, value, help, arg } = option;
		const mayRepeat = option.names.some((name) => name === "--env");
		const before = mayRepeat ? "*" : `(${names.join(" ")})`;
		const explained = `[${help.replaceAll(/[\][\\]/g, "\\$&")}]`;
		const source = formatSource(sourceOf(option));
		return names.map((name) => {
			if (value === "none") return quote(`${before}${name}${explained}`);
			if (value === "optional") return quote(`${before}${name}=-${explained}::${arg}:${source}`);
			return quote(`${before}${name}${name.startsWith("--") ? "=" : "+"}${explained}:${arg}:${source}`);
		});
	});
}

function formatSource(source: Source): string {
	if (source === null) return " ";
	if ("words" in source) return `(${source.words.join(" ")})`;
	if (source.completes === "vm") return "_qubes_lite_vms";
	if (source.completes === "image") return "_qubes_lite_images";
	if (source.completes === "place") return "_qubes_lite_places";
	return source.completes === "directory" ? "_directories" : "_files";
}
