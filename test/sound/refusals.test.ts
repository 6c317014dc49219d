/** What a guest may not, by the names and numbers of PulseAudio's own documentation. */
import { expect, test } from "vitest";
import { command } from "../../src/sound/commands.ts";
import { TagWriter } from "../../src/sound/tag-writer.ts";
import { block, Conversation, commandsOf, event, playRequest, recordRequest } from "./conversation.ts";

const refused = {
	EXIT: 7,
	STAT: 13,
	CREATE_UPLOAD_STREAM: 15,
	DELETE_UPLOAD_STREAM: 16,
	FINISH_UPLOAD_STREAM: 17,
	PLAY_SAMPLE: 18,
	REMOVE_SAMPLE: 19,
	GET_MODULE_INFO: 25,
	GET_MODULE_INFO_LIST: 26,
	GET_CLIENT_INFO: 27,
	GET_CLIENT_INFO_LIST: 28,
	GET_SINK_INPUT_INFO_LIST: 30,
	GET_SOURCE_OUTPUT_INFO_LIST: 32,
	GET_SAMPLE_INFO: 33,
	GET_SAMPLE_INFO_LIST: 34,
	SET_SINK_VOLUME: 36,
	SET_SOURCE_VOLUME: 38,
	SET_SINK_MUTE: 39,
	SET_SOURCE_MUTE: 40,
	SET_DEFAULT_SINK: 44,
	SET_DEFAULT_SOURCE: 45,
	KILL_CLIENT: 48,
	KILL_SINK_INPUT: 49,
	KILL_SOURCE_OUTPUT: 50,
	LOAD_MODULE: 51,
	UNLOAD_MODULE: 52,
	ADD_AUTOLOAD: 53,
	MOVE_SINK_INPUT: 67,
	MOVE_SOURCE_OUTPUT: 68,
	SUSPEND_SINK: 70,
	SUSPEND_SOURCE: 71,
	REMOVE_RECORD_STREAM_PROPLIST: 83,
	REMOVE_PLAYBACK_STREAM_PROPLIST: 84,
	REMOVE_CLIENT_PROPLIST: 85,
	EXTENSION: 87,
	GET_CARD_INFO: 88,
	GET_CARD_INFO_LIST: 89,
	SET_CARD_PROFILE: 90,
	SET_SINK_PORT: 96,
	SET_SOURCE_PORT: 97,
	SET_PORT_LATENCY_OFFSET: 100,
	ENABLE_SRBCHANNEL: 101,
	DISABLE_SRBCHANNEL: 102,
	REGISTER_MEMFD_SHMID: 103,
	SEND_OBJECT_MESSAGE: 104,
	"a command of tomorrow": 105,
	"a reply": 2,
	"an event": 66,
};

test.each(Object.entries(refused))(
	"%s is answered with «access denied», and the host does not hear of it",
	(_, number) => {
		const talk = Conversation.begun({ capture: true });
		talk.guest(new TagWriter(number, 9).u32(0).string("module-pipe-sink").string("file=/tmp/x"));
		expect(talk.refusal()).toEqual([command.error, 9, 1]);
		expect(talk.heardByHost()).toHaveLength(0);
	},
);

test("who may not record can make no stream for it, and knows of no sources", () => {
	const talk = Conversation.begun();
	talk.guest(recordRequest(2, { name: "mic" }));
	expect(talk.refusal()).toEqual([command.error, 2, 1]);
	talk.guest(new TagWriter(command.getSourceInfo, 3).u32(4).string(undefined));
	expect(talk.refusal()).toEqual([command.error, 3, 1]);
	talk.guest(new TagWriter(command.lookupSource, 4).string("mic"));
	expect(talk.refusal()).toEqual([command.error, 4, 1]);
	talk.guest(new TagWriter(command.getSourceInfoList, 5));
	const { number, tag, body } = talk.told();
	expect([number, tag, body.isAtEnd]).toEqual([command.reply, 5, true]);
	expect(talk.heardByHost()).toHaveLength(0);
});

test("who may not play can make no stream for it", () => {
	const talk = Conversation.begun({ playback: false, capture: true });
	talk.guest(playRequest(2));
	expect(talk.refusal()).toEqual([command.error, 2, 1]);
	expect(talk.heardByHost()).toHaveLength(0);
});

