// Copies within linear memory.

/** Copies a few bytes here, where a call into the engine takes longer. */
export function copyArray(to: usize, from: usize, bytes: usize): void {
  if (bytes > 256) memory.copy(to, from, bytes);
  else {
    for (; bytes >= 16; bytes -= 16, to += 16, from += 16) v128.store(to, v128.load(from));
    for (; bytes; bytes -= 4, to += 4, from += 4) store<u32>(to, load<u32>(from));
  }
}

/** Copies a segment of a step table. */
export function copySegment(to: usize, from: usize): void {
  v128.store(to, v128.load(from));
  v128.store(to, v128.load(from, 16), 16);
  v128.store(to, v128.load(from, 32), 32);
  v128.store(to, v128.load(from, 48), 48);
  v128.store(to, v128.load(from, 64), 64);
  v128.store(to, v128.load(from, 80), 80);
}
