/** What the broker's log says of one vm: its JSON lines, picked out and put into words. */

/** The broker writes none nearly as long; what is longer is not its. */
const lineMaxChars = 64 * 1024;

export class BrokerLines {
	readonly #vm: string;
	#begun = "";

	constructor(vm: string) {
		this.#vm = vm;
	}

	/** Takes the log as it comes, cut anywhere; gives the lines about the vm that are whole by now. */
	push(bytes: Buffer): Buffer {
		// latin1 keeps a character that is cut together with its other half.
		const lines = (this.#begun + bytes.toString("latin1")).split("\n");
		this.#begun = (lines.pop() ?? "").slice(0, lineMaxChars);
		return Buffer.from(lines.map((line) => this.#format(Buffer.from(line, "latin1").toString())).join(""));
	}

	#format(line: string): string {
		let record: unknown;
		try {
			record = JSON.parse(line);
		} catch {
			return "";
		}
		return isRecord(record) && record.vm === this.#vm ? formatRecord(record) : "";
	}
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;

/** `2026-11-24T18:02:11.123Z vm.state state=stopped reason="stopped by request"`. */
function formatRecord({ time, event, level: _level, pid: _pid, vm: _vm, ...facts }: Record<string, unknown>): string {
	const date = new Date(typeof time === "number" ? time : Number.NaN);
	const when = Number.isNaN(date.getTime()) ? "" : `${date.toISOString()} `;
	const words = Object.entries(facts).map(([name, value]) => `${name}=${formatFact(value)}`);
	return `${when}${[typeof event === "string" ? event : "broker", ...words].join(" ")}\n`;
}

function formatFact(value: unknown): string {
	if (Array.isArray(value) && value.length > 0 && value.every(isPhase)) return formatPhases(value);
	return typeof value === "string" && /^[\w.:/-]+$/.test(value) ? value : (JSON.stringify(value) ?? "");
}

interface Phase {
	readonly name: string;
	readonly uptimeMs: number;
}

const isPhase = (value: unknown): value is Phase =>
	isRecord(value) && /^[\w-]+$/.test(String(value.name)) && typeof value.uptimeMs === "number";

/** How far a guest was, and when, since its kernel began: "init 0.8 s, agent 1.3 s". */
const formatPhases = (phases: readonly Phase[]): string =>
	JSON.stringify(phases.map(({ name, uptimeMs }) => `${name} ${(uptimeMs / 1000).toFixed(1)} s`).join(", "));
