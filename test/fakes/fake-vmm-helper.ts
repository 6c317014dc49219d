/** Stands for vhost-device-vsock: `SOCKET serve` makes the socket and serves until SIGTERM, or ends with 3 on SIGUSR2; `SOCKET idle` never makes it; `SOCKET fail` ends at once. */
import { writeSync } from "node:fs";
import { createServer } from "node:net";

const [socket, mode] = process.argv.slice(2);
writeSync(2, `helper: ${mode}\n`);
if (mode === "fail") process.exit(4);
process.on("SIGUSR2", () => process.exit(3));
if (mode === "serve") createServer().listen(socket);
else setInterval(() => undefined, 60_000);
