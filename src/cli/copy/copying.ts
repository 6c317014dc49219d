/** What both directions of a copy have in common. */
import type { VmConfig } from "../../config/schema.ts";
import type { Copy } from "../../copy/copy-operands.ts";
import type { GuestReport } from "../../copy/guest-report.ts";
import { QubesLiteError } from "../../errors.ts";
import type { CommandEnd } from "../../protocol/session.ts";
import { forceRemedy } from "../../trees/place.ts";
import { oldImage } from "./guest-command.ts";
import type { ReportSink } from "./report-sink.ts";
import type { Tally } from "./tally.ts";

export interface Copying {
	readonly copy: Copy;
	/** The guest's user; null is the ordinary one. */
	readonly user: string | null;
	readonly quiet: boolean;
	readonly force: boolean;
	/** Of what may come out of a guest. */
	readonly maxBytes: number;
	readonly tally: Tally;
	readonly vms: readonly Pick<VmConfig, "name" | "sharedDirectories">[];
	readonly signal: AbortSignal;
}

/** The guest's program has ended well, and has said so; else throws its reason, or what can be said without one. */
export function checkEnd(end: CommandEnd, vm: string, last: GuestReport | undefined, reports: ReportSink): void {
	const isGood = "code" in end && end.code === 0;
	if (isGood && last?.kind === "done") return;
	if (last?.kind === "failed") {
		const remedy = last.isTaken === true ? forceRemedy : undefined;
		throw new QubesLiteError("BadRequest", `in ${vm}: ${last.message}`, { remedy });
	}
	// It says how it is used to who asks what it does not know.
	if ("code" in end && end.code === 2 && last === undefined) throw oldImage(vm);
	const how = "code" in end ? `with status ${end.code}` : `by ${end.signal}`;
	const words = reports.otherWords;
	throw new QubesLiteError(
		"Internal",
		`the guest's end of the copy in ${vm} has ended ${how}${words === undefined ? "" : `: ${words}`}`,
	);
}
