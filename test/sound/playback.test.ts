import { expect, test } from "vitest";
import { command, invalidIndex } from "../../src/sound/commands.ts";
import { TagWriter } from "../../src/sound/tag-writer.ts";
import { block, Conversation, device, event, playReply, playRequest, properties, toFacts } from "./conversation.ts";

/** What the host is asked to make. */
function readRequest(talk: Conversation) {
	const { number, body } = talk.asked();
	expect(number).toBe(command.createPlaybackStream);
	body.raw("am");
	const [sink, name, max] = [body.u32(), body.string(), body.u32()];
	body.boolean();
	const [target, prebuffer, minimum] = [body.u32(), body.u32(), body.u32()];
	body.u32();
	const volumes = body.volumes();
	body.raw("11111");
	const isFixed = body.boolean();
	body.raw("111");
	const facts = toFacts(body.properties());
	body.raw("11111");
	const [isRelative, isPassedThrough] = [body.boolean(), body.boolean()];
	const encodings = Array.from({ length: body.u8() }, () => body.format().encoding);
	body.end();
	return {
		sink,
		name,
		sizes: [max, target, prebuffer, minimum],
		volumes,
		isFixed,
		facts,
		isRelative,
		isPassedThrough,
		encodings,
	};
}

test("a stream says which vm it is of, and what is played; it can be moved, and has no device for itself", () => {
	const talk = Conversation.begun();
	const facts = { "media.name": "a song", "media.role": "phone", "node.target": "x", "application.icon_name": "gnome" };
	talk.guest(playRequest(2, { facts, isStubborn: true }));
	expect(readRequest(talk)).toEqual({
		sink: invalidIndex,
		name: undefined,
		sizes: [invalidIndex, invalidIndex, invalidIndex, invalidIndex],
		volumes: [0x1_0000, 0x1_0000],
		isFixed: false,
		facts: { "application.name": "[shopping] Firefox", "media.name": "a song" },
		isRelative: true,
		isPassedThrough: false,
		encodings: [],
	});
});

test("a sink that is named is asked for, and the stream made by its number", () => {
	const talk = Conversation.begun();
	talk.guest(playRequest(2, { sink: "alsa_output.usb" }));
	const question = talk.asked();
	expect([question.number, question.body.u32(), question.body.string()]).toEqual([
		command.getSinkInfo,
		invalidIndex,
		"alsa_output.usb",
	]);
	talk.host(device(new TagWriter(command.reply, question.tag), 4, "alsa_output.usb", 5));
	expect(readRequest(talk)).toMatchObject({ sink: 4, name: undefined });
	talk.host(playReply(2, 0, 40));
	expect(talk.told().number).toBe(command.reply);
});

test("what is no sink can't be played to", () => {
	const talk = Conversation.begun();
	talk.guest(playRequest(2, { sink: "another-program" }));
	talk.host(new TagWriter(command.error, talk.asked().tag).u32(5));
	expect(talk.refusal()).toEqual([command.error, 2, 5]);
	expect(talk.heardByHost()).toHaveLength(0);
});

test("buffers and volumes are bounded", () => {
	const talk = Conversation.begun();
	talk.guest(playRequest(2, { sizes: [2 ** 31, 1, 2 ** 30, 2 ** 30], volumes: [0x7fff_ffff, 9] }));
	const { sizes, volumes } = readRequest(talk);
	const mib = 1024 * 1024;
	expect(sizes).toEqual([4 * mib, 960, 4 * mib, 4 * mib]);
	expect(volumes).toEqual([0x1_0000, 9]);
});

test("formats that a device would be reserved for are left out, or refused where nothing is left", () => {
	const talk = Conversation.begun();
	talk.guest(playRequest(2, { encodings: [2, 1, 3] }));
	expect(readRequest(talk).encodings).toEqual([1]);
	talk.guest(playRequest(3, { encodings: [2] }));
	expect(talk.refusal()).toEqual([command.error, 3, 19]);
});

test.each([
	["a name with a blank", { sink: "a b" }],
	["a name that is too long", { sink: "x".repeat(129) }],
	["a rate of nothing", { rate: 0 }],
	["a rate that nobody has", { rate: 10_000_000 }],
])("%s is invalid", (_, options) => {
	const talk = Conversation.begun();
	talk.guest(playRequest(2, options));
	expect(talk.refusal()).toEqual([command.error, 2, 3]);
	expect(talk.heardByHost()).toHaveLength(0);
});

test("samples pass in the memory that they came in", () => {
	const talk = Conversation.begun();
	talk.play(2, 6, 40);
	const chunk = block(6, Buffer.alloc(1000, 3));
	talk.guest(chunk);
	const pieces = talk.piecesToHost();
	expect(Buffer.concat(pieces)).toEqual(chunk);
	expect(pieces.at(-1)?.buffer).toBe(chunk.buffer);
	expect(pieces.at(-1)?.length).toBe(1000);
});

