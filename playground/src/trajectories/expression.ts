import {
  absDependencies,
  addDependencies,
  atanDependencies,
  cosDependencies,
  coshDependencies,
  create,
  divideDependencies,
  eDependencies,
  expDependencies,
  logDependencies,
  type MathNode,
  maxDependencies,
  minDependencies,
  multiplyDependencies,
  parseDependencies,
  piDependencies,
  powDependencies,
  signDependencies,
  sinDependencies,
  sinhDependencies,
  sqrtDependencies,
  subtractDependencies,
  tanDependencies,
  tanhDependencies,
  unaryMinusDependencies,
  unaryPlusDependencies,
} from "mathjs/number";

const FUNCTIONS = "abs atan cos cosh exp log max min sign sin sinh sqrt tan tanh".split(" ");
const SYMBOLS = ["x1", "x2", "pi", "e", ...FUNCTIONS];

/** Arithmetic alone: an address may come from anywhere. */
const KINDS = ["ConstantNode", "SymbolNode", "OperatorNode", "FunctionNode", "ParenthesisNode"];

const { parse } = create({
  absDependencies,
  addDependencies,
  atanDependencies,
  cosDependencies,
  coshDependencies,
  divideDependencies,
  eDependencies,
  expDependencies,
  logDependencies,
  maxDependencies,
  minDependencies,
  multiplyDependencies,
  parseDependencies,
  piDependencies,
  powDependencies,
  signDependencies,
  sinDependencies,
  sinhDependencies,
  sqrtDependencies,
  subtractDependencies,
  tanDependencies,
  tanhDependencies,
  unaryMinusDependencies,
  unaryPlusDependencies,
});

/** A function of x1 and x2 from what was typed in; throws an Error that says what is wrong with it. */
export function parseExpression(text: string): (x1: number, x2: number) => number {
  if (text.trim() === "") throw new Error("Write a formula of x1 and x2.");
  const tree: MathNode = parse(text);
  tree.traverse((node) => {
    if (!KINDS.includes(node.type)) throw new Error("Write one formula of x1 and x2.");
    if ("name" in node && node.type === "SymbolNode" && !SYMBOLS.includes(`${node.name}`)) {
      throw new Error(`${node.name} is unknown; there are x1, x2, pi, e and ${FUNCTIONS.join(", ")}.`);
    }
  });
  const compiled = tree.compile();
  const f = (x1: number, x2: number): number => {
    const value: unknown = compiled.evaluate({ x1, x2 });
    return typeof value === "number" ? value : Number.NaN;
  };
  f(0.5, 0.5);
  return f;
}
