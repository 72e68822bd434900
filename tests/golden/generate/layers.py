"""Layers and losses in float64: normalization, embeddings, attention, activations. Run with KERAS_BACKEND=torch.

Inputs are float32 numbers, so what differs from Lanewise's results is Lanewise's rounding alone. Shapes are odd on
purpose. Every case has its outputs and all gradients; `dy` is the gradient of the output.
"""

import json

import keras
import numpy as np
import torch
import torch.nn.functional as F
from common import VECTORS

keras.config.set_floatx("float64")
torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
cases = []


class Source:
    def __init__(self, seed):
        self.rng = np.random.RandomState(seed)

    def normal(self, *shape, scale=1.0, shift=0.0):
        return (self.rng.standard_normal(shape) * scale + shift).astype(np.float32).astype(np.float64)

    def integers(self, high, *shape):
        return self.rng.randint(0, high, shape).astype(np.float64)


def numbers(value):
    if isinstance(value, torch.Tensor):
        value = value.detach().numpy()
    # Twelve digits tell any two float32 apart, and are beyond what float32 results are compared to.
    return [float(f"{x:.12g}") for x in np.asarray(value, np.float64).ravel()]


def record(name, kind, options, shape, xs, dy, parameters, y, gradients, dxs, **more):
    """`parameters` and `gradients` by Lanewise's names; `shape` is that of a row of each input."""
    cases.append(
        {
            "name": name,
            "kind": kind,
            "options": options,
            "shapes": shape,
            "xs": [numbers(x) for x in xs],
            "dy": numbers(dy),
            "parameters": {k: numbers(v) for k, v in parameters.items()},
            "y": numbers(y),
            "gradients": {k: numbers(v) for k, v in gradients.items()},
            "dxs": [numbers(dx) if dx is not None else None for dx in dxs],
            **{k: numbers(v) if not isinstance(v, dict) else {n: numbers(a) for n, a in v.items()} for k, v in more.items()},
        }
    )


def leaf(array):
    return torch.tensor(array, requires_grad=True)


# Normalization -------------------------------------------------------------------------------------------------------

def keras_layer(name, kind, options, layer, shape, batch, parameters, seed, buffers=None, training=True, x_shift=0.5):
    """A Keras layer with weights by Keras's names → Lanewise's."""
    source = Source(seed)
    x = leaf(source.normal(batch, *shape, scale=2, shift=x_shift))
    layer.build((batch, *shape))
    for keras_name, _ in parameters.items():
        variable = getattr(layer, keras_name)
        variable.assign(source.normal(*variable.shape))
    start = {ours: getattr(layer, theirs).value.detach().numpy().copy() for ours, theirs in (buffers or {}).items()}
    y = layer(x, training=training) if buffers else layer(x)
    dy = source.normal(*y.shape)
    y.backward(torch.tensor(dy))
    gradients = {ours: getattr(layer, theirs).value.grad for theirs, ours in parameters.items()}
    values = {ours: getattr(layer, theirs).value for theirs, ours in parameters.items()}
    more = {}
    if buffers:
        more["buffers"] = start
        more["buffersAfter"] = {ours: getattr(layer, theirs).value for ours, theirs in buffers.items()}
        more["inference"] = layer(x, training=False)
    record(name, kind, options, [list(shape)], [x], dy, values, y, gradients, [x.grad], **more)


