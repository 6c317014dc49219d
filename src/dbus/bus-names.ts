/** What the broker has on the user's bus: its name, which is also its own interface's, and the interface of a vm. Pure. */
export const busNames = { broker: "org.qubeslite.Broker1", vm: "org.qubeslite.VM1" } as const;

/** The bus itself. */
export const busItself = {
	destination: "org.freedesktop.DBus",
	path: "/org/freedesktop/DBus",
	interface: "org.freedesktop.DBus",
} as const;