const faults: readonly (readonly [string, Buffer, string])[] = [
	["a block in POSIX shared memory", block(0, Buffer.alloc(16), 0x8000_0000), "flags that are not allowed"],
	["a block in a memfd", block(0, Buffer.alloc(16), 0xa000_0000), "flags that are not allowed"],
	["shared memory given back", block(0, Buffer.alloc(1), 0x4000_0000), "flags that are not allowed"],
	["shared memory taken back", block(0, Buffer.alloc(1), 0xc000_0000), "flags that are not allowed"],
	["shared memory that both write", block(0, Buffer.alloc(1), 0x0080_0000), "flags that are not allowed"],
	["an unknown way to seek", block(0, Buffer.alloc(1), 4), "flags that are not allowed"],
	["a command with flags", block(0xffff_ffff, Buffer.alloc(10), 1), "flags that are not allowed"],
	["an empty block", block(0, Buffer.alloc(0)), "announces 0 bytes"],
	["a block that is too long", block(0, Buffer.alloc(256 * 1024 + 1)), "the limit is 262144"],
	["a command that is too long", block(0xffff_ffff, Buffer.alloc(64 * 1024 + 1)), "the limit is 65536"],
	["samples for no stream", block(0, Buffer.alloc(16)), "a stream that the guest does not have"],
	["a command without a form", block(0xffff_ffff, Buffer.alloc(16)), "not of its form"],
	["a command that is more than it should be", new TagWriter(20, 9).u32(1).packet(), "more than belongs to it"],
	[
		"a text without an end",
		Buffer.from("0000000dffffffff0000000000000000000000004c0000000a4c00000009746161", "hex"),
		"form",
	],
	["a number of our own", new TagWriter(20, 0xf000_0001).packet(), "not the guest's"],
];

test.each(faults)("%s ends the connection", (_, packet, sentence) => {
	const talk = Conversation.begun();
	expect(() => talk.guest(packet)).toThrow(sentence);
	expect(talk.heardByHost()).toHaveLength(0);
});

test("a length is looked at before its bytes are there", () => {
	const talk = Conversation.begun();
	expect(() => talk.guest(Buffer.from("7fffffffffffffff000000000000000000000000", "hex"))).toThrow(
		"the limit is 65536",
	);
});

test("a number that waits for an answer can't be given again", () => {
	const talk = Conversation.begun();
	talk.guest(new TagWriter(command.getServerInfo, 2));
	expect(() => talk.guest(new TagWriter(command.getSinkInfoList, 2))).toThrow("not answered yet");
});

test("not more than 1024 requests wait for an answer", () => {
	const talk = Conversation.begun();
	for (let tag = 2; tag < 1026; tag++) talk.guest(new TagWriter(command.getServerInfo, tag));
	expect(() => talk.guest(new TagWriter(command.getServerInfo, 1026))).toThrow("more than 1024 sound commands");
});

test("what the host says of others, or of nothing asked, is kept from the guest", () => {
	const talk = Conversation.begun();
	talk.host(event(command.subscribeEvent, 0x25, 3)); // a client is gone
	talk.host(event(command.subscribeEvent, 0x02, 8)); // another's stream
	talk.host(event(command.subscribeEvent, 0x01, 8)); // a source
	talk.host(event(command.request, 5, 4096));
	talk.host(event(91, 1)); // CLIENT_EVENT
	talk.host(event(101, 1)); // ENABLE_SRBCHANNEL
	talk.host(new TagWriter(command.reply, 12).u32(1));
	talk.host(block(3, Buffer.alloc(64)));
	expect(talk.heardByGuest()).toHaveLength(0);
	talk.host(event(command.subscribeEvent, 0x10, 2));
	expect(talk.told().number).toBe(command.subscribeEvent);
});

test("a subscription is for sinks, defaults and streams only", () => {
	const talk = Conversation.begun();
	talk.guest(new TagWriter(command.subscribe, 2).u32(0x2ff));
	expect(talk.asked().body.u32()).toBe(0b1000_0101);
	const recorder = Conversation.begun({ capture: true });
	recorder.guest(new TagWriter(command.subscribe, 2).u32(0x2ff));
	expect(recorder.asked().body.u32()).toBe(0b1000_1111);
});

test("refusals do not come between the pieces of a block", () => {
	const talk = Conversation.begun({ capture: true });
	talk.record(2, 0, 30);
	const samples = block(0, Buffer.alloc(64, 5));
	talk.host(samples.subarray(0, 40));
	talk.guest(new TagWriter(7, 3));
	talk.guest(new TagWriter(7, 4));
	expect(talk.heardByGuest()).toEqual(samples.subarray(0, 40));
	talk.host(samples.subarray(40));
	const rest = talk.heardByGuest();
	expect(rest.subarray(0, 44)).toEqual(samples.subarray(40));
	expect(commandsOf(rest.subarray(44)).map(({ number, tag }) => [number, tag])).toEqual([
		[command.error, 3],
		[command.error, 4],
	]);
});

test("not more than 1024 of them wait for the end of a block", () => {
	const talk = Conversation.begun({ capture: true });
	talk.record(2, 0, 30);
	talk.host(block(0, Buffer.alloc(64)).subarray(0, 30));
	for (let tag = 3; tag < 1027; tag++) talk.guest(new TagWriter(7, tag));
	expect(() => talk.guest(new TagWriter(7, 1027))).toThrow("more than 1024 sound commands");
});

test("a host that is not understood is told from a guest", () => {
	const talk = Conversation.begun();
	talk.guest(new TagWriter(command.getServerInfo, 2));
	expect(() => talk.host(new TagWriter(command.reply, 2).u32(1))).toThrow("the host's sound server is not understood");
});
