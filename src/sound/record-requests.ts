/**
 * CREATE_RECORD_STREAM: never of a monitor, which is what others play. Which source a name or "the default" means only the host knows, so it is asked first
 * (GET_SOURCE_INFO), and the stream is made by the index of what it has shown, and not moved from there.
 */
import { command, failure, invalidIndex } from "./commands.ts";
import { askForDevice } from "./device-question.ts";
import { findProgramName, toTaggedProperties } from "./property-list.ts";
import type { Rule } from "./request-context.ts";
import {
	isDeviceName,
	isSampleSpec,
	readBooleans,
	readFormats,
	toBufferBytes,
	toPieceBytes,
	toVolumes,
} from "./stream-request.ts";
import { TagWriter } from "./tag-writer.ts";

export const createRecordStream: Rule = (context, tag, body) => {
	const spec = body.sampleSpec();
	const map = body.channelMap();
	const sourceIndex = body.u32();
	const sourceName = body.string();
	const maxLength = body.u32();
	const isCorked = body.boolean();
	const fragmentLength = body.u32();
	const conversion = readBooleans(body, 5);
	body.boolean(); // "Don't move": always, so that it stays with what it was allowed for.
	const hasVariableRate = body.boolean();
	const detection = readBooleans(body, 2);
	const properties = body.properties();
	const directOnInput = body.u32();
	const [hasEarlyRequests, ...suspension] = readBooleans(body, 3);
	const formats = readFormats(body);
	const volumes = body.volumes();
	const volumeChoices = readBooleans(body, 3);
	body.raw("11"); // Relative volume and pass through, as for playback.
	body.end();

	if (!context.options.capture || directOnInput !== invalidIndex) return context.refuse(tag, failure.access);
	if (formats === undefined) return context.refuse(tag, failure.notSupported);
	if (!isDeviceName(sourceName) || (formats.length === 0 && !isSampleSpec(spec)))
		return context.refuse(tag, failure.invalid);
	if (!context.record.beginMaking()) return context.refuse(tag, failure.tooLarge);
	const program = findProgramName(properties) ?? context.program;
	const toRequest = (index: number): TagWriter =>
		new TagWriter(command.createRecordStream, tag)
			.sampleSpec(spec)
			.channelMap(map)
			.u32(index)
			.string(undefined)
			.u32(toBufferBytes(maxLength))
			.booleans(isCorked)
			.u32(toPieceBytes(fragmentLength, spec))
			.booleans(...conversion, true, hasVariableRate)
			.booleans(...detection)
			.properties(toTaggedProperties(context.options.vm, program, properties))
			.u32(invalidIndex)
			.booleans(hasEarlyRequests === true, ...suspension)
			.formats(formats)
			.volumes(toVolumes(volumes))
			.booleans(...volumeChoices, true, false);

	const unmade = (): undefined => {
		context.record.endMaking();
		context.refuse(tag, failure.access);
	};
	const meant = { index: sourceIndex, name: sourceName };
	askForDevice(context, "source", meant, { tag, streams: context.record }, (source) => {
		if (source.monitorIndex !== invalidIndex) return unmade();
		context.ask(
			toRequest(source.index),
			tag,
			(reply, answer) => {
				const [channel, index] = [reply.u32(), reply.u32()];
				const [sizes, format, from] = [reply.raw("LL"), reply.raw("am"), reply.u32()];
				if (from !== source.index) {
					// Somebody else decides there where streams go. It is taken back before a sample of it has passed.
					const removal = new TagWriter(command.deleteRecordStream, context.ownTag()).u32(channel);
					context.ask(removal, removal.tag, () => undefined);
					return unmade();
				}
				context.record.endMaking({ channel, index, spec });
				return answer.u32(channel).u32(index).raw(sizes).raw(format).u32(from).raw(reply.rest());
			},
			() => context.record.endMaking(),
		);
	});
};
