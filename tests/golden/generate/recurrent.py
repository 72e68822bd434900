"""LSTM, GRU and simple RNN of PyTorch and of Keras 3 (on PyTorch), forward and gradients, in float64.

Everything goes in as float32 numbers that are multiples of 2^-8. Weights and gradients are written in Lanewise's layout:
kernel [in, n*units], recurrent [units, n*units], gates of an LSTM in the order i, f, g, o, of a GRU z, r, h; bias
[n*units], of a GRU with the reset gate after the product [2, 3*units]. The gradients are those of sum(y * dy).
"""

import json
import os

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import torch
from keras.src.backend.common import dtypes

from common import VECTORS, random_source

keras.config.set_floatx("float64")
# With PyTorch, Keras computes products of float64 in float32 unless it is told otherwise.
dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"
torch.set_default_dtype(torch.float64)

BATCH, STEPS, INPUTS, UNITS = 3, 5, 4, 3
GATES = {"lstm": 4, "gru": 3, "simpleRnn": 1}
MASK = [[1, 1, 0, 1, 1], [0, 0, 1, 1, 0], [1, 1, 1, 0, 0]]


class Source:
    def __init__(self, seed):
        self.next = random_source(seed)

    def __call__(self, *shape):
        count = int(np.prod(shape))
        values = [round((self.next() * 2 - 1) * 256) / 256 for _ in range(count)]
        return np.array(values, dtype=np.float64).reshape(shape)


def data(cell, seed, bias_shape, output_shape):
    source = Source(seed)
    n = GATES[cell] * UNITS
    return {
        "x": source(BATCH, STEPS, INPUTS),
        "weights": {"kernel": source(INPUTS, n), "recurrent": source(UNITS, n), "bias": source(*bias_shape)},
        "dy": source(*output_shape),
        "initial": [source(BATCH, UNITS), source(BATCH, UNITS)],
    }


def listed(value):
    if isinstance(value, torch.Tensor):
        value = value.detach().numpy()
    if isinstance(value, np.ndarray):
        return [float(f"{x:.12g}") for x in value.reshape(-1)]
    if isinstance(value, dict):
        return {key: listed(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [listed(part) for part in value]
    return value


def write(name, version, cases):
    text = json.dumps({"framework": name, "version": version, "cases": cases}, separators=(",", ":"))
    path = VECTORS / f"recurrent-{name.lower()}.json"
    path.write_text(text.replace('{"name"', '\n{"name"') + "\n")
    print(path, len(cases), "cases")


def case(name, cell, options, given, result):
    sizes = {"batch": BATCH, "steps": STEPS, "inputs": INPUTS, "units": UNITS}
    return {"name": name, "cell": cell, "options": options, **sizes, **listed(given), **listed(result)}


# PyTorch

# Blocks of its gates in Lanewise's order: PyTorch has r, z, n in a GRU.
ORDER = {"lstm": [0, 1, 2, 3], "gru": [1, 0, 2], "simpleRnn": [0]}


def to_torch(cell, matrix):
    """[rows, n*units] in Lanewise's order to [n*units, rows] in PyTorch's."""
    blocks = np.split(matrix, GATES[cell], axis=-1)
    placed = [None] * len(blocks)
    for ours, theirs in enumerate(ORDER[cell]):
        placed[theirs] = blocks[ours]
    return np.concatenate(placed, axis=-1).T


def from_torch(cell, matrix):
    blocks = np.split(matrix.detach().numpy().T, GATES[cell], axis=-1)
    return np.concatenate([blocks[theirs] for theirs in ORDER[cell]], axis=-1)


def pytorch_case(name, cell, every_step, with_states, nonlinearity=None, seed=1):
    after = cell == "gru"
    n = GATES[cell] * UNITS
    output_shape = (BATCH, STEPS, UNITS) if every_step else (BATCH, UNITS)
    given = data(cell, seed, (2, n) if after else (n,), output_shape)
    weights = given["weights"]
    module = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "simpleRnn": torch.nn.RNN}[cell]
    layer = module(INPUTS, UNITS, batch_first=True, **({"nonlinearity": nonlinearity} if nonlinearity else {}))
    first, second = weights["bias"] if after else (weights["bias"], np.zeros(n))
    with torch.no_grad():
        layer.weight_ih_l0.copy_(torch.tensor(to_torch(cell, weights["kernel"])))
        layer.weight_hh_l0.copy_(torch.tensor(to_torch(cell, weights["recurrent"])))
        layer.bias_ih_l0.copy_(torch.tensor(to_torch(cell, first[None])[:, 0]))
        layer.bias_hh_l0.copy_(torch.tensor(to_torch(cell, second[None])[:, 0]))
    x = torch.tensor(given["x"], requires_grad=True)
    count = 2 if cell == "lstm" else 1
    states = [torch.tensor(state, requires_grad=True) for state in given.pop("initial")[:count]]
    if with_states:
        given["initial"] = [state.detach().numpy() for state in states]
        packed = [state[None] for state in states]
        output, _ = layer(x, tuple(packed) if count == 2 else packed[0])
    else:
        output, _ = layer(x)
    y = output if every_step else output[:, -1]
    (y * torch.tensor(given["dy"])).sum().backward()
    bias = [from_torch(cell, layer.bias_ih_l0.grad[:, None])[0], from_torch(cell, layer.bias_hh_l0.grad[:, None])[0]]
    result = {
        "y": y,
        "dx": x.grad,
        "gradients": {
            "kernel": from_torch(cell, layer.weight_ih_l0.grad),
            "recurrent": from_torch(cell, layer.weight_hh_l0.grad),
            "bias": np.stack(bias) if after else bias[0],
        },
    }
    if with_states:
        result["dInitial"] = [state.grad for state in states]
    options = {"returnSequences": every_step}
    if nonlinearity:
        options["activation"] = nonlinearity
    return case(name, cell, options, given, result)


def pytorch():
    cases = []
    for cell in GATES:
        for every_step in (True, False):
            for with_states in (True, False):
                name = f"{cell} {'every step' if every_step else 'last step'}{', initial states' if with_states else ''}"
                cases.append(pytorch_case(name, cell, every_step, with_states, seed=len(cases) + 1))
    cases.append(pytorch_case("simpleRnn relu", "simpleRnn", True, False, nonlinearity="relu", seed=99))
    write("PyTorch", torch.__version__.split("+")[0], cases)


# Keras

LAYERS = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU, "simpleRnn": keras.layers.SimpleRNN}
NAMES = {
    "returnSequences": "return_sequences",
    "goBackwards": "go_backwards",
    "resetAfter": "reset_after",
    "activation": "activation",
    "recurrentActivation": "recurrent_activation",
}


