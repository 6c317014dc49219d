/**
 * Runs a command in a vm by D-Bus, and prints what it said: node run-by-dbus.ts shopping uname -sr
 * Needs the package dbus-next.
 */
import dbus, { type ClientInterface } from "dbus-next";

type Options = Record<string, dbus.Variant>;
interface Broker extends ClientInterface {
	GetVM(name: string, options: Options): Promise<string>;
	Wait(session: string, options: Options): Promise<[code: number, signal: string, output: Options]>;
}
interface Vm extends ClientInterface {
	Run(argv: string[], options: Options): Promise<string>;
}

const [name, ...command] = process.argv.slice(2);
if (name === undefined || command.length === 0) {
	console.error("usage: run-by-dbus.ts VM COMMAND [ARGUMENT…]");
	process.exit(2);
}
const { DBUS_SESSION_BUS_ADDRESS, XDG_RUNTIME_DIR } = process.env;
const bus = dbus.sessionBus({ busAddress: DBUS_SESSION_BUS_ADDRESS ?? `unix:path=${XDG_RUNTIME_DIR}/bus` });
const find = async <T>(path: string, type: string): Promise<T> =>
	(await bus.getProxyObject("org.qubeslite.Broker1", path)).getInterface(type) as T;
try {
	const broker = await find<Broker>("/org/qubeslite", "org.qubeslite.Broker1");
	const vm = await find<Vm>(await broker.GetVM(name, {}), "org.qubeslite.VM1");
	const session = await vm.Run(command, { capture: new dbus.Variant("b", true) });
	const [code, signal, output] = await broker.Wait(session, {});
	process.stdout.write(output.stdout?.value);
	process.stderr.write(output.stderr?.value);
	if (signal !== "") console.error(`ended by ${signal}`);
	process.exitCode = code < 0 ? 1 : code;
} catch (cause) {
	console.error(cause instanceof Error ? cause.message : cause);
	process.exitCode = 1;
} finally {
	bus.disconnect();
}
