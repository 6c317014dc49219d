/** What the guest of one vm says, told to the machine: all but what it knows already. */
import type { GuestEvent } from "../guest/guest-link.ts";
import type { GuestReport } from "../statemachines/leases.ts";
import { isNoNews } from "../statemachines/vm-context.ts";
import type { GuestRefusals } from "./guest-refusals.ts";
import type { Silence } from "./silence.ts";
import type { VmActor } from "./vm-actor.ts";
import type { VmLog } from "./vm-log.ts";

export interface Listeners {
	readonly actor: VmActor;
	readonly silence: Silence;
	readonly log: VmLog;
	readonly refusals: GuestRefusals;
}

/** `boot`: which one it belongs to. */
export function hear(boot: number, event: GuestEvent, { actor, silence, log, refusals }: Listeners): void {
	switch (event.type) {
		case "hello":
			log.hello(boot, event.hello);
			actor.send({
				...{ type: "guest.hello", boot, wasUsed: event.hello.lastSession > 0 },
				...toReport(event.hello),
			});
			break;
		case "heartbeat": {
			const report = toReport(event.heartbeat);
			const { value, context } = actor.getSnapshot();
			/** Most of a fleet's heartbeats: a step of the machine costs ten times as much as reading one. */
			if (isNoNews(value, context, boot, report)) silence.heard(boot);
			else actor.send({ type: "guest.heartbeat", boot, ...report });
			break;
		}
		case "disconnected":
			actor.send({ type: "guest.disconnected", boot });
			break;
		case "refused":
			refusals.note(event);
	}
}

/** What a hello and a heartbeat have in common. */
const toReport = ({ sessions, cgroups, tickets }: GuestReport): GuestReport => ({ sessions, cgroups, tickets });