def keras_words(options):
    words = {NAMES[name]: value for name, value in options.items()}
    return {name: "hard_sigmoid" if value == "hardSigmoid" else value for name, value in words.items()}


def keras_case(name, cell, options, masked=False, states=False, merge=None, seed=1):
    after = cell == "gru" and options.get("resetAfter", True)
    n = GATES[cell] * UNITS
    width = UNITS * 2 if merge == "concat" else UNITS
    every_step = options.get("returnSequences", False)
    output_shape = (BATCH, STEPS, width) if every_step else (BATCH, width)
    bias_shape = (2, n) if after else (n,)
    given = data(cell, seed, bias_shape, output_shape)
    layer = LAYERS[cell](UNITS, **keras_words(options))
    parts = [given["weights"]]
    if merge:
        parts = [given["weights"], data(cell, seed + 1000, bias_shape, output_shape)["weights"]]
        given["weights"] = {f"{part}.{key}": parts[i][key] for i, part in enumerate(("forward", "backward")) for key in parts[i]}
        layer = keras.layers.Bidirectional(layer, merge_mode=merge)
    x = torch.tensor(given["x"], requires_grad=True)
    layer(x)
    layer.set_weights([part[key] for part in parts for key in ("kernel", "recurrent", "bias")])
    arguments = {}
    if masked:
        given["mask"] = np.array(MASK, dtype=np.float64)
        arguments["mask"] = torch.tensor(MASK, dtype=torch.bool)
    count = 2 if cell == "lstm" else 1
    initial = [torch.tensor(state, requires_grad=True) for state in given.pop("initial")[:count]]
    if states:
        given["initial"] = [state.detach().numpy() for state in initial]
        arguments["initial_state"] = initial if count == 2 else initial[0]
    y = layer(x, **arguments)
    (y * torch.tensor(given["dy"])).sum().backward()
    gradients = [variable.value.grad for variable in layer.trainable_variables]
    result = {"y": y, "dx": x.grad, "gradients": dict(zip(given["weights"], gradients))}
    if states:
        result["dInitial"] = [state.grad for state in initial]
    described = dict(options)
    if merge:
        described["mergeMode"] = merge
    return case(name, cell, described, given, result)


def keras3():
    cases = []

    def add(name, cell, options, **rest):
        cases.append(keras_case(f"{cell} {name}", cell, options, seed=len(cases) + 200, **rest))

    sequences = {"returnSequences": True}
    for cell in GATES:
        add("every step", cell, sequences)
        add("last step", cell, {})
        add("every step, masked", cell, sequences, masked=True)
        add("last step, masked", cell, {}, masked=True)
        add("backwards", cell, {**sequences, "goBackwards": True})
        add("backwards, masked", cell, {**sequences, "goBackwards": True}, masked=True)
        add("backwards, last step", cell, {"goBackwards": True}, masked=True)
        add("initial states, masked", cell, sequences, masked=True, states=True)
        for merge in ("concat", "sum", "mul", "ave"):
            add(f"bidirectional {merge}", cell, sequences, merge=merge)
        add("bidirectional, last step", cell, {}, merge="concat")
        add("bidirectional, masked", cell, sequences, merge="concat", masked=True)
    add("reset before", "gru", {**sequences, "resetAfter": False})
    add("reset before, masked", "gru", {**sequences, "resetAfter": False}, masked=True, states=True)
    for cell in ("lstm", "gru"):
        add("hardSigmoid", cell, {**sequences, "recurrentActivation": "hardSigmoid"})
        add("relu", cell, {**sequences, "activation": "relu"})
        add("linear", cell, {**sequences, "activation": "linear"})
    add("relu", "simpleRnn", {**sequences, "activation": "relu"})
    write("Keras3", keras.__version__, cases)


pytorch()
keras3()
