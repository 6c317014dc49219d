/**
 * What is said on `<vm>/display.sock`, where the helper that keeps a vm's windows and sound listens. Each connection says first what it wants:
 *
 *   watch            the broker's, with where it knows the compositor to be: state, whenever it has changed, notices, and moved, until the connection ends
 *   read             what the vm has copied: content data | refused
 *   write data       makes this what the vm pastes: done | refused
 */
import { type ClipWay, clipWays } from "./broker.ts";
import { Fields } from "./fields.ts";
import { encodeFrame, encodeJsonFrame, type FrameLimits } from "./frame.ts";
import { clipboardMaxBytes, messageMaxBytes, noticeMaxChars, titleMaxChars, windowsMax } from "./limits.ts";

export const displayFrame = {
	watch: 0x61,
	read: 0x62,
	write: 0x63,
	data: 0x64,
	state: 0x71,
	notice: 0x72,
	content: 0x73,
	done: 0x74,
	refused: 0x75,
	moved: 0x76,
} as const;

export const toDisplayLimits: FrameLimits = new Map([
	[displayFrame.watch, messageMaxBytes],
	[displayFrame.read, 0],
	[displayFrame.write, messageMaxBytes],
	[displayFrame.data, clipboardMaxBytes],
]);

/** Each window's title and program are bounded; JSON may take six characters for one. */
const stateMaxBytes = 1024 * 1024;

export const fromDisplayLimits: FrameLimits = new Map([
	[displayFrame.state, stateMaxBytes],
	[displayFrame.notice, messageMaxBytes],
	[displayFrame.content, messageMaxBytes],
	[displayFrame.data, clipboardMaxBytes],
	[displayFrame.done, 0],
	[displayFrame.refused, messageMaxBytes],
	[displayFrame.moved, messageMaxBytes],
]);

/** PID_MAX_LIMIT of <linux/threads.h>. */
const pidMax = 4 * 1024 * 1024;
/** PATH_MAX of <linux/limits.h>. */
const pathMax = 4096;

/** A window of the guest's on the host's screen. Its words are the guest's, made harmless. */
export interface DisplayedWindow {
	/** Not used again as long as its helper runs. */
	readonly id: number;
	readonly title: string;
	readonly app: string;
}

export interface DisplayState {
	/** The process that keeps them: another one knows nothing of this one's. */
	readonly helper: number;
	readonly windows: readonly DisplayedWindow[];
	/** Why it has no display any more in this boot, as a sentence; null: it has. */
	readonly cut: string | null;
}

export interface DisplayWatch {
	/** WAYLAND_DISPLAY as the broker has it; null: it has none. */
	readonly wayland: string | null;
}

/** Something that people should know now: a window that could not be shown, and what helps. */
export interface DisplayNotice {
	readonly message: string;
	readonly remedy: string | null;
}

/** Something has been copied from one side to the other: the vm's, and the host's. */
export interface ClipMove {
	readonly way: ClipWay;
	readonly kind: ClipKind;
	readonly bytes: number;
}

/** What may be copied from one side to the other. */
export const clipKinds = ["text", "png"] as const;
export type ClipKind = (typeof clipKinds)[number];

export const encodeWatch = (watch: DisplayWatch): Buffer => encodeJsonFrame(displayFrame.watch, watch);
export const encodeRead = (): Buffer => encodeFrame(displayFrame.read);
export const encodeWrite = (kind: ClipKind, bytes: Buffer): Buffer =>
	Buffer.concat([encodeJsonFrame(displayFrame.write, { kind }), encodeFrame(displayFrame.data, bytes)]);
export const encodeState = (state: DisplayState): Buffer => encodeJsonFrame(displayFrame.state, state);
export const encodeNotice = (notice: DisplayNotice): Buffer => encodeJsonFrame(displayFrame.notice, notice);
export const encodeContent = (kind: ClipKind, bytes: Buffer): Buffer =>
	Buffer.concat([encodeJsonFrame(displayFrame.content, { kind }), encodeFrame(displayFrame.data, bytes)]);
export const encodeMoved = (move: ClipMove): Buffer => encodeJsonFrame(displayFrame.moved, move);
export const encodeDone = (): Buffer => encodeFrame(displayFrame.done);

export function parseWatch(payload: Uint8Array): DisplayWatch {
	const fields = Fields.parse("watch", payload);
	return { wayland: fields.isNull("wayland") ? null : fields.string("wayland", pathMax) };
}

export function parseState(payload: Uint8Array): DisplayState {
	const fields = Fields.parse("state", payload);
	return {
		helper: fields.integer("helper", 1, pidMax),
		windows: fields.list("windows", windowsMax, (item) => {
			const window = Fields.of("window", item);
			return {
				id: window.integer("id", 1, Number.MAX_SAFE_INTEGER),
				title: window.string("title", titleMaxChars),
				app: window.string("app", titleMaxChars),
			};
		}),
		cut: fields.isNull("cut") ? null : fields.string("cut", noticeMaxChars),
	};
}

export function parseNotice(payload: Uint8Array): DisplayNotice {
	const fields = Fields.parse("notice", payload);
	return {
		message: fields.string("message", noticeMaxChars),
		remedy: fields.isNull("remedy") ? null : fields.string("remedy", noticeMaxChars),
	};
}

export function parseMoved(payload: Uint8Array): ClipMove {
	const fields = Fields.parse("moved", payload);
	return {
		way: fields.oneOf("way", clipWays),
		kind: fields.oneOf("kind", clipKinds),
		bytes: fields.integer("bytes", 0, clipboardMaxBytes),
	};
}

/** Of a write, and of a content. */
export const parseClipKind = (payload: Uint8Array): ClipKind =>
	Fields.parse("clipboard", payload).oneOf("kind", clipKinds);
