/** Interfaces as introspection XML ("Introspection Data Format" of the D-Bus specification). Pure. */
import type { InterfaceSpec, Typed } from "./interface-spec.ts";

const doctype = `<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
`;

/** Of an object that has these interfaces, and below it objects of these names. */
export function formatIntrospection(interfaces: readonly InterfaceSpec[], children: readonly string[]): string {
	const nodes = children.map((child) => ` <node name="${child}"/>\n`);
	return `${doctype}<node>\n${interfaces.map(formatInterface).join("")}${nodes.join("")}</node>\n`;
}

function formatInterface({ name, methods, signals, properties }: InterfaceSpec): string {
	const lines = [
		...Object.entries(methods).flatMap(([method, spec]) =>
			element("method", method, [...spec.in.map(toArgument("in")), ...spec.out.map(toArgument("out"))]),
		),
		...Object.entries(signals).flatMap(([signal, values]) => element("signal", signal, values.map(toArgument(null)))),
		...Object.entries(properties).flatMap(([property, { type, changes }]) => [
			`<property name="${property}" type="${type}" access="read">`,
			` <annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="${changes}"/>`,
			"</property>",
		]),
	];
	return ` <interface name="${name}">\n${lines.map((line) => `  ${line}\n`).join("")} </interface>\n`;
}

const element = (kind: string, name: string, inner: readonly string[]): string[] =>
	inner.length === 0
		? [`<${kind} name="${name}"/>`]
		: [`<${kind} name="${name}">`, ...inner.map((line) => ` ${line}`), `</${kind}>`];

const toArgument =
	(direction: "in" | "out" | null) =>
	([name, type]: Typed): string =>
		`<arg name="${name}" type="${type}"${direction === null ? "" : ` direction="${direction}"`}/>`;
