/** Where the agent finds and keeps things in the guest. The image's `agent-run` and init scripts use the same places. */
export const agentPaths = {
	/** 0700, root: commands run as another user and can't reach the agent's socket. */
	runtime: "/run/qubes-lite",
	/** The command listener behind the vsock bridge. */
	socket: "/run/qubes-lite/agent.sock",
	/** What the vsock bridge said; "listening on" once port 5000 answers. */
	listenerLog: "/run/qubes-lite/listener.log",
	/** Lines "<phase> <uptime in seconds>", written by the init scripts. */
	phases: "/run/qubes-lite/phases",
	/** This boot's nonce; outlives a crash of the agent. */
	nonce: "/run/qubes-lite/nonce",
	fifos: "/run/qubes-lite/fifos",
	/** Syncs, unmounts and switches the machine off; the image knows how. */
	powerOff: "/usr/lib/qubes-lite/power-off",
} as const;
