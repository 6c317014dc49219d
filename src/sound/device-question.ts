/** Asks the host which device it is that a guest means, before anything is made there. */
import { command, failure, invalidIndex } from "./commands.ts";
import { type Device, readDevice } from "./device-info.ts";
import type { OwnStreams } from "./own-streams.ts";
import type { RequestContext } from "./request-context.ts";
import { TagWriter } from "./tag-writer.ts";

const kinds = {
	sink: { number: command.getSinkInfo, usual: "@DEFAULT_SINK@" },
	source: { number: command.getSourceInfo, usual: "@DEFAULT_SOURCE@" },
} as const;

export interface Meant {
	readonly index: number;
	readonly name: string | undefined;
}

export const isDefault = ({ index, name }: Meant): boolean => index === invalidIndex && name === undefined;

/** `found` gets the device; where there is none, the making of a stream ends with a refusal for `tag`. */
export function askForDevice(
	context: RequestContext,
	kind: keyof typeof kinds,
	meant: Meant,
	making: { readonly tag: number; readonly streams: OwnStreams },
	found: (device: Device) => void,
): void {
	const { number, usual } = kinds[kind];
	const question = new TagWriter(number, context.ownTag());
	question.u32(meant.index).string(isDefault(meant) ? usual : meant.name);
	context.ask(
		question,
		question.tag,
		(reply) => {
			found(readDevice(reply, context.version));
			return undefined;
		},
		() => {
			making.streams.endMaking();
			context.refuse(making.tag, failure.noEntity);
		},
	);
}
