import { expect, it } from "vitest";
import { toMissing } from "../../guest-image/vhost-device-vsock.ts";

it("a helper that could not be had is told apart from the image, with what was tried and what helps", () => {
	const error = toMissing(["not in trixie", "sid can't be asked (no route)"], "/cache/tools");
	expect(error.message).toMatch(/^The guest image is there, but vhost-device-vsock is missing/);
	expect(error.message).toContain("not in /cache/tools");
	expect(error.message).toContain("not in trixie; sid can't be asked (no route)");
	expect(error.remedy).toContain("cargo install vhost-device-vsock");
	expect(error.remedy).toContain("on PATH or as /cache/tools/vhost-device-vsock");
});
