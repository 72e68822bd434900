import { fileURLToPath } from "node:url";

/** The words before the path of a program for arm64: QEMU, and where Debian has the C library for that processor. */
export const EMULATOR: readonly [string, ...string[]] = ["/usr/bin/qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"];

export const NODE_ARM64: string = fileURLToPath(new URL("node_modules/node-arm64/bin/node", import.meta.url));
