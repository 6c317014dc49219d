/** What a guest may ask of devices and of the server. */
import { command, failure, invalidIndex } from "./commands.ts";
import { readDevice, rewriteServer, writeDevice } from "./device-info.ts";
import { pass, type Reply, type RequestContext, type Rule } from "./request-context.ts";
import { isDeviceName } from "./stream-request.ts";
import { TagWriter } from "./tag-writer.ts";

/** Which sinks there are, and their volume: browsers and players ask, to choose one and to know its rate. */
export const getSink: Rule = (context, tag, body) => {
	const [index, sinkName] = [body.u32(), body.string()];
	body.end();
	if (!isDeviceName(sinkName)) return context.refuse(tag, failure.invalid);
	const request = new TagWriter(command.getSinkInfo, tag).u32(index).string(sinkName);
	context.ask(request, tag, tellDevices(context, "all"));
};

export const getSinks: Rule = (context, tag, body) => {
	body.end();
	context.ask(new TagWriter(command.getSinkInfoList, tag), tag, tellDevices(context, "all"));
};

/** Sources only for who may record, and of those no monitor. Else there are none, which programs take better than a refusal. */
export const getSource: Rule = (context, tag, body) => {
	const [index, sourceName] = [body.u32(), body.string()];
	body.end();
	if (!context.options.capture) return context.refuse(tag, failure.access);
	if (!isDeviceName(sourceName)) return context.refuse(tag, failure.invalid);
	const request = new TagWriter(command.getSourceInfo, tag).u32(index).string(sourceName);
	context.ask(request, tag, tellDevices(context, "no monitors"));
};

export const getSources: Rule = (context, tag, body) => {
	body.end();
	if (!context.options.capture) return context.answer(new TagWriter(command.reply, tag));
	context.ask(new TagWriter(command.getSourceInfoList, tag), tag, tellDevices(context, "no monitors", "list"));
};

function tellDevices(context: RequestContext, which: "all" | "no monitors", form?: "list"): Reply {
	return (reply, answer) => {
		let told = 0;
		while (!reply.isAtEnd) {
			const device = readDevice(reply, context.version);
			if (which === "no monitors" && device.monitorIndex !== invalidIndex) continue;
			writeDevice(answer, device);
			told++;
		}
		return told === 0 && which === "no monitors" && form !== "list" ? { refusedWith: failure.noEntity } : answer;
	};
}

/** The number of a device by its name. */
export const lookup =
	(number: number): Rule =>
	(context, tag, body) => {
		const deviceName = body.string();
		body.end();
		if (number === command.lookupSource && !context.options.capture) return context.refuse(tag, failure.access);
		if (!isDeviceName(deviceName)) return context.refuse(tag, failure.invalid);
		context.ask(new TagWriter(number, tag).string(deviceName), tag, pass);
	};

/** The default sink and its rate: the first that programs ask. */
export const getServer: Rule = (context, tag, body) => {
	body.end();
	context.ask(new TagWriter(command.getServerInfo, tag), tag, (reply, answer) => {
		rewriteServer(reply, answer, context.options.capture);
		return answer;
	});
};
