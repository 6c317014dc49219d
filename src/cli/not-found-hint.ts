/** What may have been meant by a command that the guest does not have. */

/** Of POSIX's shells; none is a program of its own. */
const builtins = [
	"alias",
	"cd",
	"eval",
	"exec",
	"exit",
	"export",
	"read",
	"set",
	"source",
	"trap",
	"ulimit",
	"umask",
	"unset",
];

/** One line, without a full stop. */
export function hintFor(command: string, isDisposable: boolean): string {
	if (command.startsWith("-")) return "options stand before VM: run-in-vm [options] VM COMMAND";
	if (/[\s|&;<>$]/.test(command) || builtins.includes(command))
		return "for a line of the guest's shell: run-in-vm --shell '…' VM";
	const image =
		'the default image holds BusyBox only; one with Debian packages is the vm\'s "image": {"packages": [...]} in the configuration';
	return isDisposable
		? `the base of a disposable is named with =: run-in-vm --disposable=BASE COMMAND; ${image}`
		: image;
}
