"""
torch.optim's Adafactor and Muon on the CPU, for parameters of other shapes than the other files have. Adafactor in
float32, whose sums PyTorch adds in an order of its own: to be matched within their rounding. Muon in float64, its own
code with float64 in place of bfloat16: what float32 is compared with.
"""

import os

os.environ.setdefault("ATEN_CPU_CAPABILITY", "default")

import numpy as np
import torch

from common import SEED, random_source, to_hex, write
from pytorch import ExactSqrt

torch.set_num_threads(1)

SHAPES = {"wide": [3, 11], "tall": [9, 4], "square": [5, 5], "row": [1, 6], "stack": [2, 3, 4], "vector": [13]}
STEPS = 8


def values(seed, integers=False):
    uniform = random_source(seed)
    draw = (lambda: float(int(uniform() * 9) - 4)) if integers else (lambda: (uniform() * 2 - 1) * 2)
    return {name: np.array([draw() for _ in range(int(np.prod(shape)))], np.float32) for name, shape in SHAPES.items()}


START = values(SEED + 100)
GRADIENTS = {
    "random": [values(SEED + 101 + step) for step in range(STEPS)],
    "integers": [values(SEED + 201 + step, integers=True) for step in range(STEPS)],
}


class KeepsPrecision:
    """Within it, tensors that are to become bfloat16 keep their type."""

    def __enter__(self):
        self.to = to = torch.Tensor.to

        def keeping(tensor, *args, **kwargs):
            return tensor.clone() if kwargs.get("dtype") is torch.bfloat16 else to(tensor, *args, **kwargs)

        torch.Tensor.to = keeping

    def __exit__(self, *_):
        torch.Tensor.to = self.to


def run(make, names, options, ours, gradients, dtype, states):
    parameters = {
        name: torch.nn.Parameter(torch.from_numpy(START[name].reshape(SHAPES[name]).copy()).to(dtype)) for name in names
    }
    optimizer = make(list(parameters.values()), **options)
    trace = {name: {} for name in names}
    for step in range(STEPS):
        for name, parameter in parameters.items():
            parameter.grad = torch.from_numpy(GRADIENTS[gradients][step][name].reshape(SHAPES[name])).to(dtype)
        optimizer.step()
        for name, parameter in parameters.items():
            own = {key: optimizer.state[parameter].get(theirs) for key, theirs in states.items()}
            arrays = {"parameter": parameter.detach()} | {key: value for key, value in own.items() if value is not None}
            for key, value in arrays.items():
                flat = value.numpy().ravel()
                trace[name].setdefault(key, []).append(to_hex(flat) if dtype is torch.float32 else flat.tolist())
    return {"frameworkOptions": options, "options": ours, "gradients": gradients, "arrays": trace}


def adafactor():
    states = {"rowAverage": "row_var", "columnAverage": "col_var", "squareAverage": "variance"}
    cases = [
        ({}, {}),
        ({"lr": 0.1}, {"learningRate": 0.1}),
        ({"lr": 2.0, "beta2_decay": -0.3}, {"learningRate": 2.0, "beta2Decay": -0.3}),
        ({"weight_decay": 0.1}, {"weightDecay": 0.1}),
        ({"maximize": True}, {"maximize": True}),
        ({"eps": [1e-3, 0.5], "d": 1.25}, {"eps1": 1e-3, "eps2": 0.5, "clipThreshold": 1.25}),
    ]
    return [
        run(torch.optim.Adafactor, list(SHAPES), theirs, ours, gradients, torch.float32, states)
        for theirs, ours in cases
        for gradients in GRADIENTS
    ]


def muon():
    names = [name for name, shape in SHAPES.items() if len(shape) == 2]
    options = [
        ({}, {}),
        ({"lr": 0.05, "weight_decay": 0.0}, {"learningRate": 0.05, "weightDecay": 0.0}),
        ({"momentum": 0.4, "nesterov": False}, {"momentum": 0.4, "nesterov": False}),
        ({"ns_steps": 2}, {"nsSteps": 2}),
        ({"ns_coefficients": [2.0, -1.5, 0.5]}, {"nsCoefficients": [2.0, -1.5, 0.5]}),
        ({"adjust_lr_fn": "match_rms_adamw"}, {"rateAdjustment": "matchRmsAdamW"}),
        ({"adjust_lr_fn": "spectral_unclamped"}, {"rateAdjustment": "spectralUnclamped"}),
    ]
    with KeepsPrecision():
        return [
            run(torch.optim.Muon, names, theirs, ours, "random", torch.float64, {"momentumBuffer": "momentum_buffer"})
            for theirs, ours in options
        ]


def main():
    with ExactSqrt():
        about = {"framework": "PyTorch", "version": torch.__version__.partition("+")[0], "shapes": SHAPES}
        flat = lambda named: {name: to_hex(value) for name, value in named.items()}
        sets = {name: [flat(step) for step in steps] for name, steps in GRADIENTS.items()}
        write(
            "matrices",
            about | {"parameters": flat(START), "gradients": sets, "adafactor": adafactor(), "muon": muon()},
        )


if __name__ == "__main__":
    main()
