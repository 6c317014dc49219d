/** Plans that several tests print. */
import { planTaps, type TapRequest } from "../../../src/admin/host/tap-plan.ts";
import type { Config } from "../../../src/config/schema.ts";
import { createConfig, createVm } from "../../vmm/facts.ts";

export const config: Config = {
	...createConfig(
		createVm({ id: 13, name: "vault", network: false }),
		createVm({ id: 255, name: "a-z-09-a-z-0" }),
		createVm({ id: 5, name: "shopping" }),
		createVm({ id: 15, name: "disp", disposable: true }),
	),
	vmNetwork: "10.1.2.0/24",
	disposablePool: { ids: [103, 101, 105, 107] },
};

export const alice = { name: "alice", uid: 1000 };

export const plan = (request: Partial<TapRequest> = {}, of = config) =>
	planTaps(of, { names: [], owner: alice, outside: null, ...request });

/** Whatever a directory service lets somebody be called, and the schema lets through. */
export const oddUsers = [
	"o'brien",
	"DOM\\user",
	"-rf",
	"$(reboot)",
	"`reboot`",
	'a"b',
	"%n",
	"#x",
	"jörg@x.example",
	"a;b",
];
