/** A fake user with a policy of their own. */
import { chownSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DoctorUser } from "./doctor-user.ts";

export const policyVms = [
	{ id: 3, name: "banking" },
	{ id: 5, name: "shopping" },
	{ id: 13, name: "vault", network: false },
	{ id: 15, name: "disp", disposable: true },
	{ id: 17, name: "work", disposable: true },
];
export const policyVmNames = policyVms.map(({ name }) => name);

export class PolicyUser {
	readonly user: DoctorUser;
	readonly directory: string;
	readonly file: string;

	constructor(uid?: number) {
		this.user = new DoctorUser({
			...{ vms: policyVms, env: { QUBES_LITE_BROKER_IDLE_MS: "5000" } },
			...(uid !== undefined && { uid }),
		});
		this.directory = join(this.user.directory, ".config/qubes-lite/policy.d");
		this.file = join(this.directory, "10-mine.policy");
	}

	write(text: string, path = this.file): void {
		mkdirSync(this.directory, { recursive: true, mode: 0o755 });
		writeFileSync(path, text, { mode: 0o644 });
		for (const one of [this.directory, path]) chownSync(one, this.user.uid ?? -1, this.user.uid ?? -1);
	}

	forget(): void {
		rmSync(this.directory, { recursive: true, force: true });
	}

	/** Events of the broker's log of that name. */
	logged(event: string): Record<string, unknown>[] {
		return this.user
			.log()
			.split("\n")
			.filter((line) => line.includes(`"${event}"`))
			.map((line) => JSON.parse(line));
	}
}

/** What allows all that the default does. */
export const allowAll = "* * @host @anyvm allow\n";
