import { expect, it } from "vitest";
import { vhostDeviceVsock, virtiofsd } from "../../guest-image/vm-helpers.ts";

it("a helper that could not be had is told apart from the image, with what was tried and what helps", () => {
	const error = vhostDeviceVsock.toMissing(["not in trixie", "sid can't be asked (no route)"], "/cache/tools");
	expect(error.message).toMatch(/^The guest image is there, but vhost-device-vsock is missing/);
	expect(error.message).toContain("not in /cache/tools");
	expect(error.message).toContain("not in trixie; sid can't be asked (no route)");
	expect(error.remedy).toContain("cargo install vhost-device-vsock");
	expect(error.remedy).toContain("on PATH or as /cache/tools/vhost-device-vsock");
});

it("virtiofsd is missed by those vms alone that share directories, and which one they need is said", () => {
	const error = virtiofsd.toMissing(["not in trixie"], "/cache/tools");
	expect(error.message).toContain("virtiofsd is missing, 1.13 or newer, which vms with sharedDirectories need");
	expect(error.remedy).not.toContain("cargo");
});
