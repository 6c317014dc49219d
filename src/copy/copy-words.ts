/** How far a copy is, in words. Pure. */

const units = ["bytes", "KiB", "MiB", "GiB", "TiB"] as const;

/** "812 bytes", "12.3 MiB". */
export function formatBytes(bytes: number): string {
	const unit = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
	return unit === 0 ? `${bytes} bytes` : `${(bytes / 1024 ** unit).toFixed(1)} ${units[unit]}`;
}

export interface CopyState {
	readonly name: string;
	readonly bytes: number;
	/** undefined: nobody has said. */
	readonly total: number | undefined;
	/** Since the first byte. */
	readonly elapsedMs: number;
}

/** A rate of less than this long is chance. */
const rateAfterMs = 1_000;

/** "Copying a.pdf… 12.3 MiB of 40.0 MiB, 5.1 MiB/s, 6 s left". */
export function formatCopying({ name, bytes, total, elapsedMs }: CopyState): string {
	const rate = elapsedMs < rateAfterMs ? 0 : (bytes / elapsedMs) * 1000;
	const done = total === undefined ? formatBytes(bytes) : `${formatBytes(bytes)} of ${formatBytes(total)}`;
	const speed = rate < 1 ? "" : `, ${formatBytes(Math.round(rate))}/s`;
	const left = rate < 1 || total === undefined || total <= bytes ? "" : `, ${formatLeft((total - bytes) / rate)} left`;
	return `Copying ${name}… ${done}${speed}${left}`;
}

function formatLeft(seconds: number): string {
	if (seconds < 120) return `${Math.ceil(seconds)} s`;
	return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

/** "3 files, 12.3 MiB". */
export const formatSums = (files: number, bytes: number): string =>
	`${files} ${files === 1 ? "file" : "files"}, ${formatBytes(bytes)}`;
