import { expect, test } from "vitest";
import { newDisplay, TestProgram } from "./test-program.ts";
import { wire, words } from "./wire.ts";

const hostOffer = 0xff000005;
const guestOffer = 0xff000000;

function start(token = "k3y"): { program: TestProgram; device: number; manager: number; surface: number } {
	const program = new TestProgram(newDisplay({ token }));
	const bound = program.bindAll();
	const manager = bound.wl_data_device_manager ?? 0;
	const device = program.make(manager, "wl_data_device_manager.get_data_device", bound.wl_seat ?? 0);
	const surface = program.make(bound.wl_compositor ?? 0, "wl_compositor.create_surface");
	program.host();
	return { program, device, manager, surface };
}

test("A drag within a vm shows its types, passes its answers, and gives its bytes to whom it is dropped on.", () => {
	const { program, device, surface } = start();
	program.event(device, "wl_data_device.data_offer", hostOffer);
	program.event(hostOffer, "wl_data_offer.offer", "x-qubes-lite-k3y/text/uri-list");
	program.event(hostOffer, "wl_data_offer.source_actions", 3);
	expect(program.guest()).toEqual([]);
	program.event(device, "wl_data_device.enter", 9, surface, 256, 512, hostOffer);
	program.event(device, "wl_data_device.motion", 1, 256, 512);
	program.event(hostOffer, "wl_data_offer.action", 1);
	program.event(device, "wl_data_device.drop");
	expect(program.guest()).toEqual([
		`wl_data_device@${device}.data_offer #${guestOffer}`,
		`wl_data_offer@${guestOffer}.offer text/uri-list`,
		`wl_data_offer@${guestOffer}.source_actions 3`,
		`wl_data_device@${device}.enter 9 #${surface} 256 512 #${guestOffer}`,
		`wl_data_device@${device}.motion 1 256 512`,
		`wl_data_offer@${guestOffer}.action 1`,
		`wl_data_device@${device}.drop`,
	]);
	program.request(guestOffer, "wl_data_offer.accept", 9, "text/uri-list");
	program.request(guestOffer, "wl_data_offer.accept", 9, null);
	const rid = program.rid();
	program.send(wire("openReadPipe", words(rid)), wire("injectRids", words(rid)));
	program.request(guestOffer, "wl_data_offer.receive", "text/uri-list");
	program.request(guestOffer, "wl_data_offer.finish");
	program.request(guestOffer, "wl_data_offer.destroy");
	expect(program.host()).toEqual([
		`wl_data_offer@${hostOffer}.accept 9 x-qubes-lite-k3y/text/uri-list`,
		`wl_data_offer@${hostOffer}.accept 9 (nothing)`,
		`openReadPipe ${rid}`,
		`injectRids ${rid}`,
		`wl_data_offer@${hostOffer}.receive x-qubes-lite-k3y/text/uri-list`,
		`wl_data_offer@${hostOffer}.finish`,
		`wl_data_offer@${hostOffer}.destroy`,
	]);
	program.hostSends(wire("pipeTransfer", words(rid), Buffer.from("file:///x")), wire("pipeShutdownWrite", words(rid)));
	expect(program.guest()).toEqual([`pipeTransfer ${rid} file:///x`, `pipeShutdownWrite ${rid}`]);
});

test("A drag of the host's or of another vm's is not there for the guest, and is not disturbed while it passes.", () => {
	for (const type of ["text/plain", "x-qubes-lite-0ther/text/plain"]) {
		for (const end of ["wl_data_device.leave", "wl_data_device.drop"]) {
			const { program, device, surface } = start();
			program.event(device, "wl_data_device.data_offer", hostOffer);
			program.event(hostOffer, "wl_data_offer.offer", type);
			program.event(device, "wl_data_device.enter", 9, surface, 0, 0, hostOffer);
			program.event(device, "wl_data_device.motion", 1, 0, 0);
			expect(program.host()).toEqual([]);
			program.event(device, end);
			expect(program.guest()).toEqual([]);
			expect(program.host()).toEqual([`wl_data_offer@${hostOffer}.destroy`]);
		}
	}
});

test("A drag that the guest begins has the vm's own types, and no picture that would follow the pointer.", () => {
	const { program, device, manager, surface } = start();
	const source = program.make(manager, "wl_data_device_manager.create_data_source");
	program.request(source, "wl_data_source.offer", "text/plain");
	program.request(device, "wl_data_device.start_drag", source, surface, surface, 4);
	expect(program.host().slice(1)).toEqual([
		`wl_data_source@${source}.offer x-qubes-lite-k3y/text/plain`,
		`wl_data_device@${device}.start_drag #${source} #${surface} #0 4`,
	]);
	program.event(source, "wl_data_source.target", "x-qubes-lite-k3y/text/plain");
	program.event(source, "wl_data_source.target", "text/plain");
	program.event(source, "wl_data_source.target", null);
	program.hostSends(wire("openReadPipe", words(-1)), wire("injectRids", words(-1)));
	program.event(source, "wl_data_source.send", "x-qubes-lite-k3y/text/plain");
	expect(program.guest()).toEqual([
		`wl_data_source@${source}.target text/plain`,
		`wl_data_source@${source}.target (nothing)`,
		"openReadPipe -1",
		"injectRids -1",
		`wl_data_source@${source}.send text/plain`,
	]);
	program.send(wire("pipeTransfer", words(-1), Buffer.from("dropped")), wire("pipeShutdownWrite", words(-1)));
	expect(program.host()).toEqual(["pipeTransfer -1 dropped", "pipeShutdownWrite -1"]);
});

test("Who asks for a drag's bytes by a name that is not the vm's gets none.", () => {
	const { program, manager } = start();
	const source = program.make(manager, "wl_data_device_manager.create_data_source");
	program.host();
	program.hostSends(wire("openReadPipe", words(-1)), wire("injectRids", words(-1)));
	program.event(source, "wl_data_source.send", "text/plain");
	expect(program.guest()).toEqual([]);
	expect(program.host()).toEqual(["pipeShutdownWrite -1"]);
});
