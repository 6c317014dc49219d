import { expect, it } from "vitest";
import { parseLdd } from "../../guest-image/shared-libraries.ts";

it("finds libraries and loader in ldd's output, and leaves out what the kernel brings", () => {
	const output = `	linux-vdso.so.1 (0x00007ff0d0cc9000)
	libdl.so.2 => /lib/x86_64-linux-gnu/libdl.so.2 (0x00007ff0d0cb0000)
	/lib64/ld-linux-x86-64.so.2 (0x00007ff0d0ccb000)
`;
	expect(parseLdd(output)).toEqual(["/lib/x86_64-linux-gnu/libdl.so.2", "/lib64/ld-linux-x86-64.so.2"]);
});

it("names a library that is missing", () => {
	expect(() => parseLdd("	libatomic.so.1 => not found\n")).toThrow("the library libatomic.so.1 is not found");
});
