/** Stands for vhost-device-vsock: makes the `--socket` that says it is up, and stays. The fake guest has the other one. */
import { createServer } from "node:net";

createServer().listen(process.argv[process.argv.indexOf("--socket") + 1]);
