// Moves vector constants out of loops. V8 from Node 24 on makes a constant anew wherever it stands, with three
// instructions, and the optimizer has put it wherever it is used (docs/decisions/0008-training-step.md).

/** A vector constant other than 0, which is made by one instruction without a load. */
const CONSTANT = /\(v128\.const i32x4(?! 0x0{8} 0x0{8} 0x0{8} 0x0{8})(?: 0x[0-9a-f]{8}){4}\)/g;

/** The text of a binary with every constant in a local, set where its function begins. */
export function hoistConstants(text) {
  // The disassembler indents a function by one space and closes it on a line of its own.
  return text.replace(/^ \(func .*?^ \)$/gms, hoist);
}

function hoist(text) {
  if (!text.includes("(loop ")) return text;
  const locals = new Map();
  const body = text.replace(CONSTANT, (constant) => {
    if (!locals.has(constant)) locals.set(constant, `$constant${locals.size}`);
    return `(local.get ${locals.get(constant)})`;
  });
  const declarations = [...locals.values()].map((name) => `(local ${name} v128)`);
  const assignments = [...locals].map(([constant, name]) => `(local.set ${name} ${constant})`);
  // After the signature and the locals that are there already.
  return body.replace(
    /^ \(func .*\n(?: {2}\(local .*\n)*/,
    (head) => `${head}${[...declarations, ...assignments].join("\n")}\n`,
  );
}
