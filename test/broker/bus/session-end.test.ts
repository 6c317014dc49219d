import { expect, it } from "vitest";
import { toCodeAndSignal } from "../../../src/broker/bus/session-end.ts";
import { encodeMessage, messageType } from "../../../src/dbus/message-codec.ts";

it("has a code, or the name of a signal, or neither", () => {
	expect(toCodeAndSignal({ code: 255 })).toEqual([255, ""]);
	expect(toCodeAndSignal({ signal: "SIGKILL", signalNumber: 9 })).toEqual([-1, "SIGKILL"]);
	expect(toCodeAndSignal({ signal: "SIGRTMIN+3", signalNumber: 37 })).toEqual([-1, "SIGRTMIN+3"]);
	expect(toCodeAndSignal(null)).toEqual([-1, ""]);
});

it.each(["a\0b", "\x1b[31m", "", "SIGKILL\n", "SIG\u202eX"])(
	"calls a signal by its number where its guest calls it %j, which would end the broker or a terminal's sense",
	(signal) => {
		const body = toCodeAndSignal({ signal, signalNumber: 9 });
		expect(body).toEqual([-1, "SIG9"]);
		const message = { type: messageType.signal, serial: 1, path: "/a", interface: "a.b", member: "C" };
		expect(() => encodeMessage({ ...message, signature: "is", body })).not.toThrow();
	},
);
