import { expect, test } from "vitest";
import { command, invalidIndex } from "../../src/sound/commands.ts";
import { TagWriter } from "../../src/sound/tag-writer.ts";
import { block, Conversation, commandsOf, device, event, recordReply, recordRequest, toFacts } from "./conversation.ts";

const begun = () => Conversation.begun({ capture: true });

test("the host is asked which source it is, and the stream is made by that one's number, with the vm's name, not to be moved", () => {
	const talk = begun();
	talk.guest(recordRequest(2, { name: "mic" }));
	const question = talk.asked();
	expect([question.number, question.body.u32(), question.body.string()]).toEqual([
		command.getSourceInfo,
		invalidIndex,
		"mic",
	]);
	talk.host(device(new TagWriter(command.reply, question.tag), 4, "mic", invalidIndex));
	expect(talk.heardByGuest()).toHaveLength(0);
	const { number, tag, body } = talk.asked();
	expect([number, tag]).toEqual([command.createRecordStream, 2]);
	body.raw("am");
	expect([body.u32(), body.string()]).toEqual([4, undefined]);
	body.raw("L1L11111");
	expect(body.boolean()).toBe(true);
	body.raw("111");
	expect(toFacts(body.properties())).toEqual({ "application.name": "[shopping] Firefox" });
	expect(body.u32()).toBe(invalidIndex);
	talk.host(recordReply(2, 0, 30, 4));
	expect(talk.told().number).toBe(command.reply);
});

test.each([
	["by its name", { name: "speaker.monitor" }],
	["by a name that doesn't look like one", { name: "mic" }],
	["by its number", { index: 3 }],
	["as the default", {}],
	["by a name for the default", { name: "@DEFAULT_MONITOR@" }],
])("a monitor can't be recorded %s", (_, options) => {
	const talk = begun();
	talk.guest(recordRequest(2, options));
	const { tag } = talk.asked();
	talk.host(device(new TagWriter(command.reply, tag), 3, "whatever", 0));
	expect(talk.refusal()).toEqual([command.error, 2, 1]);
	expect(talk.heardByHost()).toHaveLength(0);
});

test("nor what one stream plays", () => {
	const talk = begun();
	talk.guest(recordRequest(2, { name: "mic", ofInput: 8 }));
	expect(talk.refusal()).toEqual([command.error, 2, 1]);
	expect(talk.heardByHost()).toHaveLength(0);
});

test("a source that is not there is said to be missing", () => {
	const talk = begun();
	talk.guest(recordRequest(2, { name: "mic" }));
	talk.host(new TagWriter(command.error, talk.asked().tag).u32(5));
	expect(talk.refusal()).toEqual([command.error, 2, 5]);
});

test("a number is taken as long as the host thinks about its source", () => {
	const talk = begun();
	talk.guest(recordRequest(2, { name: "mic" }));
	expect(() => talk.guest(new TagWriter(command.getServerInfo, 2))).toThrow("not answered yet");
});

test("a stream that the host has made at another source is taken back", () => {
	const talk = begun();
	talk.guest(recordRequest(2, { name: "mic" }));
	talk.host(device(new TagWriter(command.reply, talk.asked().tag), 4, "mic", invalidIndex));
	talk.heardByHost();
	talk.host(recordReply(2, 0, 30, 3));
	expect(talk.refusal()).toEqual([command.error, 2, 1]);
	const removal = talk.asked();
	expect([removal.number, removal.body.u32()]).toEqual([command.deleteRecordStream, 0]);
	talk.host(block(0, Buffer.alloc(64)));
	talk.host(new TagWriter(command.reply, removal.tag));
	expect(talk.heardByGuest()).toHaveLength(0);
});

test("what is recorded reaches the guest, until the stream is moved, which ends it", () => {
	const talk = begun();
	talk.record(2, 0, 30);
	const samples = block(0, Buffer.alloc(64, 9));
	talk.host(samples);
	expect(talk.heardByGuest()).toEqual(samples);
	talk.host(event(command.recordStreamMoved, 0, 3));
	const told = talk.told();
	expect([told.number, told.body.u32()]).toEqual([command.recordStreamKilled, 0]);
	expect(talk.asked().number).toBe(command.deleteRecordStream);
	talk.host(samples);
	expect(talk.heardByGuest()).toHaveLength(0);
});

test("a stream's own requests pass, and those for another's do not", () => {
	const talk = begun();
	talk.record(2, 0, 30);
	const requests = (channel: number): TagWriter[] => [
		new TagWriter(command.corkRecordStream, 3).u32(channel).booleans(true),
		new TagWriter(command.flushRecordStream, 4).u32(channel),
		new TagWriter(command.getRecordLatency, 5).u32(channel).raw(Buffer.from("T\0\0\0\x01\0\0\0\x02")),
		new TagWriter(command.setRecordStreamName, 6).u32(channel).string("call"),
		new TagWriter(command.updateRecordStreamSampleRate, 7).u32(channel).u32(16_000),
		new TagWriter(command.setRecordStreamBufferAttr, 8).u32(channel).u32(9000).u32(9000).booleans(true, true),
		new TagWriter(command.deleteRecordStream, 9).u32(channel),
	];
	for (const request of requests(1)) {
		talk.guest(request);
		expect(talk.refusal()).toEqual([command.error, request.tag, 5]);
	}
	for (const request of requests(0)) {
		talk.guest(request);
		expect(talk.heardByHost()).toEqual(request.packet());
		talk.host(new TagWriter(command.reply, request.tag));
	}
	expect(commandsOf(talk.heardByGuest()).map(({ tag }) => tag)).toEqual([3, 4, 5, 6, 7, 8, 9]);
	talk.guest(new TagWriter(command.setSourceOutputMute, 10).u32(30).booleans(true));
	expect(talk.refusal()).toEqual([command.error, 10, 1]);
});
