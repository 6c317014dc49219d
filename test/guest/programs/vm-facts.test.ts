import { expect, it } from "vitest";
import { parseVmFacts } from "../../../src/guest/programs/vm-facts.ts";

it("a guest reads its facts from the kernel's command line", () => {
	const line =
		"console=ttyS0 systemd.hostname=shopping qubeslite.vm=shopping qubeslite.id=5 qubeslite.disposable=1 qubeslite.idle_timeout=300 qubeslite.later=x root=/dev/vda\n";
	expect(parseVmFacts(line)).toEqual({ name: "shopping", id: 5, disposable: true, idleTimeout: 300 });
});

it("what nobody says is as in a configuration, and what comes later counts", () => {
	expect(parseVmFacts("")).toEqual({ name: null, id: null, disposable: false, idleTimeout: 0 });
	expect(
		parseVmFacts("qubeslite.disposable=1 qubeslite.idle_timeout=60 qubeslite.disposable=0 qubeslite.idle_timeout=0"),
	).toMatchObject({ disposable: false, idleTimeout: 0 });
});

it.each([
	"qubeslite.disposable=yes",
	"qubeslite.idle_timeout=-1",
	"qubeslite.idle_timeout=1e3",
	"qubeslite.idle_timeout=",
])("a word whose value is none is passed over: %s", (word) => {
	expect(parseVmFacts(`qubeslite.disposable=1 qubeslite.idle_timeout=60 ${word}`)).toMatchObject({
		...{ disposable: true, idleTimeout: 60 },
	});
});
