/**
 * CREATE_PLAYBACK_STREAM: read whole, bounded, written anew. A device that is named is asked for first, and the stream made by its number, because PipeWire takes
 * names there that are no sink's.
 */
import { command, failure } from "./commands.ts";
import { askForDevice, isDefault } from "./device-question.ts";
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

export const createPlaybackStream: Rule = (context, tag, body) => {
	const spec = body.sampleSpec();
	const map = body.channelMap();
	const sinkIndex = body.u32();
	const sinkName = body.string();
	const maxLength = body.u32();
	const isCorked = body.boolean();
	const [targetLength, prebuffer, minRequest, syncId] = [body.u32(), body.u32(), body.u32(), body.u32()];
	const volumes = body.volumes();
	const conversion = readBooleans(body, 5);
	body.boolean(); // "Don't move": the host's user moves what he likes.
	const hasVariableRate = body.boolean();
	const [isMuted, adjustsLatency] = readBooleans(body, 2);
	const properties = body.properties();
	// Whether the volume is meant, early requests, whether muted is meant, what a suspended sink does.
	const choices = readBooleans(body, 5);
	body.boolean(); // "Relative volume": always, so that no stream begins with the device's volume raised for it.
	body.boolean(); // "Pass through": never, since the device would be this stream's alone.
	const formats = readFormats(body);
	body.end();

	if (!context.options.playback) return context.refuse(tag, failure.access);
	if (formats === undefined) return context.refuse(tag, failure.notSupported);
	if (!isDeviceName(sinkName) || (formats.length === 0 && !isSampleSpec(spec)))
		return context.refuse(tag, failure.invalid);
	if (!context.playback.beginMaking()) return context.refuse(tag, failure.tooLarge);
	const program = findProgramName(properties) ?? context.program;
	const toRequest = (index: number): TagWriter =>
		new TagWriter(command.createPlaybackStream, tag)
			.sampleSpec(spec)
			.channelMap(map)
			.u32(index)
			.string(undefined)
			.u32(toBufferBytes(maxLength))
			.booleans(isCorked)
			.u32(toPieceBytes(targetLength, spec))
			.u32(toBufferBytes(prebuffer))
			.u32(toBufferBytes(minRequest))
			.u32(syncId)
			.volumes(toVolumes(volumes))
			.booleans(...conversion, false, hasVariableRate)
			.booleans(isMuted === true, adjustsLatency === true)
			.properties(toTaggedProperties(context.options.vm, program, properties))
			.booleans(...choices, true, false)
			.formats(formats);
	const make = ({ index: sink }: { readonly index: number }): void =>
		context.ask(
			toRequest(sink),
			tag,
			(reply, answer) => {
				const [channel, index] = [reply.u32(), reply.u32()];
				context.playback.endMaking({ channel, index, spec });
				return answer.u32(channel).u32(index).raw(reply.rest());
			},
			() => context.playback.endMaking(),
		);
	const meant = { index: sinkIndex, name: sinkName };
	if (isDefault(meant)) make(meant);
	else askForDevice(context, "sink", meant, { tag, streams: context.playback }, make);
};
