/** `qubes-lite events`: what happens to vms, line by line, until it is interrupted; also across brokers. */
import { setTimeout as delay } from "node:timers/promises";
import { QubesLiteError } from "../errors.ts";
import { brokerFrame, encodeRequest, parseRefused } from "../protocol/broker.ts";
import { type BrokerEvent, parseEvent } from "../protocol/broker-events.ts";
import type { Frame } from "../protocol/frame.ts";
import { askBroker } from "./broker-client.ts";
import type { BrokerConnection } from "./broker-connection.ts";
import { parseCommand } from "./commands/parse-command.ts";
import { EventHistory } from "./event-history.ts";
import { formatEvent } from "./event-words.ts";
import { watchReader } from "./stdout-reader.ts";
import { StdoutSink } from "./stdout-sink.ts";

/** A broker that goes away again and again is not asked without a pause. */
const redialMs = 100;

/** Resolves with 0 when nobody reads any more. Rejects where no broker can be had, or it knows no such vm. */
export async function showEvents(words: readonly string[]): Promise<number> {
	const parsed = parseCommand("events", words);
	const request = encodeRequest({ method: "events", vm: parsed.operands[0] ?? null });
	const lines = new EventLines(parsed.has("json"));
	const unread = Promise.withResolvers<"unread">();
	watchReader(() => unread.resolve("unread"));
	for (;;) {
		let first: Frame | undefined;
		const onFrame = (frame: Frame): boolean => {
			first = frame;
			return true;
		};
		const connection = await askBroker(process.env, () => [request], { onFrame });
		if ((await print(connection, first, lines, unread.promise)) === "unread") return 0;
		await delay(redialMs);
	}
}

/** Nothing more is read while it can't be written: the broker decides how much may wait. */
function print(
	connection: BrokerConnection,
	first: Frame | undefined,
	lines: EventLines,
	unread: Promise<"unread">,
): Promise<"unread" | "closed"> {
	const sink = new StdoutSink(false);
	return new Promise<"unread" | "closed">((resolve, reject) => {
		void unread.then(resolve);
		let waiting = "";
		let isWriting = false;
		let isClosed = false;
		const write = async (): Promise<void> => {
			isWriting = true;
			connection.pause();
			while (waiting !== "") {
				const text = waiting;
				waiting = "";
				if (!(await sink.write(Buffer.from(text)))) return resolve("unread");
			}
			isWriting = false;
			connection.resume();
			if (isClosed) resolve("closed");
		};
		const take = ({ type, payload }: Frame): void => {
			if (type === brokerFrame.refused) throw QubesLiteError.fromFacts(parseRefused(payload));
			if (type !== brokerFrame.event) return;
			waiting += lines.take(parseEvent(payload));
			if (!isWriting && waiting !== "") write().catch(reject);
		};
		if (first !== undefined) take(first);
		connection.listen({
			frame: take,
			failed: reject,
			closed: () => {
				isClosed = true;
				if (!isWriting) resolve("closed");
			},
		});
	}).finally(() => connection.close());
}

/** What of each event is news, as lines. */
class EventLines {
	readonly #isJson: boolean;
	readonly #history = new EventHistory();
	#hasBroker = false;
	/** Of the longest name so far. */
	#width = 0;

	constructor(isJson: boolean) {
		this.#isJson = isJson;
	}

	take(event: BrokerEvent): string {
		const names = event.type === "broker" ? event.vms : "vm" in event ? [event.vm] : [];
		this.#width = Math.max(this.#width, ...names.map((name) => name.length));
		return this.#history
			.take(event)
			.map((news) => this.#format(news))
			.join("");
	}

	#format(event: BrokerEvent): string {
		if (this.#isJson) return `${JSON.stringify({ schema: 1, ...event })}\n`;
		/** Which is the first to tell, nobody wants to know. */
		const isFirst = event.type === "broker" && !this.#hasBroker;
		this.#hasBroker = true;
		return isFirst ? "" : formatEvent(event, this.#width);
	}
}
