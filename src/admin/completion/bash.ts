/** Completion for bash. Nothing that was typed, or that a program says, is ever evaluated: compgen -W would (bash(1)). */
import type { DocumentedOption } from "../../cli/commands/command.ts";
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
	valuedNames,
} from "./command-lines.ts";

const ours = Object.values(runOptions) as readonly DocumentedOption[];

export const formatBashCompletion =
	(): string => `# Completion of qubes-lite and run-in-vm for bash, by: qubes-lite completion bash

# Offers those of the words $2… that begin with $1.
_qubes_lite_offer() {
	local begin=$1 word
	shift
	for word in "$@"; do
		[[ $word == "$begin"* ]] && COMPREPLY+=("$word")
	done
	return 0
}

# The vms of the configuration that begin with $1. Boots nothing, and asks no broker.
_qubes_lite_vms() {
	local -a names
	mapfile -t names < <(command qubes-lite completion --vms 2>/dev/null)
	_qubes_lite_offer "$1" "\${names[@]}"
}

# The images that have been built whose keys begin with $1.
_qubes_lite_images() {
	local -a lines
	mapfile -t -s 1 lines < <(command qubes-lite image ls 2>/dev/null)
	_qubes_lite_offer "$1" "\${lines[@]%% *}"
}

# Files that begin with $2; $1 is -f, or -d for directories only.
_qubes_lite_files() {
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen "$1" -- "$2")
}

# Files that begin with $1, and vms with a colon; behind that colon is the guest's.
_qubes_lite_places() {
	local -a names=() files=()
	local name
	[[ $1 == : || \${words[last - 1]} == : ]] && return 0
	mapfile -t names < <(command qubes-lite completion --vms 2>/dev/null)
	for name in "\${names[@]}"; do
		[[ $name == "$1"* ]] && COMPREPLY+=("$name:")
	done
	if ((\${#COMPREPLY[@]} == 0)); then
		_qubes_lite_files -f "$1"
	else
		compopt -o nospace 2>/dev/null
		mapfile -t files < <(compgen -f -- "$1")
		COMPREPLY+=("\${files[@]}")
	fi
}

# Completes $2, the value of the option $1: "qubes-lite logs -n".
_qubes_lite_value() {
	case $1 in
${formatValues()}	esac
}

# Whether the option $1 has its value in the next word.
_qubes_lite_takes() {
	case $1 in
	${formatPatterns(formatTakers())}) return 0 ;;
	esac
	return 1
}

# Fills words with the command line up to the cursor, in which what readline has split at = is one word again, and places
# with where each begins in COMP_WORDS.
_qubes_lite_split() {
	local index word
	for ((index = 0; index <= COMP_CWORD; index++)); do
		word=\${COMP_WORDS[index]}
		local last=$((\${#words[@]} - 1))
		if ((last > 0)) && [[ \${words[last]} == --* && (\${words[last]} == *= || $word == =) ]]; then
			words[last]+=$word
		else
			words+=("$word")
			places+=("$index")
		fi
	done
}

# Completes "--option=value" of the command $1. What was not split at = is replaced as a whole.
_qubes_lite_assigned() {
	local option=\${2%%=*} index
	_qubes_lite_value "$1 $option" "\${2#*=}"
	[[ \${COMP_WORDS[COMP_CWORD]} == --*=* ]] || return 0
	for index in "\${!COMPREPLY[@]}"; do COMPREPLY[index]=$option=\${COMPREPLY[index]}; done
}

_qubes_lite() {
	local -a words=() places=() options=()
	local command=qubes-lite index last word operands=0 most=0 over=
	COMPREPLY=()
	_qubes_lite_split
	last=$((\${#words[@]} - 1))
	for ((index = 1; index < last; index++)); do
		case "$command \${words[index]}" in
		${formatPatterns(formatPaths())}) command+=" \${words[index]}" ;;
		*) break ;;
		esac
	done
	case $command in
${formatCommands()}	esac
	for (( ; index < last; index++)); do
		word=\${words[index]}
		if [[ $over || $word != -* ]]; then
			((operands += 1))
		elif [[ $word == -- ]]; then
			over=1
		elif _qubes_lite_takes "$command $word"; then
			((index += 1))
			if ((index == last)); then
				_qubes_lite_value "$command $word" "\${words[last]}"
				return 0
			fi
		fi
	done
	word=\${words[last]}
	if [[ ! $over && $word == --*=* ]]; then
		_qubes_lite_assigned "$command" "$word"
	elif [[ ! $over && $word == -* ]]; then
		_qubes_lite_offer "$word" "\${options[@]}"
	elif ((operands < most)); then
		_qubes_lite_value "$command" "$word"
	fi
}

_run_in_vm() {
	local -a words=() places=()
	local index last word from= named=
	COMPREPLY=()
	_qubes_lite_split
	last=$((\${#words[@]} - 1))
	for ((index = 1; index < last; index++)); do
		word=\${words[index]}
		case $word in
		--attach=*) return 0 ;;
		${formatPatterns(formatBaseOptions())}) named=1 ;;
		--) break ;;
		-*)
			_qubes_lite_takes "run-in-vm $word" || continue
			((index += 1))
			if ((index == last)); then
				_qubes_lite_value "run-in-vm $word" "\${words[last]}"
				return 0
			fi
			[[ $word == --attach ]] && return 0
			;;
		*) break ;;
		esac
	done
	if ((index < last)); then
		# The first word that is no option: the vm, unless that was named before.
		from=$((named ? index : index + 1))
		[[ \${words[from]} == -- ]] && ((from < last)) && ((from += 1))
	fi
	word=\${words[last]}
	if [[ ! $from && $word == --*=* ]]; then
		_qubes_lite_assigned run-in-vm "$word"
	elif [[ ! $from && $word == -* ]]; then
		_qubes_lite_offer "$word" ${formatWords(ours.flatMap(({ names }) => names))}
	elif [[ ! $from && ! $named ]]; then
		_qubes_lite_vms "$word"
	else
		_run_in_vm_command "\${from:-$last}"
	fi
}

# The command that begins with the word $1, as if it were to run here.
_run_in_vm_command() {
	if declare -F _command_offset >/dev/null; then
		_command_offset "\${places[$1]}"
	elif (($1 == last)) && [[ \${words[last]} != */* ]]; then
		mapfile -t COMPREPLY < <(compgen -c -- "\${words[last]}")
	else
		_qubes_lite_files -f "\${words[last]}"
	fi
}

complete -F _qubes_lite qubes-lite
complete -F _run_in_vm run-in-vm
`;

