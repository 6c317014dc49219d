/** Stands for virtiofsd: makes the `--socket-path` that says it is up, and stays. The fake guest mounts nothing. */
import { createServer } from "node:net";

createServer().listen(process.argv[process.argv.indexOf("--socket-path") + 1]);
