import { expect, test } from "vitest";
import { command, invalidIndex } from "../../src/sound/commands.ts";
import { readDevice } from "../../src/sound/device-info.ts";
import { TagWriter } from "../../src/sound/tag-writer.ts";
import { Conversation, device, map, properties, spec, toFacts, version } from "./conversation.ts";

test.each([32, 33, 34, 35])(
	"sinks are told of without serial numbers, paths, cards and monitors, to version %i",
	(hosts) => {
		const talk = Conversation.begun({}, hosts);
		talk.guest(new TagWriter(command.getSinkInfoList, 2));
		const reply = new TagWriter(command.reply, 2);
		device(device(reply, 1, "one", 5, hosts), 2, "two", 6, hosts);
		talk.host(reply);
		const { body } = talk.told();
		const [one, two] = [readDevice(body, hosts), readDevice(body, hosts)];
		body.end();
		expect([one.name, two.name, one.monitorIndex, two.index]).toEqual(["one", "two", invalidIndex, 2]);
		expect(toFacts(one.properties)).toEqual({ "device.description": "Speaker" });
	},
);

test("of sources, no monitor is told", () => {
	const talk = Conversation.begun({ capture: true });
	talk.guest(new TagWriter(command.getSourceInfoList, 2));
	const reply = new TagWriter(command.reply, 2);
	device(device(device(reply, 1, "sink.monitor", 0), 2, "mic", invalidIndex), 3, "innocent", 7);
	talk.host(reply);
	const { body } = talk.told();
	expect(readDevice(body, version).name).toBe("mic");
	expect(body.isAtEnd).toBe(true);

	talk.guest(new TagWriter(command.getSourceInfo, 3).u32(invalidIndex).string("@DEFAULT_MONITOR@"));
	talk.host(device(new TagWriter(command.reply, 3), 1, "sink.monitor", 0));
	expect(talk.refusal()).toEqual([command.error, 3, 5]);
});

test("whose server it is, and where, is not told; nor the default source, to who may not record: SDL needs a name, though", () => {
	const serverInfo = new TagWriter(command.reply, 2)
		.string("pulseaudio")
		.string("16.1")
		.string("alice")
		.string("alices-laptop")
		.sampleSpec(spec)
		.string("speaker")
		.string("mic")
		.u32(0xc0ffee)
		.channelMap(map);
	for (const capture of [false, true]) {
		const talk = Conversation.begun({ capture });
		talk.guest(new TagWriter(command.getServerInfo, 2));
		talk.host(serverInfo);
		const { body } = talk.told();
		const names = [body.string(), body.string(), body.string(), body.string()];
		expect(names).toEqual(["pulseaudio", "16.1", "user", "host"]);
		expect([body.sampleSpec(), body.string(), body.string()]).toEqual([spec, "speaker", capture ? "mic" : "none"]);
		expect([body.u32(), body.channelMap()]).toEqual([0, map]);
	}
});

test("a stream of its own is told of without what the host keeps there", () => {
	const talk = Conversation.begun();
	talk.play(2, 6, 40);
	talk.guest(new TagWriter(command.getSinkInputInfo, 3).u32(40));
	const usec = Buffer.from("U\0\0\0\0\0\0\0\x01");
	const reply = new TagWriter(command.reply, 3).u32(40).string("a song").u32(12).u32(1).u32(2).sampleSpec(spec);
	reply.channelMap(map).volumes([1, 1]).raw(usec).raw(usec).string("copy").string("native").booleans(false);
	reply.properties(properties({ "media.name": "a song", "client.api": "x", "object.id": "3" }));
	reply.booleans(false, true, true).raw(Buffer.from("fB\x01PN"));
	talk.host(reply);
	const { body } = talk.told();
	expect([body.u32(), body.string(), body.u32()]).toEqual([40, "a song", invalidIndex]);
	body.raw("LLamvUUtt1");
	expect(toFacts(body.properties())).toEqual({ "media.name": "a song" });
});
