/** The drivers by their names in the configuration. */
import type { Hypervisor } from "../config/hypervisor.ts";
import { crosvmDriver } from "./crosvm.ts";
import type { VmmDriver } from "./driver.ts";
import { qemuDriver } from "./qemu.ts";

export const drivers: Readonly<Record<Hypervisor, VmmDriver>> = { qemu: qemuDriver, crosvm: crosvmDriver };
