/** The plan for programs, which make their own of it. */
import { formatNftRules } from "./nft-rules.ts";
import type { TapPlan } from "./tap-plan.ts";

export function formatTapJson(plan: TapPlan): string {
	const { owner, outside, taps, isWhole, offline } = plan;
	const shown = {
		schema: 1,
		owner: { user: owner.name, uid: owner.uid },
		outside,
		isWhole,
		taps: taps.map(({ name, vm, id, host, guest }) => ({
			name,
			vm,
			id,
			hostAddress: `${host}/31`,
			guestAddress: guest,
		})),
		offline,
		sysctl: taps.length === 0 ? {} : { "net.ipv4.ip_forward": 1 },
		nft: formatNftRules(plan),
	};
	return `${JSON.stringify(shown, null, 2)}\n`;
}
