import onnxProto from "onnx-proto";
import * as ort from "onnxruntime-web/wasm";
import { type Contestant, type Product, storedShapes } from "../contestant.js";

const { onnx } = onnxProto;

const IR_VERSION = 7;
const OPERATORS = 13;

ort.env.wasm.numThreads = 1;
ort.env.wasm.proxy = false;

/** ONNX Runtime's Wasm. A run is asynchronous, and copies the operands in and the result out. */
export const onnxruntime: Contestant = {
  name: `onnxruntime-web ${ort.env.versions.web}`,
  async product(product, operands) {
    const { m, n, batch, transposeA, transposeB, fused } = product;
    // Gemm transposes and adds the bias, but takes no batch; MatMul takes a batch and nothing else.
    if (batch > 1 && (transposeA || transposeB || fused)) return undefined;
    const shapes = storedShapes(product);
    const session = await ort.InferenceSession.create(modelOf(product), { executionProviders: ["wasm"] });
    const tensor = (values: Float32Array, shape: readonly number[]) => new ort.Tensor("float32", values, shape);
    const feeds = {
      a: tensor(operands.a, shapes.a),
      b: tensor(operands.b, shapes.b),
      ...(fused && { bias: tensor(operands.bias, [n]) }),
    };
    let out: ort.Tensor = tensor(new Float32Array(batch * m * n), [batch, m, n]);
    return {
      run: async () => {
        out = (await session.run(feeds))["out"]!;
      },
      read: () => out.data as Float32Array,
      dispose: () => void session.release(),
    };
  },
};

/** A graph of the one product. */
function modelOf(product: Product): Uint8Array {
  const { m, n, batch, transposeA, transposeB, fused } = product;
  const shapes = storedShapes(product);
  const plain = !transposeA && !transposeB && !fused;
  const value = (name: string, shape: readonly number[]) => ({
    name,
    type: {
      tensorType: {
        elemType: onnx.TensorProto.DataType.FLOAT,
        shape: { dim: shape.map((dimValue) => ({ dimValue })) },
      },
    },
  });
  const integer = (name: string, i: boolean) => ({ name, type: onnx.AttributeProto.AttributeType.INT, i: +i });
  const inputs = fused ? ["a", "b", "bias"] : ["a", "b"];
  const node = plain
    ? [{ opType: "MatMul", input: inputs, output: ["out"] }]
    : [
        {
          opType: "Gemm",
          input: inputs,
          output: [fused ? "sum" : "out"],
          attribute: [integer("transA", transposeA), integer("transB", transposeB)],
        },
        ...(fused ? [{ opType: "Relu", input: ["sum"], output: ["out"] }] : []),
      ];
  return onnx.ModelProto.encode({
    irVersion: IR_VERSION,
    opsetImport: [{ domain: "", version: OPERATORS }],
    graph: {
      name: "product",
      node,
      input: [value("a", shapes.a), value("b", shapes.b), ...(fused ? [value("bias", [n])] : [])],
      output: [value("out", batch > 1 ? [batch, m, n] : [m, n])],
    },
  }).finish();
}
