import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { LogFile } from "../../src/broker/log-file.ts";

const line = `${"x".repeat(1023)}\n`;
let directory: string;
let path: string;

beforeEach(() => {
	directory = mkdtempSync(join(tmpdir(), "ql-log-"));
	path = join(directory, "broker.log");
});

afterEach(() => rmSync(directory, { recursive: true }));

it("keeps a log that grows for ever below 2 MiB, with what was last said", () => {
	const fd = openSync(path, "a");
	const log = new LogFile(fd);
	for (let written = 0; written < 3000; written++) log.write(line);
	log.write("last words\n");
	closeSync(fd);
	expect(readFileSync(`${path}.1`).length).toBe(1024 * 1024);
	expect(readFileSync(path).length).toBe((3000 - 2048) * 1024 + 11);
	expect(readFileSync(path, "utf8").endsWith("last words\n")).toBe(true);
});

it("counts what was in the file already, and leaves others who append to it at its end", () => {
	writeFileSync(path, line.repeat(1023));
	const fd = openSync(path, "a");
	const other = openSync(path, "a");
	const log = new LogFile(fd);
	log.write(line);
	writeSync(other, "shell\n");
	log.write("broker\n");
	expect(readFileSync(path, "utf8")).toBe("shell\nbroker\n");
	for (const open of [fd, other]) closeSync(open);
});

it("writes to a device or a pipe without a bound, and survives a full disk", () => {
	const fd = openSync("/dev/full", "a");
	const log = new LogFile(fd);
	expect(() => log.write(line)).not.toThrow();
	closeSync(fd);
});
