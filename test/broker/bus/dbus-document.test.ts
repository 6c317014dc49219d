/** docs/dbus.md and docs/dbus/*.xml say what the broker serves. */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { brokerSpec, vmSpec } from "../../../src/broker/bus/interfaces.ts";
import { sessionsShownMax } from "../../../src/broker/bus/vm-properties.ts";
import { leasesShownMax } from "../../../src/broker/status.ts";
import type { InterfaceSpec } from "../../../src/dbus/interface-spec.ts";
import { formatIntrospection } from "../../../src/dbus/introspection.ts";
import { callMaxBytes } from "../../../src/dbus/message-codec.ts";
import { errorCodes } from "../../../src/errors.ts";

const at = (name: string): string => fileURLToPath(new URL(`../../../docs/${name}`, import.meta.url));
const document = readFileSync(at("dbus.md"), "utf8");

describe.each<InterfaceSpec>([brokerSpec, vmSpec])("$name", (spec) => {
	/** Its part of the document. */
	const part = document.slice(document.indexOf(`\n## ${spec.name}\n`)).split("\n## ")[1] ?? "";
	const options = (name: string): string => (name === "options" ? "" : ` ${name}`);
	it("has its methods in the document, with what goes in and comes out", () => {
		for (const [name, method] of Object.entries(spec.methods)) {
			const inward = method.in.map(([argument, type]) => `${type}${options(argument)}`).join(", ");
			const row = part.split("\n").find((line) => line.startsWith(`| \`${name}(`)) ?? "";
			expect(row, name).toContain(`${name}(${inward})`);
			for (const [, type] of method.out) expect(row, name).toMatch(new RegExp(`→.*${escapePattern(type)}`));
		}
	});

	it("has its signals in the document", () => {
		for (const [name, values] of Object.entries(spec.signals)) {
			expect(part).toContain(`\`${name}(${values.map(([argument, type]) => `${type} ${argument}`).join(", ")})\``);
		}
	});

	it("has its properties in the document", () => {
		for (const [name, { type }] of Object.entries(spec.properties)) {
			expect(part).toMatch(new RegExp(`\`${name}\` \\(${escapePattern(type)}[,)]`));
		}
	});

	it("is written as XML (UPDATE=1 npx vitest run --project unit dbus-document rewrites it)", () => {
		const file = at(`dbus/${spec.name}.xml`);
		const xml = formatIntrospection([spec], []);
		if (process.env.UPDATE === "1") writeFileSync(file, xml);
		expect(readFileSync(file, "utf8")).toBe(xml);
	});
});

it("the document names every error", () => {
	for (const code of errorCodes) expect(document).toMatch(new RegExp(`\\b${code}\\b`));
});

it("the document names the limits", () => {
	const row = (name: string): string => document.split("\n").find((line) => line.startsWith(`| \`${name}\``)) ?? "";
	expect(row("Sessions")).toContain(`the first ${sessionsShownMax};`);
	expect(row("Leases")).toContain(`the first ${leasesShownMax} |`);
	expect(document).toContain(`A call has ${callMaxBytes.toLocaleString("en")} bytes`);
});

const escapePattern = (text: string): string => text.replaceAll(/[(){}[\].*+?^$|\\]/g, "\\$&");
