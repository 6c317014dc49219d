/** Facts of the host that units are for, as a file: for units that are made on another machine than they run on. */
import { dirname } from "node:path";
import * as v from "valibot";
import { formatValue } from "../../config/format-value.ts";
import { isJsonObject, JsonSyntaxError, parseJson } from "../../config/json.ts";
import { absolutePath as path } from "../../config/paths.ts";
import type { VmConfig } from "../../config/schema.ts";
import { QubesLiteError } from "../../errors.ts";
import { hasOwnFiles } from "../../host/gather-host-facts.ts";
import { readImage } from "../../host/image-facts.ts";
import type { Binaries, HostFacts, ImageFacts } from "../../vmm/host-facts.ts";
import { describeWish } from "../../vmm/image-wish.ts";

export interface FactsFile {
	/** Throws BootFailed where the file has no image for it, or that is not complete. */
	of(vm: VmConfig): HostFacts;
	/** Of vm-shim.sh. */
	readonly shim: string | undefined;
	readonly remedy: string | undefined;
}

/** Units name their own user manager's. */
const anyUser = { uid: 1000, gid: 1000 };

const addressRule = "an IPv4 address";
const tapRule = "the name of a TAP, ql-<vm>";
const remedyRule = "one line of at most 200 characters";

const imageEntries = {
	kernel: path,
	initramfs: path,
	root: path,
	rootFormat: v.picklist(["erofs", "ext4"], '"erofs" or "ext4"'),
};
const binaryEntries = {
	qemu: v.optional(path),
	crosvm: v.optional(path),
	vhostDeviceVsock: v.optional(path),
	virtiofsd: v.optional(path),
};
const imageRule = "an object, or the absolute path of an image's directory";
const imageObject = v.object(imageEntries, imageRule);
/** Of a directory its image.json says the rest, when the units are made. */
const image = v.lazy((value: unknown) => (typeof value === "string" ? path : imageObject));

const entries = {
	schema: v.literal(1, "1, the version of this format"),
	accelerator: v.picklist(["kvm", "tcg"], '"kvm" or "tcg"'),
	// Units say %t in its place: only its length matters, since a socket's path is bounded.
	runtimeDirectory: v.optional(path, "/run/user/1000/qubes-lite"),
	binaries: v.object(binaryEntries, "an object"),
	// IFNAMSIZ (netdevice(7)) has room for 15 bytes; there are at most 127 vms.
	taps: v.pipe(
		v.array(v.pipe(v.string(tapRule), v.regex(/^ql-[a-z][a-z0-9-]{0,11}$/, tapRule)), "a list of names"),
		v.maxLength(127, "at most 127 names"),
	),
	/** True: there is a session, whose compositor units find by WAYLAND_DISPLAY; or its socket; absent: none. */
	wayland: v.optional(v.union([v.literal(true), path], "true, or an absolute path")),
	/** IPv4, for guests on a TAP; absent: they are told of none. */
	nameServer: v.optional(v.pipe(v.string(addressRule), v.ipv4(addressRule))),
	/** The Node and the script of the helper that keeps windows and sound; absent: vms have none. */
	displayProgram: v.optional(v.strictTuple([path, path], "two absolute paths")),
	image: v.optional(image),
	/** By the name of a vm, or by the path that its configuration has as "image". */
	images: v.optional(v.record(v.string(), image, "an object"), {}),
	shim: v.optional(path),
	remedy: v.optional(v.pipe(v.string(remedyRule), v.regex(/^[^\p{C}]{1,200}$/u, remedyRule))),
};

/** 127 images of four paths each need 100 KiB. */
export const factsMaxBytes = 1024 * 1024;

/** Facts in `text`; `source` names the file in the message. Throws BadRequest with every problem, one a line. */
export function parseFactsFile(text: string, source: string): FactsFile {
	const { value, repeatedKeys } = parse(text, source);
	const result = v.safeParse(v.object(entries, "an object"), value, { abortPipeEarly: true });
	const problems = [
		...repeatedKeys.map((keys) => `${formatPath(keys)} is there twice; expected each key once`),
		...findUnknownKeys(value),
		...(result.issues ?? []).map(formatIssue),
	];
	if (!result.success || problems.length > 0) throw badFacts(source, problems);
	const {
		schema: _schema,
		shim,
		remedy,
		images,
		image: usual,
		binaries,
		wayland: socket,
		nameServer = null,
		displayProgram = null,
		...facts
	} = result.output;
	const found: Binaries = Object.fromEntries(Object.entries(binaries).filter(([, file]) => file !== undefined));
	const wayland = toWayland(socket, `${source} names no "wayland"`, dirname(facts.runtimeDirectory));
	const own = new Map(Object.entries(images));
	return {
		shim,
		remedy,
		of(vm) {
			const common = { ...facts, user: anyUser, wayland, nameServer, displayProgram, binaries: found };
			if (hasOwnFiles(vm)) return { ...common, image: null };
			const named = own.get(vm.name) ?? findByPath(vm, usual, own);
			if (named !== undefined) return { ...common, image: toImage(named, vm) };
			const { which, remedy } = describeUnknown(vm, source);
			throw new QubesLiteError("BootFailed", `${source} does not know the image of ${vm.name}${which}`, { remedy });
		},
	};
}