AFFINE = {"gamma": "gamma", "beta": "beta"}
MOVING = {"movingMean": "moving_mean", "movingVariance": "moving_variance"}
L = keras.layers
keras_layer("keras BatchNormalization", "batchNorm", {}, L.BatchNormalization(), (7,), 9, AFFINE, 1, MOVING)
keras_layer(
    "keras BatchNormalization of images", "batchNorm", {"momentum": 0.8, "eps": 1e-5},
    L.BatchNormalization(momentum=0.8, epsilon=1e-5), (3, 5, 13), 4, AFFINE, 2, MOVING,
)
keras_layer(
    "keras BatchNormalization without scale and center", "batchNorm", {"scale": False, "center": False},
    L.BatchNormalization(scale=False, center=False), (5,), 8, {}, 3, MOVING,
)
keras_layer("keras LayerNormalization", "layerNorm", {}, L.LayerNormalization(), (13,), 5, AFFINE, 4)
keras_layer(
    "keras LayerNormalization of a sequence", "layerNorm", {"eps": 1e-6}, L.LayerNormalization(epsilon=1e-6),
    (3, 17), 2, AFFINE, 5,
)
keras_layer("keras LayerNormalization, large mean", "layerNorm", {}, L.LayerNormalization(), (13,), 5, AFFINE, 6, x_shift=1000)
keras_layer(
    "keras GroupNormalization", "groupNorm", {"groups": 3}, L.GroupNormalization(groups=3), (3, 5, 15), 2, AFFINE, 7
)
keras_layer("keras GroupNormalization, one group", "groupNorm", {"groups": 1}, L.GroupNormalization(groups=1), (7, 6), 3, AFFINE, 8)
keras_layer("keras GroupNormalization by channel", "groupNorm", {"groups": 6}, L.GroupNormalization(groups=6), (7, 6), 3, AFFINE, 9)
keras_layer("keras RMSNormalization", "rmsNorm", {}, L.RMSNormalization(), (11,), 4, {"scale": "gamma"}, 10)


def torch_batch_norm():
    """PyTorch's momentum is the share of the new value, and its moving variance is unbiased."""
    source = Source(11)
    layer = torch.nn.BatchNorm1d(6, eps=1e-5, momentum=0.1)
    x = leaf(source.normal(9, 6, scale=3, shift=1))
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(source.normal(6)))
        layer.bias.copy_(torch.tensor(source.normal(6)))
    y = layer(x)
    dy = source.normal(9, 6)
    y.backward(torch.tensor(dy))
    after = {"movingMean": layer.running_mean, "movingVariance": layer.running_var}
    layer.eval()
    record(
        "pytorch BatchNorm1d", "batchNorm", {"momentum": 0.9, "eps": 1e-5, "unbiased": True}, [[6]], [x], dy,
        {"gamma": layer.weight, "beta": layer.bias}, y, {"gamma": layer.weight.grad, "beta": layer.bias.grad}, [x.grad],
        buffers={"movingMean": np.zeros(6), "movingVariance": np.ones(6)}, buffersAfter=after, inference=layer(x),
    )


torch_batch_norm()


def torch_norm(name, kind, options, shape, seed, function, parameters):
    source = Source(seed)
    x = leaf(source.normal(4, *shape, scale=2, shift=-1))
    weights = {k: leaf(source.normal(n)) for k, n in parameters.items()}
    y = function(x, *weights.values())
    dy = source.normal(*y.shape)
    y.backward(torch.tensor(dy))
    record(name, kind, options, [list(shape)], [x], dy, weights, y, {k: w.grad for k, w in weights.items()}, [x.grad])


torch_norm(
    "pytorch layer_norm", "layerNorm", {"eps": 1e-5}, (9,), 12,
    lambda x, g, b: F.layer_norm(x, (9,), g, b, 1e-5), {"gamma": 9, "beta": 9},
)
torch_norm("pytorch rms_norm", "rmsNorm", {"eps": 1e-5}, (9,), 13, lambda x, g: F.rms_norm(x, (9,), g, 1e-5), {"gamma": 9})
torch_norm(
    "pytorch group_norm", "groupNorm", {"groups": 2, "eps": 1e-5}, (5, 8), 14,
    lambda x, g, b: F.group_norm(x.transpose(1, 2), 2, g, b, 1e-5).transpose(1, 2), {"gamma": 8, "beta": 8},
)

# Embeddings ----------------------------------------------------------------------------------------------------------

