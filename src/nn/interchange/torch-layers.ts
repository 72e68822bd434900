import { OptionError } from "../../errors.js";
import type { Shape } from "../../tensor.js";
import type { Layer } from "../layer.js";
import type { BidirectionalLayer } from "../layers/bidirectional.js";
import type { GruLayer } from "../layers/gru.js";
import type { TimeDistributedLayer } from "../layers/time-distributed.js";

/** Where a parameter comes from in a state_dict. */
export interface TorchSource {
  /** Its name there, after the module's. Two are added. */
  readonly keys: readonly string[];
  /** The axis there of each of our axes. Default: they are in the same order. */
  readonly axes?: readonly number[];
  /** Its shape there, from that of our axes in PyTorch's order. Default: that. */
  shape?(shape: Shape): Shape;
  /** The block there of each of our blocks of columns: gates. */
  readonly blocks?: readonly number[];
  /** A part of the first axis there: which of how many. */
  readonly part?: readonly [index: number, of: number];
  /** The two are stacked, not added. */
  readonly stacked?: boolean;
}

type Sources = Readonly<Record<string, TorchSource>>;

const BIAS: TorchSource = { keys: ["bias"] };
const AFFINE: Sources = { gamma: { keys: ["weight"] }, beta: BIAS };
const MATRIX = [1, 0];
const KERNEL = [2, 3, 1, 0];

const LAYERS: Readonly<Record<string, Sources>> = {
  dense: { weight: { keys: ["weight"], axes: MATRIX }, bias: BIAS },
  conv1d: { weight: { keys: ["weight"], axes: [2, 1, 0] }, bias: BIAS },
  conv2d: { weight: { keys: ["weight"], axes: KERNEL }, bias: BIAS },
  conv2dTranspose: { weight: { keys: ["weight"], axes: KERNEL }, bias: BIAS },
  // A convolution of as many groups as channels: [channels · multiplier, 1, height, width].
  depthwiseConv2d: {
    weight: { keys: ["weight"], axes: [2, 3, 0, 1], shape: ([c, m, ...window]) => [c! * m!, 1, ...window] },
    bias: BIAS,
  },
  batchNorm: { ...AFFINE, movingMean: { keys: ["running_mean"] }, movingVariance: { keys: ["running_var"] } },
  layerNorm: AFFINE,
  groupNorm: AFFINE,
  rmsNorm: AFFINE,
  embedding: { weight: { keys: ["weight"] } },
  positionalEmbedding: { weight: { keys: ["weight"] } },
  prelu: { alpha: { keys: ["weight"] } },
  multiHeadAttention: {
    ...Object.fromEntries(
      ["query", "key", "value"].flatMap((name, i): [string, TorchSource][] => [
        [`${name}.weight`, { keys: ["in_proj_weight"], axes: MATRIX, part: [i, 3] }],
        [`${name}.bias`, { keys: ["in_proj_bias"], part: [i, 3] }],
      ]),
    ),
    "output.weight": { keys: ["out_proj.weight"], axes: MATRIX },
    "output.bias": { keys: ["out_proj.bias"] },
  },
};

/** Our gates in PyTorch's order. Of a GRU it has r, z, n, we have z, r, n. */
const GATES: Readonly<Record<string, readonly number[]>> = { lstm: [0, 1, 2, 3], gru: [1, 0, 2], simpleRnn: [0] };

function recurrent(kind: string, suffix: string): Sources {
  const blocks = GATES[kind]!;
  return {
    kernel: { keys: [`weight_ih_l0${suffix}`], axes: MATRIX, blocks },
    recurrent: { keys: [`weight_hh_l0${suffix}`], axes: MATRIX, blocks },
    bias: { keys: [`bias_ih_l0${suffix}`, `bias_hh_l0${suffix}`], blocks, stacked: kind === "gru" },
  };
}

/** Where the parameters of a layer come from. Throws OptionError for one that PyTorch has not, or not so. */
export function torchSources(layer: Layer): Sources {
  const { kind } = layer;
  if (kind === "timeDistributed") return torchSources((layer as TimeDistributedLayer).layer);
  const isBoth = kind === "bidirectional";
  const inner = isBoth ? (layer as BidirectionalLayer).layer : layer;
  if (Object.hasOwn(GATES, inner.kind)) {
    if (inner.kind === "gru" && !(inner as GruLayer).resetAfter) {
      throw new OptionError("resetAfter is false, expected true as in PyTorch");
    }
    if (!isBoth) return recurrent(kind, "");
    const parts = Object.entries({ forward: "", backward: "_reverse" });
    const named = parts.flatMap(([part, suffix]) =>
      Object.entries(recurrent(inner.kind, suffix)).map(([name, source]) => [`${part}.${name}`, source] as const),
    );
    return Object.fromEntries(named);
  }
  if (Object.hasOwn(LAYERS, kind)) return LAYERS[kind]!;
  throw new OptionError(`layers of kind "${kind}" have no module in PyTorch`);
}
