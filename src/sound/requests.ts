/**
 * What a guest may ask, and why; whatever is not here, it may not (modules, samples, cards, other clients and their streams, the devices' volume, defaults, suspending,
 * moving, killing, ending the server, messages to its objects, extensions, statistics, shared memory). Each request is parsed whole and written anew.
 */
import { command, facility, failure } from "./commands.ts";
import { rewriteStream } from "./device-info.ts";
import { getServer, getSink, getSinks, getSource, getSources, lookup } from "./device-requests.ts";
import { createPlaybackStream } from "./playback-requests.ts";
import { findProgramName, toShownText, toTaggedProperties } from "./property-list.ts";
import { createRecordStream } from "./record-requests.ts";
import { pass, type Reply, type RequestContext, type Rule } from "./request-context.ts";
import { isRate, toBufferBytes, toPieceBytes, toVolumes } from "./stream-request.ts";
import type { TagReader } from "./tag-reader.ts";
import { TagWriter } from "./tag-writer.ts";

type StreamKind = "playback" | "record";

/** PulseAudio 10, of 2017. */
export const oldestVersion = 32;
/** Newer ones may say things in forms that are not known here, so no newer one is ever agreed on. */
export const newestVersion = 35;
/** Above are flags: shared memory, and which. */
export const versionMask = 0xffff;
const cookieBytes = 256;

/** The version without the flags for shared memory, either way. The host knows its user by the socket: no cookie is sent, and the guest's is not looked at. */
const auth: Rule = (context, tag, body) => {
	const version = body.u32() & versionMask;
	body.arbitrary(cookieBytes);
	body.end();
	if (version < oldestVersion) return context.refuse(tag, failure.version);
	const known = Math.min(version, newestVersion);
	const request = new TagWriter(command.auth, tag).u32(known).arbitrary(Buffer.alloc(cookieBytes));
	context.ask(request, tag, (reply, answer) => {
		const hosts = Math.min(reply.u32() & versionMask, newestVersion);
		if (hosts < oldestVersion) return { refusedWith: failure.version };
		context.version = Math.min(hosts, known);
		return answer.u32(hosts);
	});
};

/** Says which program it is; the host sees of which vm. */
const setClientName: Rule = (context, tag, body) => {
	const properties = body.properties();
	body.end();
	context.program = findProgramName(properties) ?? context.program;
	const tagged = toTaggedProperties(context.options.vm, context.program, properties);
	context.ask(new TagWriter(command.setClientName, tag).properties(tagged), tag, pass);
};

/** The same later. Set, merge, replace: whichever it is, the vm's name is in it again. */
const updateClient: Rule = (context, tag, body) => {
	const mode = body.u32();
	const properties = body.properties();
	body.end();
	context.program = findProgramName(properties) ?? context.program;
	const tagged = toTaggedProperties(context.options.vm, context.program, properties);
	context.ask(new TagWriter(command.updateClientProplist, tag).u32(mode).properties(tagged), tag, pass);
};

/** Writes a request's values anew. False: they are not valid. */
type StreamChange = (body: TagReader, request: TagWriter, context: RequestContext, channel: number) => boolean;

/** A request about a stream: its channel, and values of these types, which pass as they are, or are changed; only of its own. */
function ofStream(kind: StreamKind, number: number, values: string | StreamChange): Rule {
	const change: StreamChange =
		typeof values === "string" ? (body, request) => request.raw(body.raw(values)) !== undefined : values;
	return (context, tag, body) => {
		const channel = body.u32();
		const request = new TagWriter(number, tag).u32(channel);
		const isValid = change(body, request, context, channel);
		body.end();
		if (!context[kind].has(channel)) return context.refuse(tag, failure.noEntity);
		if (!isValid) return context.refuse(tag, failure.invalid);
		context.ask(request, tag, pass);
	};
}

/** Ends a stream of its own. What the host has on the way for it is thrown away. */
const deleteStream = (kind: StreamKind, number: number): Rule => {
	const forward = ofStream(kind, number, "");
	return (context, tag, body) => {
		forward(context, tag, body.fork());
		context[kind].end(body.u32());
	};
};

const name: StreamChange = (body, request) => {
	request.string(toShownText(body.string() ?? ""));
	return true;
};

const rate: StreamChange = (body, request) => {
	const value = body.u32();
	request.u32(value);
	return isRate(value);
};

const properties: StreamChange = (body, request, context) => {
	request.u32(body.u32());
	const list = body.properties();
	request.properties(toTaggedProperties(context.options.vm, findProgramName(list) ?? context.program, list));
	return true;
};

/** How much may wait, how much is fetched or given at once, `more` other sizes; and two flags: adjusts latency, early requests. */
const bufferSizes =
	(kind: StreamKind, more: number): StreamChange =>
	(body, request, context, channel) => {
		const spec = context[kind].specOf(channel);
		const [waiting, piece] = [body.u32(), body.u32()];
		request.u32(toBufferBytes(waiting)).u32(spec === undefined ? piece : toPieceBytes(piece, spec));
		for (let left = more; left > 0; left--) request.u32(toBufferBytes(body.u32()));
		request.raw(body.raw("11"));
		return true;
	};

