/** What playback and recording have in common when a stream is made, and the bounds of what a guest may ask for. */
import { invalidIndex } from "./commands.ts";
import type { Format, SampleSpec, TagReader } from "./tag-reader.ts";

/** The daemon's own bound for what waits in a stream. */
const bufferMaxBytes = 4 * 1024 * 1024;
/** Shorter pieces would only wake the host's sound server more often: its scheduling is coarser. */
const pieceMinSeconds = 0.005;
/** 100 %: where the volume of a stream can raise the device's ("flat volumes"), a guest may not go beyond. */
const volumeMax = 0x1_0000;
const rateMax = 384_000;
/** Where formats are given instead, there is none: 16 bits, two channels. */
const usualSpec: SampleSpec = { format: 3, channels: 2, rate: 48_000 };
/** By a format's number: 8 bit, A-law, µ-law, 16 bit, float, 32, 24, 24 in 32, mostly in both byte orders. */
const sampleBytes = [1, 1, 1, 2, 2, 4, 4, 4, 4, 3, 3, 4, 4] as const;
/** Any, and PCM. Others go to the device as they are, which is then nobody else's. */
const maxEncoding = 1;
const formatKeys = /^format\.(sample_format|rate|channels|channel_map)$/;
/** They are short JSON. */
const formatValueMaxBytes = 256;
const maxFormats = 16;

export const isSampleSpec = ({ format, channels, rate }: SampleSpec): boolean =>
	format < sampleBytes.length && channels > 0 && channels <= 32 && rate > 0 && rate <= rateMax;

/** Printable and short; "none" is the default device. */
export const isDeviceName = (name: string | undefined): boolean => name === undefined || /^[!-~]{1,128}$/.test(name);

export const isRate = (rate: number): boolean => rate > 0 && rate <= rateMax;

/** Bytes that may wait; "as you like" passes. */
export const toBufferBytes = (bytes: number): number =>
	bytes === invalidIndex ? bytes : Math.min(bytes, bufferMaxBytes);

/** The same for what is fetched or given at once. 0 is "as you like", too. */
export function toPieceBytes(bytes: number, spec: SampleSpec): number {
	return bytes === 0 || bytes === invalidIndex ? bytes : Math.max(toBufferBytes(bytes), pieceMinBytes(spec));
}

function pieceMinBytes(spec: SampleSpec): number {
	const { format, channels, rate } = isSampleSpec(spec) ? spec : usualSpec;
	return Math.ceil(rate * pieceMinSeconds) * (sampleBytes[format] ?? 1) * channels;
}

export const toVolumes = (volumes: readonly number[]): number[] => volumes.map((volume) => Math.min(volume, volumeMax));

/** Those formats of a guest's list that may be; undefined where none is left of some. */
export function readFormats(body: TagReader): Format[] | undefined {
	const formats = Array.from({ length: body.u8() }, () => body.format());
	const kept = formats
		.filter(({ encoding }) => encoding <= maxEncoding)
		.slice(0, maxFormats)
		.map(({ encoding, properties }) => ({
			encoding,
			properties: properties.filter(({ key, value }) => formatKeys.test(key) && isShortText(value)),
		}));
	return kept.length === 0 && formats.length > 0 ? undefined : kept;
}

const isShortText = (value: Buffer): boolean =>
	value.length <= formatValueMaxBytes && /^[ -~]*\0$/.test(value.toString("latin1"));

/** `count` of them, one after the other. */
export const readBooleans = (body: TagReader, count: number): boolean[] =>
	Array.from({ length: count }, () => body.boolean());
