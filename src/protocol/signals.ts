/** Signals that a client passes on to its command: contracts, run-in-vm. TSTP and CONT are what Ctrl-Z and fg send. */
export const signalNames = [
	"SIGINT",
	"SIGTERM",
	"SIGHUP",
	"SIGQUIT",
	"SIGUSR1",
	"SIGUSR2",
	"SIGWINCH",
	"SIGTSTP",
	"SIGCONT",
] as const;

export type SignalName = (typeof signalNames)[number];