/** Volume or mute of what the host calls a sink input or source output: only of its own streams. */
function ofOwnIndex(kind: StreamKind, number: number, what: "volume" | "mute" | "info"): Rule {
	return (context, tag, body) => {
		const index = body.u32();
		const request = new TagWriter(number, tag).u32(index);
		if (what === "volume") request.volumes(toVolumes(body.volumes()));
		if (what === "mute") request.booleans(body.boolean());
		body.end();
		if (!context[kind].hasIndex(index)) return context.refuse(tag, failure.access);
		const told: Reply = (reply, answer) => {
			rewriteStream(kind, reply, answer);
			return answer;
		};
		context.ask(request, tag, what === "info" ? told : pass);
	};
}

/** Of what may change a guest hears: sinks, defaults, its own streams (which of them they are, host-events.ts looks at). */
const subscribe: Rule = (context, tag, body) => {
	const mask = body.u32();
	body.end();
	const captured = context.options.capture ? [facility.source, facility.sourceOutput] : [];
	const heard = [facility.sink, facility.sinkInput, facility.server, ...captured];
	const allowed = heard.reduce<number>((bits, kind) => bits | (1 << kind), 0);
	context.ask(new TagWriter(command.subscribe, tag).u32(mask & allowed), tag, pass);
};

export const rules: ReadonlyMap<number, Rule> = new Map<number, Rule>([
	[command.auth, auth],
	[command.setClientName, setClientName],
	[command.updateClientProplist, updateClient],
	[command.getServerInfo, getServer],
	[command.subscribe, subscribe],
	[command.lookupSink, lookup(command.lookupSink)],
	[command.getSinkInfo, getSink],
	[command.getSinkInfoList, getSinks],
	[command.lookupSource, lookup(command.lookupSource)],
	[command.getSourceInfo, getSource],
	[command.getSourceInfoList, getSources],

	[command.createPlaybackStream, createPlaybackStream],
	[command.deletePlaybackStream, deleteStream("playback", command.deletePlaybackStream)],
	[command.drainPlaybackStream, ofStream("playback", command.drainPlaybackStream, "")],
	[command.corkPlaybackStream, ofStream("playback", command.corkPlaybackStream, "1")],
	[command.flushPlaybackStream, ofStream("playback", command.flushPlaybackStream, "")],
	[command.triggerPlaybackStream, ofStream("playback", command.triggerPlaybackStream, "")],
	[command.prebufPlaybackStream, ofStream("playback", command.prebufPlaybackStream, "")],
	[command.getPlaybackLatency, ofStream("playback", command.getPlaybackLatency, "T")],
	[command.setPlaybackStreamName, ofStream("playback", command.setPlaybackStreamName, name)],
	[command.updatePlaybackStreamSampleRate, ofStream("playback", command.updatePlaybackStreamSampleRate, rate)],
	[
		command.setPlaybackStreamBufferAttr,
		ofStream("playback", command.setPlaybackStreamBufferAttr, bufferSizes("playback", 2)),
	],
	[command.updatePlaybackStreamProplist, ofStream("playback", command.updatePlaybackStreamProplist, properties)],
	[command.getSinkInputInfo, ofOwnIndex("playback", command.getSinkInputInfo, "info")],
	[command.setSinkInputVolume, ofOwnIndex("playback", command.setSinkInputVolume, "volume")],
	[command.setSinkInputMute, ofOwnIndex("playback", command.setSinkInputMute, "mute")],

	[command.createRecordStream, createRecordStream],
	[command.deleteRecordStream, deleteStream("record", command.deleteRecordStream)],
	[command.corkRecordStream, ofStream("record", command.corkRecordStream, "1")],
	[command.flushRecordStream, ofStream("record", command.flushRecordStream, "")],
	[command.getRecordLatency, ofStream("record", command.getRecordLatency, "T")],
	[command.setRecordStreamName, ofStream("record", command.setRecordStreamName, name)],
	[command.updateRecordStreamSampleRate, ofStream("record", command.updateRecordStreamSampleRate, rate)],
	[command.setRecordStreamBufferAttr, ofStream("record", command.setRecordStreamBufferAttr, bufferSizes("record", 0))],
	[command.updateRecordStreamProplist, ofStream("record", command.updateRecordStreamProplist, properties)],
	[command.getSourceOutputInfo, ofOwnIndex("record", command.getSourceOutputInfo, "info")],
	[command.setSourceOutputVolume, ofOwnIndex("record", command.setSourceOutputVolume, "volume")],
	[command.setSourceOutputMute, ofOwnIndex("record", command.setSourceOutputMute, "mute")],
]);
