/** The ways in which a broker comes about and keeps vms, for tests that hold for each of them. */
import { writeFileSync } from "node:fs";
import { FakeUser } from "./fake-user.ts";
import { InstalledBroker, service } from "./installed-broker.ts";
import { UserManager } from "./user-manager.ts";

export type SupervisorKind = "direct" | "systemd";

export interface Place {
	readonly user: FakeUser;
	/** Where one runs. */
	readonly manager: UserManager | undefined;
	/** Where the broker is its service. */
	readonly broker: InstalledBroker | undefined;
	readonly supervisor: SupervisorKind;
	/** Ends everything; resolves with the census. */
	leave(): ReturnType<FakeUser["leave"]>;
}

type Vms = readonly { readonly id: number; readonly name: string }[];

/** Long enough that a test's pauses don't end the broker. */
const env = { QUBES_LITE_BROKER_IDLE_MS: "3000" };

export function writeConfig(user: FakeUser, supervisor: SupervisorKind | "auto", vms: Vms): void {
	writeFileSync(user.env.QUBES_LITE_CONFIG ?? "", JSON.stringify({ version: 1, supervisor, vms }));
}

export async function startedByClient(supervisor: SupervisorKind, vms: Vms): Promise<Place> {
	const user = new FakeUser({ vms, env, hasManager: supervisor === "systemd" });
	writeConfig(user, supervisor, vms);
	const manager = supervisor === "systemd" ? await UserManager.start(user) : undefined;
	const leave = async (): ReturnType<FakeUser["leave"]> => {
		await user.sh(`qubes-lite stop --force ${vms.map(({ name }) => name).join(" ")}`);
		await manager?.stop();
		return withoutEnded(await user.leave(vms.map(({ name }) => name)));
	};
	return { user, manager, broker: undefined, supervisor, leave };
}

export async function startedBySocket(vms: Vms, uid?: number): Promise<Place> {
	const broker = await InstalledBroker.start({ vms, env, hasManager: true, ...(uid === undefined ? {} : { uid }) });
	writeConfig(broker.user, "systemd", vms);
	await broker.dropIn("idle", `Environment=QUBES_LITE_BROKER_IDLE_MS=${env.QUBES_LITE_BROKER_IDLE_MS}`);
	const names = vms.map(({ name }) => name);
	const leave = async () => withoutEnded(await broker.leave(names));
	return { user: broker.user, manager: broker.manager, broker, supervisor: "systemd", leave };
}

/** The directory for what ends unseen stays, with an empty one for each configured vm. */
const withoutEnded = ({ processes, files }: Awaited<ReturnType<FakeUser["leave"]>>) => ({
	processes,
	files: files.filter((name) => name !== ".ended"),
});

/** What happens to a broker that vms must not notice. */
export type BrokerEnd = "killed" | "told to leave" | "restarted";

/** Resolves when that broker is gone. */
export async function endBroker({ user, broker }: Place, end: BrokerEnd): Promise<void> {
	if (end === "restarted") {
		await broker?.systemctl("restart", service);
		return;
	}
	await user.endBrokers(end === "killed" ? "SIGKILL" : "SIGTERM");
}