def embedding():
    source = Source(20)
    ids = source.integers(7, 3, 5)
    table = leaf(source.normal(7, 4))
    y = F.embedding(torch.tensor(ids).long(), table)
    dy = source.normal(3, 5, 4)
    y.backward(torch.tensor(dy))
    record("pytorch embedding", "embedding", {"count": 7, "width": 4}, [[5]], [ids], dy, {"weight": table}, y,
           {"weight": table.grad}, [None])


def positional():
    source = Source(21)
    x = leaf(source.normal(3, 4, 5))
    table = leaf(source.normal(6, 5))
    y = x + table[:4]
    dy = source.normal(3, 4, 5)
    y.backward(torch.tensor(dy))
    record("position embedding", "positionalEmbedding", {"length": 6}, [[4, 5]], [x], dy, {"weight": table}, y,
           {"weight": table.grad}, [x.grad])


embedding()
positional()

# Attention -----------------------------------------------------------------------------------------------------------

def keras_attention(name, seed, heads, key_size, width, options, causal=False, value_width=None, mask=False):
    source = Source(seed)
    batch, queries, keys = 2, 5, 5 if value_width is None else 7
    layer = L.MultiHeadAttention(heads, key_size)
    query = leaf(source.normal(batch, queries, width))
    value = query if value_width is None else leaf(source.normal(batch, keys, value_width))
    layer.build(query.shape, value.shape)
    values = {}
    variables = {}
    for ours, dense in {"query": "_query_dense", "key": "_key_dense", "value": "_value_dense", "output": "_output_dense"}.items():
        for part in ("weight", "bias"):
            variable = getattr(getattr(layer, dense), "kernel" if part == "weight" else "bias")
            variable.assign(source.normal(*variable.shape, scale=0.5))
            values[f"{ours}.{part}"] = variable.value
            variables[f"{ours}.{part}"] = variable
    keep = source.integers(3, batch, keys) > 0
    keep[:, 0] = True
    arguments = {"use_causal_mask": causal}
    if mask:
        arguments["value_mask"] = torch.tensor(keep)
    y = layer(query, value, **arguments)
    dy = source.normal(*y.shape)
    y.backward(torch.tensor(dy))
    shapes = [[queries, width]]
    xs, dxs = [query], [query.grad]
    if value is not query:
        shapes.append([keys, value_width])
        xs.append(value)
        dxs.append(value.grad)
    if mask:
        shapes.append([keys])
        xs.append(keep.astype(np.float64))
        dxs.append(None)
    gradients = {k: v.value.grad for k, v in variables.items()}
    record(name, "multiHeadAttention", {"heads": heads, **options}, shapes, xs, dy, values, y, gradients, dxs)


keras_attention("keras MultiHeadAttention", 30, 2, 3, 6, {"keySize": 3})
keras_attention("keras MultiHeadAttention, causal", 31, 3, 2, 6, {"keySize": 2, "causal": True}, causal=True)
keras_attention("keras MultiHeadAttention over another sequence", 32, 2, 4, 6, {"keySize": 4}, value_width=5)
keras_attention("keras MultiHeadAttention with a mask", 33, 2, 3, 6, {"keySize": 3}, mask=True)
keras_attention("keras MultiHeadAttention, causal with a mask", 34, 2, 3, 6, {"keySize": 3, "causal": True}, causal=True, mask=True)

# Activations ---------------------------------------------------------------------------------------------------------

def activation(name, kind, options, function, seed, parameters=None):
    source = Source(seed)
    x = leaf(np.concatenate([source.normal(3, 11, scale=2), source.normal(1, 11, scale=20)]))
    weights = {k: leaf(source.normal(*shape)) for k, shape in (parameters or {}).items()}
    y = function(x, *weights.values())
    dy = source.normal(*y.shape)
    y.backward(torch.tensor(dy))
    record(name, kind, options, [[11]], [x], dy, weights, y, {k: w.grad for k, w in weights.items()}, [x.grad])


