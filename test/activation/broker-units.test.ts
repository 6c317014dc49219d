import { expect, it } from "vitest";
import { fillBrokerUnit } from "../../src/activation/broker-units.ts";

const paths = { flock: "/usr/bin/flock", node: "/opt/ql/node", dist: "/opt/ql/dist" };

it("puts paths in for placeholders, as words of their own", () => {
	const template = "# @dist@ stays\nExecStart=@flock@ %t/lock @node@ --flag @dist@/broker.cjs\nKillMode=process\n";
	expect(fillBrokerUnit(template, paths)).toBe(
		"# @dist@ stays\nExecStart=/usr/bin/flock %t/lock /opt/ql/node --flag /opt/ql/dist/broker.cjs\nKillMode=process\n",
	);
});

it("replaces a variable in arguments only, for systemd knows none in the program itself", () => {
	const odd = { flock: "/a $b/flock", node: "/a $b/node", dist: "/a $b" };
	expect(fillBrokerUnit("ExecStart=@flock@ @node@ @dist@/broker.cjs", odd)).toBe(
		'ExecStart="/a $b/flock" "/a $$b/node" "/a $$b/broker.cjs"',
	);
});

it.each(['/"/flock', "/'/flock", "/\\/flock", "/\n/flock"])(
	"refuses the program %j, which systemd does not start",
	(flock) => {
		expect(() => fillBrokerUnit("ExecStart=@flock@", { ...paths, flock })).toThrow("systemd starts no program");
		expect(fillBrokerUnit("ExecStart=/bin/true @node@", { ...paths, node: flock })).not.toContain("@");
	},
);

it("refuses a placeholder that it does not know", () => {
	expect(() => fillBrokerUnit("ExecStart=@toString@", paths)).toThrow("unknown placeholder @toString@");
});
