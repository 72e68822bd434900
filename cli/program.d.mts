import type { CoreOptions, Features } from "lanewise";

/** What ran, and hashes of the bits that came out. */
export interface ProgramReport {
  readonly backend: "wasm" | "js";
  readonly variant: string;
  readonly features: Features;
  readonly reason: string;
  readonly pieces: Readonly<Record<string, string>>;
  readonly digest: string;
}

export function program(
  lanewise: typeof import("lanewise"),
  nn: typeof import("lanewise/nn"),
  options?: CoreOptions & { sync?: boolean; pause?: () => Promise<void> },
): Promise<ProgramReport>;
