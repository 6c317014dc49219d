/**
 * What other programs may call on the user's bus, as data; docs/dbus.md says what each is for. Each method ends in options: keys that are
 * not known are ignored, so that a newer caller may say more.
 */

import { busNames } from "../../dbus/bus-names.ts";
import type { InterfaceSpec, MethodSpec, PropertySpec, Typed } from "../../dbus/interface-spec.ts";
import { toPathElement } from "../../dbus/object-path.ts";

export const rootPath = "/org/qubeslite";

/** Where the vm of this name is. */
export const toPath = (vm: string): string => `${rootPath}/vm/${toPathElement(vm)}`;

const options: Typed = ["options", "a{sv}"];

/** Options come last of what goes in. */
const method = (inward: readonly Typed[], ...outward: readonly Typed[]): MethodSpec => ({
	in: [...inward, options],
	out: outward,
});
const constant = (type: string): PropertySpec => ({ type, changes: "const" });
const changing = (type: string): PropertySpec => ({ type, changes: "true" });

const session: Typed = ["session", "s"];
const argv: Typed = ["argv", "as"];
/** The same as bytes, for file names that a program has as bytes. */
const argvBytes: Typed = ["argv", "aay"];

export const brokerSpec = {
	name: busNames.broker,
	methods: {
		ListVMs: method([], ["vms", "a(sous)"]),
		GetVM: method([["name", "s"]], ["vm", "o"]),
		RunDisposable: method([["base", "s"], argv], session, ["vm", "o"]),
		Open: method([["target", "s"]], session),
		ListSessions: method([], ["sessions", "a(soss)"]),
		Wait: method([session], ["code", "i"], ["signal", "s"], ["output", "a{sv}"]),
		Signal: method([session, ["signal", "s"]]),
	},
	signals: {
		VMAdded: [
			["name", "s"],
			["vm", "o"],
		],
		VMRemoved: [
			["name", "s"],
			["vm", "o"],
		],
	},
	properties: { Version: constant("s"), ConfigProblem: changing("s"), PolicyProblem: changing("s") },
} as const satisfies InterfaceSpec;

export const vmSpec = {
	name: busNames.vm,
	methods: {
		Start: method([]),
		Stop: method([]),
		Kill: method([]),
		Restart: method([]),
		Run: method([argv], session),
		RunBytes: method([argvBytes], session),
		Open: method([["target", "s"]], session),
		Set: method([["settings", "a{sv}"]]),
		Inhibit: method([["why", "s"]], ["inhibitor", "u"]),
		Uninhibit: method([["inhibitor", "u"]]),
	},
	signals: {
		StateChanged: [
			["old", "s"],
			["new", "s"],
			["reason", "s"],
		],
		StopAnnounced: [
			["at", "t"],
			["reason", "s"],
		],
		StopAverted: [],
		SessionStarted: [
			["session", "s"],
			["command", "s"],
		],
		SessionEnded: [
			["session", "s"],
			["code", "i"],
			["signal", "s"],
		],
	},
	properties: {
		Name: constant("s"),
		Id: changing("u"),
		State: changing("s"),
		Flags: changing("as"),
		Reason: changing("s"),
		Remedy: changing("s"),
		Phase: changing("s"),
		Since: changing("t"),
		IdleSince: changing("t"),
		StopAt: changing("t"),
		PauseAt: changing("t"),
		Leases: changing("a(sst)"),
		Sessions: changing("as"),
		Base: constant("s"),
		Disposable: changing("b"),
		Network: changing("b"),
		IdleTimeout: changing("u"),
		IdleAction: changing("s"),
		DependsOn: changing("as"),
		MaxLifetime: changing("u"),
		Memory: changing("u"),
		Cpus: changing("u"),
		Pid: changing("u"),
	},
} as const satisfies InterfaceSpec;