/** All options with the command lines that they are of: "qubes-lite logs -n". */
const placed: readonly { readonly path: string; readonly options: readonly DocumentedOption[] }[] = [
	...commandLines.map(({ name, options }) => ({ path: `qubes-lite ${name}`, options })),
	{ path: "run-in-vm", options: ours },
];

function formatValues(): string {
	const rows = placed.flatMap(({ path, options }) =>
		options.flatMap((option) => {
			const action = formatSource(sourceOf(option));
			return action === "" ? [] : [{ patterns: option.names.map((name) => `${path} ${name}`), action }];
		}),
	);
	const operands = commandLines.flatMap(({ name, command }) =>
		command.operand === undefined
			? []
			: [{ patterns: [`qubes-lite ${name}`], action: formatSource(sourceOf(command.operand)) }],
	);
	return [...rows, ...operands].map(({ patterns, action }) => `\t${formatPatterns(patterns)}) ${action} ;;\n`).join("");
}

const formatTakers = (): string[] =>
	placed.flatMap(({ path, options }) => valuedNames(options).map((name) => `${path} ${name}`));

const formatPaths = (): string[] =>
	[...families, ...commandLines.map(({ name }) => name)].map((name) => `qubes-lite ${name}`);

/** Names of the options that name the vm, which otherwise is the first operand. */
const formatBaseOptions = (): string[] => runOptions.disposable.names.flatMap((name) => [name, `${name}=*`]);

function formatCommands(): string {
	const rows = commandLines.map(({ name, command, options }) => {
		const words = formatWords(options.flatMap(({ names }) => names));
		return `\t'qubes-lite ${name}') options=(${words}) most=${offersFor(command)} ;;\n`;
	});
	const members = ["", ...families].map((path) => {
		const words = membersOf(path).map(({ word }) => word);
		const options = path === "" ? programOptions.flatMap(({ names }) => names) : ["--help"];
		const offered = `options=(${formatWords(options)})\n\t\t_qubes_lite_offer "\${words[last]}" ${formatWords(words)}`;
		return `\t${quote(`qubes-lite ${path}`.trimEnd())})\n\t\t${offered}\n\t\t;;\n`;
	});
	return [...members, ...rows].join("");
}

function formatSource(source: Source): string {
	if (source === null) return "";
	if ("words" in source) return `_qubes_lite_offer "$2" ${formatWords(source.words)}`;
	if (source.completes === "vm") return '_qubes_lite_vms "$2"';
	if (source.completes === "image") return '_qubes_lite_images "$2"';
	if (source.completes === "place") return '_qubes_lite_places "$2"';
	return `_qubes_lite_files ${source.completes === "directory" ? "-d" : "-f"} "$2"`;
}

const formatWords = (words: readonly string[]): string => words.map(quote).join(" ");

/** Alternatives of a case; a star at the end of one is a pattern. */
const formatPatterns = (patterns: readonly string[]): string =>
	patterns.map((pattern) => (pattern.endsWith("*") ? `${quote(pattern.slice(0, -1))}*` : quote(pattern))).join(" | ");
