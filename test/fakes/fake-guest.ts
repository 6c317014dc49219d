/**
 * Stands for QEMU and the guest in it: `fake-guest ORDERS QEMU-ARGUMENT…`. Finds its place and name where QEMU and the
 * guest would; the guest is that of fake-guest-machine.ts.
 */
import { writeSync } from "node:fs";
import { FakeGuest } from "./fake-guest-machine.ts";
import { noteStart, type Orders, readOrders } from "./fake-guest-orders.ts";

const [ordersDirectory = "", ...words] = process.argv.slice(2);
const vsock = find(/^socket,id=vsock,path=(.*)\/vhost-vsock\.sock$/, "/vsock");
const vm = find(/(?:^| )qubeslite\.vm=([^ ]+)/, "");
const start = noteStart(ordersDirectory, vm);

function find(pattern: RegExp, suffix: string): string {
	for (const word of words) {
		const match = pattern.exec(word);
		if (match !== null) return `${match[1]}${suffix}`;
	}
	throw new Error(`no word matches ${pattern}: ${words.join(" ")}`);
}

const orders = (): Orders => readOrders(ordersDirectory, vm, start);
const { console, exitAtBoot, ignoresSigterm } = orders();
process.on("SIGTERM", () => {
	if (ignoresSigterm !== true) process.exit(0);
});
if (console !== undefined) writeSync(1, console);
if (exitAtBoot !== undefined) {
	writeSync(2, exitAtBoot.words);
	process.exit(exitAtBoot.status);
}
new FakeGuest({ vm, vsock, orders, powerOff: () => process.exit(0) }).boot();
