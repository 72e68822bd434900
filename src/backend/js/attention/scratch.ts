/** What one thread needs: assembly/attention/attention.ts, attention_scratch_bytes. */
export function attentionScratchBytes(queries: number, keys: number, keySize: number, valueSize: number): number {
  const size = Math.max(keySize, valueSize);
  const longest = Math.max(keys, size, 64);
  return 4 * (2 * Math.min(queries, 64) * keys + (keys + 15) * (size + 15) + 103 * longest + 1568);
}
