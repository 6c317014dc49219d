import { expect, test } from "vitest";
import { findPanic } from "../../src/broker/kernel-panic.ts";

const panic = "[    1.2] Kernel panic - not syncing: VFS: Unable to mount root fs\r\n[    1.2] CPU: 0 PID: 1\r\n";

test("a kernel that panicked last has its words", () => {
	expect(findPanic(`booting\r\n${panic}[    1.3] Kernel Offset: disabled\r\n`)).toBe("VFS: Unable to mount root fs");
	expect(findPanic(`[    1.2] Kernel panic - not syncing: `)).toBe("");
});

test("of two panics the last counts", () => {
	expect(findPanic(`${panic}[    9.1] Kernel panic - not syncing: Attempted to kill init!\n`)).toBe(
		"Attempted to kill init!",
	);
});

test("without one there are none", () => {
	expect(findPanic("")).toBeNull();
	expect(findPanic("[    5.0] reboot: Power down\r\n")).toBeNull();
});

test.each(["Power down", "Restarting system", "System halted"])(
	"a kernel that ended in good order only had one on its console, of another kernel: %s",
	(words) => {
		expect(findPanic(`$ cat /var/log/old\r\n${panic}$ poweroff\r\n[   60.0] reboot: ${words}\r\n`)).toBeNull();
		expect(findPanic(`[   60.0] reboot: ${words}\r\n${panic}`)).toBe("VFS: Unable to mount root fs");
	},
);
