/** What programs do in a session, as steps that can be put together in any order. */
import { newDisplay, type Sent, TestProgram } from "./test-program.ts";
import { wire, words } from "./wire.ts";

interface Place {
	readonly program: TestProgram;
	readonly bound: Record<string, number>;
	readonly device: number;
	readonly keyboard: number;
	readonly source: number;
	readonly surface: number;
	readonly toplevel: number;
}

type Step = (place: Place) => void;

const pixels = Buffer.alloc(40_000, 0xa5);

export const steps: Readonly<Record<string, Step>> = {
	"names a window": ({ program, toplevel }) =>
		program.request(toplevel, "xdg_toplevel.set_title", "Mail – \u0007 ünbound"),
	"shows a window": ({ program, bound, surface }) => program.show(bound, surface),
	"hides a window": ({ program, surface }) => {
		program.request(surface, "wl_surface.attach", 0, 0, 0);
		program.request(surface, "wl_surface.commit");
	},
	"opens another window": ({ program, bound }) => void program.window(bound),
	"draws all": ({ program }) => {
		const rid = program.file(pixels.length);
		program.send(wire("bufferFill", words(rid, 0, pixels.length), pixels));
	},
	"draws little": ({ program }) => {
		const rid = program.file(4099);
		program.send(wire("bufferFill", words(rid, 1, 4), Buffer.from("abc")), wire("bufferFill", words(rid, 5, 5)));
	},
	"draws changes": ({ program }) => {
		const rid = program.file(4098);
		const diff = Buffer.concat([words(0, 2, 7, 8, 1000, 1003, 1, 2, 3), Buffer.from("zz")]);
		program.send(wire("bufferDiff", words(rid, diff.length - 2, 2), diff));
		program.send(wire("extendFile", words(rid, 9000)));
	},
	"several requests at once": ({ program, surface, toplevel }) => {
		const callback = program.id();
		program.send(
			wire(
				"protocol",
				program.encode(surface, "wl_surface.damage", 0, 0, 9, 9),
				program.encode(toplevel, "xdg_toplevel.set_app_id", "mail"),
				program.encode(surface, "wl_surface.frame", callback),
				program.encode(surface, "wl_surface.commit"),
			),
		);
		program.event(callback, "wl_callback.done", 5);
		program.event(1, "wl_display.delete_id", callback);
	},
	copies: ({ program, device, source }) => program.request(device, "wl_data_device.set_selection", source, 1),
	"gets the keyboard": ({ program, keyboard, surface }) =>
		program.event(keyboard, "wl_keyboard.enter", 3, surface, words(1, 2)),
	"gets a keymap": ({ program, keyboard }) => {
		program.hostSends(wire("openFile", words(-5, 9)), wire("bufferFill", words(-5, 0, 9), Buffer.from("keymap!!!")));
		program.hostSends(wire("injectRids", words(-5)));
		program.event(keyboard, "wl_keyboard.keymap", 1, 9);
	},
	"pastes what the host has": ({ program, device }) => {
		program.event(device, "wl_data_device.data_offer", 0xff000000);
		program.event(0xff000000, "wl_data_offer.offer", "text/plain");
		program.event(device, "wl_data_device.selection", 0xff000000);
	},
	"is pasted from": ({ program, source }) => {
		program.hostSends(wire("openReadPipe", words(-9)), wire("injectRids", words(-9)));
		program.event(source, "wl_data_source.send", "x-qubes-lite-k3y/text/plain");
		program.send(wire("pipeTransfer", words(-9), Buffer.from("some bytes")), wire("pipeShutdownWrite", words(-9)));
	},
};

export const stepNames = Object.keys(steps);

function enter(program: TestProgram): Place {
	const bound = program.bindAll();
	const manager = bound.wl_data_device_manager ?? 0;
	const source = program.make(manager, "wl_data_device_manager.create_data_source");
	program.request(source, "wl_data_source.offer", "text/plain");
	const { surface, toplevel } = program.window(bound);
	return {
		...{ program, bound, source, surface, toplevel },
		device: program.make(manager, "wl_data_device_manager.get_data_device", bound.wl_seat ?? 0),
		keyboard: program.make(bound.wl_seat ?? 0, "wl_seat.get_keyboard"),
	};
}

/** What both ends send in a session of these steps. */
export function record(names: readonly string[]): Sent[] {
	const program = new TestProgram(newDisplay());
	const place = enter(program);
	for (const name of names) steps[name]?.(place);
	return program.sent;
}
