// Splats that the runtime can turn into JavaScriptCore's by replacing hexadecimal digits
// (docs/decisions/0023-javascriptcore.md). A splat of a load at offset 4, 8 or 12 gets its offset in more bytes than it
// needs, so that it is as long as what src/backend/wasm/javascriptcore.ts puts in its place. The assembler has no way to
// say so: it gets the other form, with an alignment of 1 as a mark, and the bytes are replaced.
import { endOf } from "./wat.mjs";

const SPLAT = /\(v128\.load32_splat offset=(4|8|12)\s/g;
const MARK = /\((v128\.load32_splat|f32\.load offset=\d+) align=1\s/g;
/** What the assembler makes of a mark, and what becomes of it. */
const FORMS = { "2a0004fd13": "fd09028400", "41086afd090000": "fd090288808000", "2a000cfd13": "fd09028c00" };

/** Marks the splats in a text. */
export function markSplats(text) {
  let from = 0;
  let out = "";
  for (const match of text.matchAll(SPLAT)) {
    const end = endOf(text, match.index);
    const address = text.slice(match.index + match[0].length, end - 1);
    const splat =
      match[1] === "8"
        ? `(v128.load32_splat align=1 (i32.add ${address} (i32.const 8)))`
        : `(f32x4.splat (f32.load offset=${match[1]} align=1 ${address}))`;
    out += text.slice(from, match.index) + splat;
    from = end;
  }
  return out + text.slice(from);
}

/** Puts the splats into the bytes that the assembler has made of a text with marks. */
export function placeSplats(bytes, text) {
  const count = text.match(MARK)?.length ?? 0;
  let found = 0;
  let hex = bytes.toString("hex");
  for (const [mark, splat] of Object.entries(FORMS)) {
    hex = hex.replaceAll(mark, (_, at) => {
      if (at % 2) throw new Error("a mark stands between two bytes");
      found++;
      return splat;
    });
  }
  const placed = [...hex.matchAll(/fd0902(8[4c]00|88808000)/g)];
  if (found !== count || placed.length !== count || placed.some(({ index }) => index % 2)) {
    throw new Error(`${count} splats are marked, ${found} found, ${placed.length} placed`);
  }
  return Buffer.from(hex, "hex");
}
