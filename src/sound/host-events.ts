/** What the host says unasked: of the guest's own streams, and of devices. The guest hears of nothing else. */
import { command, facility, facilityMask, unaskedTag } from "./commands.ts";
import type { RequestContext } from "./request-context.ts";
import type { TagReader } from "./tag-reader.ts";
import { TagWriter } from "./tag-writer.ts";

const playbackEvents = new Set<number>([
	...[command.request, command.overflow, command.underflow, command.started, command.playbackStreamKilled],
	...[command.playbackStreamSuspended, command.playbackStreamMoved, command.playbackStreamEvent],
	command.playbackBufferAttrChanged,
]);
const recordEvents = new Set<number>([
	...[command.recordStreamKilled, command.recordStreamSuspended, command.recordStreamEvent],
	command.recordBufferAttrChanged,
]);

/** What the guest is told of it; undefined: nothing. Keeps the list of its streams. */
export function toGuestEvent(context: RequestContext, number: number, body: TagReader): TagWriter | undefined {
	const event = new TagWriter(number, unaskedTag);
	if (number === command.subscribeEvent) {
		const [what, index] = [body.u32(), body.u32()];
		return isHeard(context, what & facilityMask, index) ? event.u32(what).u32(index) : undefined;
	}
	if (number === command.recordStreamMoved) return endMoved(context, body.u32());
	const isPlayback = playbackEvents.has(number);
	if (!isPlayback && !recordEvents.has(number)) return undefined;
	const streams = isPlayback ? context.playback : context.record;
	const channel = body.u32();
	if (!streams.has(channel)) return undefined;
	if (number === command.playbackStreamKilled || number === command.recordStreamKilled) streams.end(channel);
	return event.u32(channel).raw(body.rest());
}

/** Streams that record are not to be moved; one that has been moved nevertheless may be at a monitor now, so it ends. */
function endMoved(context: RequestContext, channel: number): TagWriter | undefined {
	if (!context.record.has(channel)) return undefined;
	context.record.end(channel);
	const removal = new TagWriter(command.deleteRecordStream, context.ownTag()).u32(channel);
	context.ask(removal, removal.tag, () => undefined);
	return new TagWriter(command.recordStreamKilled, unaskedTag).u32(channel);
}

function isHeard(context: RequestContext, kind: number, index: number): boolean {
	if (kind === facility.sinkInput) return context.playback.hasIndex(index);
	if (kind === facility.sourceOutput) return context.record.hasIndex(index);
	return kind === facility.sink || kind === facility.server || (kind === facility.source && context.options.capture);
}