A = keras.activations
activation("keras gelu", "gelu", {}, lambda x: A.gelu(x, approximate=False), 40)
activation("keras gelu, tanh", "gelu", {"approximate": True}, lambda x: A.gelu(x, approximate=True), 41)
activation("pytorch elu", "elu", {"alpha": 0.7}, lambda x: F.elu(x, 0.7), 42)
activation("keras leaky_relu", "leakyRelu", {}, lambda x: L.LeakyReLU()(x), 43)
activation("pytorch leaky_relu", "leakyRelu", {"slope": 0.01}, lambda x: F.leaky_relu(x, 0.01), 44)
activation("keras selu", "selu", {}, A.selu, 45)
activation("keras softplus", "softplus", {}, A.softplus, 46)
activation("keras silu", "silu", {}, A.silu, 47)
activation("pytorch hardswish", "hardSwish", {}, F.hardswish, 48)
activation("keras hard_sigmoid", "hardSigmoid", {}, A.hard_sigmoid, 49)
activation("hard sigmoid of TensorFlow.js", "hardSigmoid", {"slope": 0.2}, lambda x: torch.clip(0.2 * x + 0.5, 0, 1), 50)
activation("keras softsign", "softsign", {}, A.softsign, 51)
activation("pytorch mish", "mish", {}, F.mish, 52)
activation("pytorch prelu", "prelu", {}, lambda x, a: F.prelu(x, a), 53, {"alpha": (11,)})
activation("pytorch relu6", "relu6", {}, F.relu6, 56)
activation("keras softmax", "softmax", {}, A.softmax, 54)
activation("keras log_softmax", "logSoftmax", {}, A.log_softmax, 55)

# Layers without a family of their own ------------------------------------------------------------------------------

def plain(name, kind, options, function, seed, shapes, parameters=None):
    source = Source(seed)
    xs = [leaf(source.normal(3, *shape)) for shape in shapes]
    weights = {k: leaf(source.normal(*shape)) for k, shape in (parameters or {}).items()}
    y = function(*xs, *weights.values())
    dy = source.normal(*y.shape)
    y.backward(torch.tensor(dy))
    gradients = {k: w.grad for k, w in weights.items()}
    record(name, kind, options, [list(shape) for shape in shapes], xs, dy, weights, y, gradients, [x.grad for x in xs])


affine = {"weight": (7, 5), "bias": (5,)}
plain("pytorch linear", "dense", {"outputs": 5}, lambda x, w, b: x @ w + b, 60, [(7,)], affine)
plain("pytorch linear over steps, relu", "dense", {"outputs": 5, "activation": "relu"}, lambda x, w, b: F.relu(x @ w + b), 61, [(3, 7)], affine)
plain("pytorch linear without bias, tanh", "dense", {"outputs": 5, "activation": "tanh", "bias": False}, lambda x, w: torch.tanh(x @ w), 62, [(7,)], {"weight": (7, 5)})
plain("pytorch relu", "relu", {}, F.relu, 63, [(11,)])
plain("pytorch tanh", "tanh", {}, torch.tanh, 64, [(11,)])
plain("pytorch sigmoid", "sigmoid", {}, torch.sigmoid, 65, [(11,)])
plain("pytorch sum of three", "add", {}, lambda a, b, c: a + b + c, 66, [(3, 5)] * 3)
plain("pytorch cat of channels", "concat", {"axis": -1}, lambda a, b: torch.cat([a, b], dim=-1), 67, [(3, 5), (3, 2)])
plain("pytorch cat of steps", "concat", {"axis": 0}, lambda a, b: torch.cat([a, b], dim=1), 68, [(3, 5), (1, 5)])

# Losses --------------------------------------------------------------------------------------------------------------

losses = []


def loss(name, kind, options, function, y, t, weights=None):
    """`function(t, y)` is the scalar loss."""
    y = leaf(y)
    value = function(torch.tensor(t), y)
    value.backward()
    losses.append(
        {
            "name": name, "kind": kind, "options": options, "columns": int(y.shape[-1]), "y": numbers(y), "t": numbers(t),
            "loss": float(value.detach()), "gradient": numbers(y.grad),
            **({"weights": numbers(weights)} if weights is not None else {}),
        }
    )


