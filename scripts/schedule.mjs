// What assembly/schedule.ts asks for: instructions in the order in which they are written, and loops with several copies
// of their body (docs/decisions/0012-order-of-instructions.md).
import { markSplats } from "./splats.mjs";
import { endOf } from "./wat.mjs";

/** Copies of a body. */
const COPIES = 12;

/** Replaces the calls of the imports of `schedule`; `repeats` is false where the code is to stay readable. */
export function schedule(text, repeats) {
  const imports = [...text.matchAll(/^ \(import "schedule" "(.+?)" \(func (\S+).*\n/gm)];
  for (const [line, name, id] of imports) {
    text = text.replace(line, "");
    if (name !== "repeat") text = text.replaceAll(`(call ${id}\n`, `(${name}\n`);
    else text = repeats ? repeat(text, id) : text.replaceAll(`(call ${id})`, "");
  }
  return text;
}

/** Copies the body of every loop that begins with a call of `id`. */
function repeat(text, id) {
  const head = new RegExp(`\\(loop (\\$\\S+)\\s*\\(call ${id.replaceAll("$", "\\$")}\\)`, "g");
  let from = 0;
  let out = "";
  for (const match of text.matchAll(head)) {
    const end = endOf(text, match.index);
    const label = match[1];
    const body = markSplats(text.slice(match.index + match[0].length, end - 1));
    const last = body.lastIndexOf(`(br_if ${label}`);
    if (last < 0 || endOf(body, last) !== body.trimEnd().length) throw new Error(`${label} is no do … while`);
    const condition = body.slice(last + `(br_if ${label}`.length, endOf(body, last) - 1);
    const leave = `(br_if ${label}end (i32.eqz ${condition}))`;
    const copies = `${body.slice(0, last)}${leave}`.repeat(COPIES - 1);
    out += `${text.slice(from, match.index)}(block ${label}end (loop ${label} ${copies}${body}))`;
    from = end;
  }
  if (text.slice(from).includes(`(call ${id})`)) throw new Error("a call of repeat() stands at the head of no loop");
  return out + text.slice(from);
}
