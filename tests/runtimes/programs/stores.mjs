// What every runtime does with a store: saves a pattern, says which pattern it finds, deletes, or fails.

/** Bytes that tell their place and seed. */
function pattern(length, seed) {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >>> 8) * 7 + seed) & 255;
  return bytes;
}

/** "missing", "<length> of <seed>" for a pattern, "<length> filled" for equal bytes, or "damaged". */
export function nameOf(bytes) {
  if (bytes === undefined) return "missing";
  if (!(bytes instanceof Uint8Array)) return `a ${bytes?.constructor?.name}`;
  const seed = bytes[0] ?? 0;
  const expected = pattern(bytes.length, seed);
  if (bytes.every((byte, i) => byte === expected[i])) return `${bytes.length} of ${seed}`;
  return bytes.every((byte) => byte === seed) ? `${bytes.length} filled` : "damaged";
}

export async function use(make, { action, length, seed, count }) {
  try {
    const store = make();
    if (action === "save") await store.save(pattern(length, seed));
    else if (action === "saveMany") {
      await Promise.all(Array.from({ length: count }, (_, i) => store.save(pattern(length, seed + i))));
    } else if (action === "saveNoise") {
      // Databases compress.
      let state = seed;
      const noise = Uint8Array.from({ length }, () => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return state >>> 24;
      });
      await store.save(noise);
    } else if (action === "saveShared") {
      const shared = new Uint8Array(new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer, 8, length);
      shared.set(pattern(length, seed));
      await store.save(shared);
    } else if (action === "delete") await store.delete();
    return nameOf(await store.load());
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
}
