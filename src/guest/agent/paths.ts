/** Where the agent finds and keeps things in the guest. The image's `agent-run` and init scripts use the same places. */
export const agentPaths = {
	/** Lines "<phase> <uptime in seconds>", written by the init scripts. */
	phases: "/run/qubes-lite/phases",
	/** This boot's nonce; outlives a crash of the agent. */
	nonce: "/run/qubes-lite/nonce",
	/** A number behind all sessions of this boot so far; outlives a crash of the agent. */
	lastSession: "/run/qubes-lite/last-session",
	/** Syncs, unmounts and switches the machine off; the image knows how. */
	powerOff: "/usr/lib/qubes-lite/power-off",
	/** What the image gives commands (session-environment.ts). */
	environment: "/etc/qubes-lite/environment",
} as const;
