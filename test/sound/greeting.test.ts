import { expect, test } from "vitest";
import { command } from "../../src/sound/commands.ts";
import { TagWriter } from "../../src/sound/tag-writer.ts";
import { Conversation, greeting, properties, toFacts, tooOld } from "./conversation.ts";

const error = command.error;

/** As libpulse 16.1 sends it: version 35, both flags for shared memory, a cookie of 256 bytes. */
const libpulseGreeting = Buffer.concat([
	Buffer.from("0000011400000000", "hex").fill("ffffffff", 4, 8, "hex"),
	Buffer.from("000000000000000000000000", "hex"),
	Buffer.from("4c00000008", "hex"),
	Buffer.from("4c00000000", "hex"),
	Buffer.from("4cc0000023", "hex"),
	Buffer.from("7800000100", "hex"),
	Buffer.alloc(256, 0xaa),
]);

test("shared memory is offered to neither side", () => {
	const talk = new Conversation();
	talk.guest(libpulseGreeting);
	const { number, tag, body } = talk.asked();
	expect([number, tag, body.u32()]).toEqual([command.auth, 0, 35]);
	talk.host(Buffer.from("0000000fffffffff0000000000000000000000004c000000024c000000004cc0000023", "hex"));
	const told = talk.told();
	expect([told.number, told.tag, told.body.u32()]).toEqual([command.reply, 0, 35]);
});

test("a guest's cookie does not come to the host", () => {
	const talk = new Conversation();
	talk.guest(libpulseGreeting);
	const { body } = talk.asked();
	body.u32();
	expect(body.arbitrary(256)).toEqual(Buffer.alloc(256));
});

test("no newer version than is known here is agreed on, and no older one than is read here", () => {
	const talk = new Conversation();
	talk.guest(greeting(40));
	expect(talk.asked().body.u32()).toBe(35);
	talk.host(new TagWriter(command.reply, 0).u32(41));
	expect(talk.told().body.u32()).toBe(35);

	const older = new Conversation();
	older.guest(greeting(0xc000_0020));
	expect(older.asked().body.u32()).toBe(32);

	const old = new Conversation();
	old.guest(greeting(tooOld));
	expect(old.refusal()).toEqual([error, 0, 17]);
	expect(old.heardByHost()).toHaveLength(0);

	const oldHost = new Conversation();
	oldHost.guest(greeting(35));
	oldHost.host(new TagWriter(command.reply, 0).u32(tooOld));
	expect(oldHost.refusal()).toEqual([error, 0, 17]);
});

test("a host that doesn't let us in is not hidden", () => {
	const talk = new Conversation();
	talk.guest(greeting(35));
	talk.host(new TagWriter(command.error, 0).u32(1));
	expect(talk.refusal()).toEqual([error, 0, 1]);
});

test("a connection begins with its greeting, which comes once", () => {
	const sentence = "a sound connection begins with its greeting, which comes once";
	expect(() => new Conversation().guest(new TagWriter(command.getServerInfo, 0))).toThrow(sentence);
	const talk = Conversation.begun();
	expect(() => talk.guest(greeting(35, 2))).toThrow(sentence);
});

test("a program's name has its vm in front, and nothing else is told of it", () => {
	const talk = Conversation.begun();
	const facts = {
		"application.name": "Fire\u202efox\n",
		"application.id": "org.host.Phone",
		"application.process.id": "1",
		"application.process.machine_id": "c0ffee",
		"media.role": "phone",
		"filter.want": "echo-cancel",
		"module-stream-restore.id": "x",
		"node.name": "x",
	};
	talk.guest(new TagWriter(command.setClientName, 2).properties(properties(facts)));
	const { number, body } = talk.asked();
	expect(number).toBe(command.setClientName);
	expect(toFacts(body.properties())).toEqual({ "application.name": "[shopping] Fire\ufffdfox" });
});

test.each([0, 1, 2])("nor does an update of kind %i take the vm's name away", (mode) => {
	const talk = Conversation.begun();
	talk.guest(
		new TagWriter(command.updateClientProplist, 2).u32(mode).properties(properties({ "media.role": "phone" })),
	);
	const { body } = talk.asked();
	expect([body.u32(), toFacts(body.properties())]).toEqual([mode, { "application.name": "[shopping] Firefox" }]);
	talk.guest(
		new TagWriter(command.updateClientProplist, 3)
			.u32(mode)
			.properties(properties({ "application.name": "[vault] gpg" })),
	);
	const later = talk.asked().body;
	expect([later.u32(), toFacts(later.properties())]).toEqual([mode, { "application.name": "[shopping] [vault] gpg" }]);
});

test("a name of any length is cut", () => {
	const talk = Conversation.begun();
	talk.guest(
		new TagWriter(command.setClientName, 2).properties(properties({ "application.name": "x".repeat(60_000) })),
	);
	expect(toFacts(talk.asked().body.properties())["application.name"]).toBe(`[shopping] ${"x".repeat(128)}`);
});
