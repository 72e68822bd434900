// JavaScriptCore takes three instructions for a splat of a load with an offset, one of them across register files; other
// forms cost less there, and more elsewhere. scripts/splats.mjs leaves room for them (docs/decisions/0023-javascriptcore.md).

/** Whether this engine is JavaScriptCore (Bun, Safari, WebKitGTK): only its errors have a `line`. */
export const isJavaScriptCore = (): boolean => "line" in new Error();

/** A binary, in hexadecimal, with the splats of its tiles in the form for JavaScriptCore. It computes the same bits. */
export function forJavaScriptCore(hex: string): string {
  // v128.load32_splat at offset 4 or 12 → f32.load, f32x4.splat; at offset 8 → the same load of address + 8
  return hex.replace(/fd09028([4c])00/g, "2a020$1fd13").replace(/fd090288808000/g, "41086afd090200");
}
