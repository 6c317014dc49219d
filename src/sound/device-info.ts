/** What the host tells of sinks, sources, streams and itself, read and written anew without what a guest need not know. */
import { invalidIndex } from "./commands.ts";
import { toKnownProperties } from "./property-list.ts";
import type { Property, TagReader } from "./tag-reader.ts";
import type { TagWriter } from "./tag-writer.ts";

/** A sink or a source; they are told of alike. */
export interface Device {
	readonly index: number;
	readonly name: string | undefined;
	readonly description: string | undefined;
	readonly format: Buffer;
	readonly volume: Buffer;
	/** Of a source: the sink that it is the monitor of. Of a sink: its monitor. */
	readonly monitorIndex: number;
	readonly latencyAndDriver: Buffer;
	readonly properties: readonly Property[];
	readonly state: Buffer;
	readonly ports: Buffer;
	readonly formats: Buffer;
}

/** The version since which ports have a group and a type. */
const portTypesVersion = 34;

export function readDevice(body: TagReader, version: number): Device {
	const [index, name, description] = [body.u32(), body.string(), body.string()];
	const format = body.raw("am");
	body.u32(); // Its module.
	const volume = body.raw("v1");
	const monitorIndex = body.u32();
	body.string(); // The monitor's name.
	const latencyAndDriver = body.raw("UtL");
	const properties = body.properties();
	const state = body.raw("UVLL");
	body.u32(); // Its card.
	const ports = body.measured(() => {
		for (let left = body.u32(); left > 0; left--) body.raw(version >= portTypesVersion ? "ttLLtL" : "ttLL");
		body.string();
	});
	const formats = body.measured(() => {
		for (let left = body.u8(); left > 0; left--) body.raw("f");
	});
	const told = { index, name, description, format, volume, monitorIndex, latencyAndDriver, properties };
	return { ...told, state, ports, formats };
}

/** Without its module, card and monitor, and most of its properties. */
export function writeDevice(answer: TagWriter, device: Device): void {
	answer.u32(device.index).string(device.name).string(device.description).raw(device.format);
	answer.u32(invalidIndex).raw(device.volume).u32(invalidIndex).string(undefined).raw(device.latencyAndDriver);
	answer.properties(toKnownProperties(device.properties)).raw(device.state).u32(invalidIndex);
	answer.raw(device.ports).raw(device.formats);
}

/** A stream of the guest's own. */
export function rewriteStream(kind: "playback" | "record", body: TagReader, answer: TagWriter): void {
	answer.raw(body.raw("Lt"));
	body.u32(); // Its module.
	answer.u32(invalidIndex).raw(body.raw(kind === "playback" ? "LLamvUUtt1" : "LLamUUtt"));
	answer.properties(toKnownProperties(body.properties()));
	answer.raw(body.raw(kind === "playback" ? "111f" : "1v111f"));
}

/** For a default that there is not, or that the guest may not have: programs take it for granted that there is a name (SDL ends without one). */
const noDevice = "none";

/** The server: whose it is, and on which machine, is the host's own affair; so is its number, by which vms could find that they share it. */
export function rewriteServer(body: TagReader, answer: TagWriter, hasSources: boolean): void {
	answer.raw(body.raw("tt"));
	body.raw("tt");
	answer.string("user").string("host").raw(body.raw("a"));
	const [sink, source] = [body.string(), body.string()];
	body.u32();
	answer.string(sink ?? noDevice).string(hasSources && source !== undefined ? source : noDevice);
	answer.u32(0).raw(body.raw("m"));
}
