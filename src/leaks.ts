/** Bytes of tensors that were dropped without `dispose`, from which on it is worth a warning. */
const WARN_BYTES = 16 * 2 ** 20;

/** What is known of a core's dropped tensors. */
interface Dropped {
  bytes: number;
  count: number;
}

let registry: FinalizationRegistry<{ dropped: Dropped; bytes: number }> | undefined;

/**
 * Watches tensors for being dropped without `dispose`. Their memory is not freed then, because a view of it may still be
 * in use; but one warning says so when it adds up.
 */
export class LeakWatch {
  readonly #dropped: Dropped = { bytes: 0, count: 0 };

  watch(tensor: object, bytes: number): void {
    if (typeof FinalizationRegistry !== "function") return;
    registry ??= new FinalizationRegistry(({ dropped, bytes }) => note(dropped, bytes));
    registry.register(tensor, { dropped: this.#dropped, bytes }, tensor);
  }

  /** Stops watching a tensor that is disposed. */
  forget(tensor: object): void {
    registry?.unregister(tensor);
  }

  /** Stops watching all tensors: their core frees its memory. */
  end(): void {
    this.#dropped.bytes = WARN_BYTES; // as if the warning had been given
  }
}

function note(dropped: Dropped, bytes: number): void {
  const isFirstWarning = dropped.bytes < WARN_BYTES && dropped.bytes + bytes >= WARN_BYTES;
  dropped.bytes += bytes;
  dropped.count++;
  if (!isFirstWarning) return;
  console.warn(
    `lanewise: ${dropped.count} tensors were garbage-collected without dispose(), and ${Math.round(dropped.bytes / 2 ** 20)} MiB of ` +
      "linear memory are still in use. Call tensor.dispose(), pass `out`, or wrap the code in core.scope(() => …).",
  );
}
