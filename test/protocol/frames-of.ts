import type { Frame, FrameDecoder } from "../../src/protocol/frame.ts";

/** What `decoder` makes of the chunks, in a list. */
export function framesOf(decoder: FrameDecoder, ...chunks: readonly Buffer[]): Frame[] {
	const frames: Frame[] = [];
	for (const chunk of chunks) decoder.push(chunk, (frame) => frames.push(frame));
	return frames;
}
