/** Interfaces as data: what introspection shows, and what a call is checked against. Pure. */

/** A name with its D-Bus type signature, one complete type. */
export type Typed = readonly [name: string, signature: string];

export interface MethodSpec {
	readonly in: readonly Typed[];
	readonly out: readonly Typed[];
}

export interface PropertySpec {
	readonly type: string;
	/** "const": it never changes; else each change is announced with its value (org.freedesktop.DBus.Property.EmitsChangedSignal). */
	readonly changes: "const" | "true";
}

/** Properties can be read, and never written: what changes has a method of its own. */
export interface InterfaceSpec {
	readonly name: string;
	readonly methods: Readonly<Record<string, MethodSpec>>;
	readonly signals: Readonly<Record<string, readonly Typed[]>>;
	readonly properties: Readonly<Record<string, PropertySpec>>;
}

export const joinSignature = (values: readonly Typed[]): string => values.map(([, signature]) => signature).join("");

const method = (inward: readonly Typed[], outward: readonly Typed[]): MethodSpec => ({ in: inward, out: outward });
const none = {} as const;

/** "Standard Interfaces" of the D-Bus specification, which each object of ours has; ObjectManager only their root. */
export const standardInterfaces: readonly InterfaceSpec[] = [
	{
		name: "org.freedesktop.DBus.Peer",
		methods: { Ping: method([], []), GetMachineId: method([], [["machine_uuid", "s"]]) },
		...{ signals: none, properties: none },
	},
	{
		name: "org.freedesktop.DBus.Introspectable",
		methods: { Introspect: method([], [["xml_data", "s"]]) },
		...{ signals: none, properties: none },
	},
	{
		name: "org.freedesktop.DBus.Properties",
		methods: {
			Get: method(
				[
					["interface_name", "s"],
					["property_name", "s"],
				],
				[["value", "v"]],
			),
			GetAll: method([["interface_name", "s"]], [["props", "a{sv}"]]),
			Set: method(
				[
					["interface_name", "s"],
					["property_name", "s"],
					["value", "v"],
				],
				[],
			),
		},
		signals: {
			PropertiesChanged: [
				["interface_name", "s"],
				["changed_properties", "a{sv}"],
				["invalidated_properties", "as"],
			],
		},
		properties: none,
	},
];

export const objectManager: InterfaceSpec = {
	name: "org.freedesktop.DBus.ObjectManager",
	methods: { GetManagedObjects: method([], [["objects", "a{oa{sa{sv}}}"]]) },
	signals: {
		InterfacesAdded: [
			["object", "o"],
			["interfaces", "a{sa{sv}}"],
		],
		InterfacesRemoved: [
			["object", "o"],
			["interfaces", "as"],
		],
	},
	properties: none,
};
