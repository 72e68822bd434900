// Saves into a file, and dies in the middle: node save.mjs <path> <size> <fill> <kill: index of the operation, or -1>
import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";

const [path, size, fill, kill] = process.argv.slice(2);
let count = 0;

/** Counts the operations of a file system; the one that is asked for is begun at most, and then the process is gone. */
function counted(object, name, half) {
  const original = object[name];
  object[name] = async function (...args) {
    if (count++ === Number(kill)) {
      await half?.call(this, original, args);
      process.kill(process.pid, "SIGKILL");
      await new Promise(() => {});
    }
    return original.apply(this, args);
  };
}

const probe = await fs.open(import.meta.filename ?? new URL(import.meta.url).pathname, "r");
const FileHandle = Object.getPrototypeOf(probe);
await probe.close();
for (const name of ["open", "readdir", "realpath", "rename", "rm", "stat"]) counted(fs, name);
// A part of the bytes is written: the caller's data are cut in the middle.
counted(FileHandle, "writeFile", function (write, [bytes]) {
  return write.call(this, bytes.subarray(0, bytes.length / 2));
});
for (const name of ["sync", "close"]) counted(FileHandle, name);
syncBuiltinESMExports();

const { fileStore } = await import("../../../../dist/default/checkpoint-file.js");
// Root may write anywhere.
if (process.env.AS_NOBODY && process.getuid() === 0) process.setuid(65534);
try {
  await fileStore(path).save(new Uint8Array(Number(size)).fill(Number(fill)));
  console.log(JSON.stringify({ operations: count }));
} catch (error) {
  console.log(JSON.stringify({ name: error.name, message: error.message, code: error.cause?.code }));
}