type NamedImage = v.InferOutput<typeof image>;

/** One that the configuration asks for by its packages has no path: the file has it by the vm's name. */
function findByPath(
	{ image }: VmConfig,
	usual: NamedImage | undefined,
	own: ReadonlyMap<string, NamedImage>,
): NamedImage | undefined {
	if (image === undefined) return usual;
	return typeof image === "string" ? own.get(image) : undefined;
}

function describeUnknown({ name, image }: VmConfig, source: string): { which: string; remedy: string } {
	if (image === undefined) return { which: "", remedy: `add "image" to ${source}` };
	if (typeof image === "string")
		return { which: `, ${image}`, remedy: `add it to "images" in ${source}, by that path` };
	return { which: `, with ${describeWish(image)}`, remedy: `add it to "images" in ${source}, as "${name}"` };
}

const toImage = (named: string | ImageFacts, { name }: VmConfig): ImageFacts =>
	typeof named === "string" ? readImage(named, name) : named;

function toWayland(socket: true | string | undefined, missing: string, directory: string): HostFacts["wayland"] {
	if (socket === undefined) return { missing };
	return socket === true ? { socket: `${directory}/wayland-0`, isByName: true } : { socket, isByName: false };
}

function parse(text: string, source: string): ReturnType<typeof parseJson> {
	try {
		return parseJson(text);
	} catch (error) {
		if (error instanceof JsonSyntaxError) throw badFacts(source, [`not JSON at ${error.message}`]);
		throw error;
	}
}

function badFacts(source: string, problems: readonly string[]): QubesLiteError {
	const count = problems.length === 1 ? "a problem" : `${problems.length} problems`;
	const lines = problems.map((problem) => `\n  ${problem}`).join("");
	return new QubesLiteError("BadRequest", `${source} has ${count}:${lines}`, {
		remedy: `correct ${source} and try again`,
	});
}

function formatIssue(issue: v.BaseIssue<unknown>): string {
	const keys = (issue.path ?? []).map((item) => item.key as string | number);
	if (issue.path?.at(-1)?.origin !== "key" && issue.input !== undefined) {
		return `${formatPath(keys)} is ${formatValue(issue.input)}; expected ${issue.message}`;
	}
	const entry: unknown = Object.entries({ ...entries, ...imageEntries }).find(([name]) => name === keys.at(-1))?.[1];
	return `${formatPath(keys)} is missing; expected ${isJsonObject(entry) ? String(entry.message) : "a value"}`;
}

/** At every place where the format names its keys. */
function findUnknownKeys(value: unknown): string[] {
	const places: [unknown, readonly string[], readonly string[]][] = [[value, Object.keys(entries), []]];
	if (isJsonObject(value)) {
		places.push([value.binaries, Object.keys(binaryEntries), ["binaries"]]);
		places.push([value.image, Object.keys(imageEntries), ["image"]]);
		const images = isJsonObject(value.images) ? Object.entries(value.images) : [];
		for (const [name, one] of images) places.push([one, Object.keys(imageEntries), ["images", name]]);
	}
	return places.flatMap(([object, known, keys]) =>
		isJsonObject(object)
			? Object.keys(object)
					.filter((key) => !known.includes(key))
					.map((key) => `${formatPath([...keys, key])}: no such key; expected one of ${known.join(", ")}`)
			: [],
	);
}

function formatPath(keys: readonly (string | number)[]): string {
	if (keys.length === 0) return "the whole file";
	const steps = keys.map((key) => {
		if (typeof key === "number") return `[${key}]`;
		return /^[\w-]{1,60}$/.test(key) ? `.${key}` : `[${formatValue(key)}]`;
	});
	return steps.join("").replace(/^\./, "");
}
