/** What we need of systemd, with the version that brought it (systemd's NEWS). Tried on 252 only. */
const features: readonly (readonly [since: number, what: string])[] = [
	[230, "TriggerLimitIntervalSec=, without which a broker that crashes often loses its socket"],
	[235, "RuntimeDirectory= in units of a user"],
	[240, "Type=exec, by which a vm that can't be started is told from one that ended"],
	[243, "OOMPolicy="],
	[247, "units that are found without a reload"],
];

/** One phrase for each that this version lacks. */
export const findMissingFeatures = (version: number): string[] =>
	features.filter(([since]) => version < since).map(([since, what]) => `${what} (${since})`);