test("a stream's own requests pass, and those for another's do not", () => {
	const talk = Conversation.begun();
	talk.play(2, 6, 40);
	const requests = (channel: number): TagWriter[] => [
		new TagWriter(command.drainPlaybackStream, 3).u32(channel),
		new TagWriter(command.corkPlaybackStream, 4).u32(channel).booleans(true),
		new TagWriter(command.flushPlaybackStream, 5).u32(channel),
		new TagWriter(command.triggerPlaybackStream, 6).u32(channel),
		new TagWriter(command.prebufPlaybackStream, 7).u32(channel),
		new TagWriter(command.getPlaybackLatency, 8).u32(channel).raw(Buffer.from("T\0\0\0\x01\0\0\0\x02")),
		new TagWriter(command.setPlaybackStreamName, 9).u32(channel).string("another song"),
		new TagWriter(command.updatePlaybackStreamSampleRate, 10).u32(channel).u32(44_100),
		new TagWriter(command.setPlaybackStreamBufferAttr, 11)
			.u32(channel)
			.u32(8000)
			.u32(2000)
			.u32(3)
			.u32(4)
			.booleans(true, false),
	];
	for (const request of requests(6)) {
		talk.guest(request);
		expect(talk.heardByHost()).toEqual(request.packet());
		talk.host(new TagWriter(command.reply, request.tag));
		expect(talk.heardByGuest()).toEqual(new TagWriter(command.reply, request.tag).packet());
	}
	for (const request of requests(7)) {
		talk.guest(request);
		expect(talk.refusal()).toEqual([command.error, request.tag, 5]);
		expect(talk.heardByHost()).toHaveLength(0);
	}
});

test("buffers are bounded later, too", () => {
	const talk = Conversation.begun();
	talk.play(2, 6, 40);
	const request = new TagWriter(command.setPlaybackStreamBufferAttr, 3).u32(6);
	talk.guest(
		request
			.u32(2 ** 31)
			.u32(1)
			.u32(2 ** 31)
			.u32(2 ** 31)
			.booleans(true, false),
	);
	const { body } = talk.asked();
	const mib = 1024 * 1024;
	expect([body.u32(), body.u32(), body.u32(), body.u32(), body.u32()]).toEqual([6, 4 * mib, 960, 4 * mib, 4 * mib]);
});

test("a stream's properties keep the vm's name, whatever is set", () => {
	const talk = Conversation.begun();
	talk.play(2, 6, 40);
	const facts = { "media.title": "t", "media.role": "phone" };
	talk.guest(new TagWriter(command.updatePlaybackStreamProplist, 3).u32(6).u32(0).properties(properties(facts)));
	const { body } = talk.asked();
	expect([body.u32(), body.u32()]).toEqual([6, 0]);
	expect(toFacts(body.properties())).toEqual({ "application.name": "[shopping] Firefox", "media.title": "t" });
});

test("volume and mute are for its own streams only, and not beyond 100 %", () => {
	const talk = Conversation.begun();
	talk.play(2, 6, 40);
	talk.guest(new TagWriter(command.setSinkInputVolume, 3).u32(40).volumes([0x2_0000]));
	const { body } = talk.asked();
	expect([body.u32(), body.volumes()]).toEqual([40, [0x1_0000]]);
	talk.guest(new TagWriter(command.setSinkInputMute, 4).u32(40).booleans(true));
	expect(talk.asked().body.u32()).toBe(40);
	for (const index of [6, 41, invalidIndex]) {
		talk.guest(new TagWriter(command.setSinkInputMute, 5).u32(index).booleans(true));
		expect(talk.refusal()).toEqual([command.error, 5, 1]);
		talk.guest(new TagWriter(command.setSinkInputVolume, 6).u32(index).volumes([0]));
		expect(talk.refusal()).toEqual([command.error, 6, 1]);
		talk.guest(new TagWriter(command.getSinkInputInfo, 7).u32(index));
		expect(talk.refusal()).toEqual([command.error, 7, 1]);
	}
});

test("a stream that has been deleted is nobody's", () => {
	const talk = Conversation.begun();
	talk.play(2, 6, 40);
	talk.guest(new TagWriter(command.deletePlaybackStream, 3).u32(6));
	expect(talk.asked().number).toBe(command.deletePlaybackStream);
	talk.guest(new TagWriter(command.setSinkInputMute, 4).u32(40).booleans(true));
	expect(talk.refusal()).toEqual([command.error, 4, 1]);
});

test("samples that were on their way when the host ended a stream are thrown away, and the next packet is read", () => {
	const talk = Conversation.begun();
	talk.play(2, 6, 40);
	talk.host(event(command.playbackStreamKilled, 6));
	expect(talk.told().number).toBe(command.playbackStreamKilled);
	talk.guest(Buffer.concat([block(6, Buffer.alloc(500)), new TagWriter(command.getServerInfo, 3).packet()]));
	expect(talk.asked().number).toBe(command.getServerInfo);
});

test("what the host wants for a stream, or says of it, reaches the guest", () => {
	const talk = Conversation.begun();
	talk.play(2, 6, 40);
	for (const number of [command.request, command.underflow, command.started, command.overflow]) {
		talk.host(event(number, 6, 4096));
		expect(talk.heardByGuest()).toEqual(event(number, 6, 4096).packet());
	}
	talk.host(event(command.subscribeEvent, 0x12, 40));
	expect(talk.told().number).toBe(command.subscribeEvent);
});

test("there are at most 16 streams, and one that fails, or is gone, leaves its place", () => {
	const talk = Conversation.begun();
	for (let index = 0; index < 15; index++) talk.play(2, index, index);
	talk.guest(playRequest(3));
	talk.guest(playRequest(4));
	expect(talk.refusal()).toEqual([command.error, 4, 18]);
	talk.host(new TagWriter(command.error, 3).u32(5));
	expect(talk.refusal()).toEqual([command.error, 3, 5]);
	talk.play(5, 15, 15);
	talk.guest(playRequest(6));
	expect(talk.refusal()).toEqual([command.error, 6, 18]);
	talk.host(event(command.playbackStreamKilled, 15));
	talk.heardByGuest();
	talk.guest(playRequest(7));
	talk.host(playReply(7, 15, 99));
	expect(talk.told().number).toBe(command.reply);
});