K = keras.losses
s = Source(60)
shares = lambda *shape: (lambda e: (e / e.sum(-1, keepdims=True)).astype(np.float32).astype(np.float64))(np.exp(s.normal(*shape)))
binary = lambda *shape: s.integers(2, *shape)
weights = np.array([1, 0, 2.5, 0.5, 1], np.float64)
weigh = lambda loss_: lambda t, y: loss_(t, y, sample_weight=torch.tensor(weights))
one_hot = np.eye(4)[[2, 0, 3, 1, 2]]
logits = s.normal(5, 4, scale=2)
class_weights = [0.5, 1, 2, 4]

loss("keras MeanAbsoluteError", "meanAbsoluteError", {}, K.MeanAbsoluteError(), s.normal(5, 3), s.normal(5, 3))
loss("keras MeanAbsoluteError, weights", "meanAbsoluteError", {}, weigh(K.MeanAbsoluteError()), s.normal(5, 3), s.normal(5, 3), weights)
loss("keras MeanSquaredError, weights", "meanSquaredError", {}, weigh(K.MeanSquaredError()), s.normal(5, 3), s.normal(5, 3), weights)
loss("keras Huber, weights", "huber", {}, weigh(K.Huber()), s.normal(5, 3, scale=2), s.normal(5, 3), weights)
loss("keras Hinge, signs", "hinge", {}, K.Hinge(), s.normal(5, 3), 2 * binary(5, 3) - 1)
loss("keras Hinge, 0 and 1", "hinge", {}, weigh(K.Hinge()), s.normal(5, 3), binary(5, 3), weights)
loss("keras KLDivergence", "klDivergence", {}, K.KLDivergence(), shares(5, 3), shares(5, 3))
loss("keras KLDivergence, weights", "klDivergence", {}, weigh(K.KLDivergence()), shares(5, 3), shares(5, 3), weights)
loss("keras CategoricalCrossentropy", "softmaxCrossEntropy", {}, K.CategoricalCrossentropy(from_logits=True), logits, one_hot)
loss("keras CategoricalCrossentropy, weights", "softmaxCrossEntropy", {}, weigh(K.CategoricalCrossentropy(from_logits=True)), logits, one_hot, weights)
loss(
    "keras CategoricalCrossentropy, label smoothing", "softmaxCrossEntropy", {"labelSmoothing": 0.1},
    K.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1), logits, one_hot,
)
loss(
    "keras CategoricalCrossentropy, class weights", "softmaxCrossEntropy", {"classWeights": class_weights},
    lambda t, y: K.CategoricalCrossentropy(from_logits=True)(t, y, sample_weight=torch.tensor(class_weights)[t.argmax(-1)]),
    logits, one_hot,
)
loss("keras BinaryCrossentropy", "binaryCrossEntropy", {}, K.BinaryCrossentropy(from_logits=True), s.normal(5, 3, scale=3), binary(5, 3))
loss(
    "keras BinaryCrossentropy, weights and label smoothing", "binaryCrossEntropy", {"labelSmoothing": 0.2},
    weigh(K.BinaryCrossentropy(from_logits=True, label_smoothing=0.2)), s.normal(5, 3, scale=3), binary(5, 3), weights,
)
loss(
    "pytorch BCEWithLogitsLoss, pos_weight", "binaryCrossEntropy", {"positiveWeight": 3},
    lambda t, y: F.binary_cross_entropy_with_logits(y, t, pos_weight=torch.tensor(3.0)), s.normal(5, 3, scale=3), binary(5, 3),
)

versions = {"keras": keras.__version__, "torch": torch.__version__.split("+")[0], "numpy": np.__version__}
lines = lambda items: "[\n" + ",\n".join(json.dumps(item) for item in items) + "\n]"
text = f'{{"versions": {json.dumps(versions)},\n"layers": {lines(cases)},\n"losses": {lines(losses)}}}\n'
(VECTORS / "layers.json").write_text(text)
print(len(cases), "layers,", len(losses), "losses,", len(text), "bytes")
