import { expect, it } from "vitest";
import { fillBrokerUnit, fillDbusService } from "../../src/activation/broker-units.ts";

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

const busService = "# @node@ goes with its line\n[D-BUS Service]\nName=a.b\nExec=@node@ @dist@/qubes-lite.cjs status\n";

it("puts paths into the file by which a bus starts us, in quotes where they need them", () => {
	expect(fillDbusService(busService, paths)).toBe(
		"[D-BUS Service]\nName=a.b\nExec=/opt/ql/node /opt/ql/dist/qubes-lite.cjs status\n",
	);
	const odd = { node: "/opt/my node/node", dist: "/opt/100% #1;(a)&é" };
	expect(fillDbusService(busService, odd)).toBe(
		'[D-BUS Service]\nName=a.b\nExec="/opt/my node/node" "/opt/100% #1;(a)&é/qubes-lite.cjs" status\n',
	);
});

it.each(['/a"b', "/a'b", "/a\\b", "/a$b", "/a`b", "/a\nb"])(
	"refuses the path %j, with which a bus starts no program",
	(dist) => {
		expect(() => fillDbusService(busService, { ...paths, dist })).toThrow("D-Bus starts no program with such a path");
	},
);
