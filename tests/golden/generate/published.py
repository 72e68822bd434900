"""Checks that the formulas of emulate.py, in float64 and in float32, give the numbers of vectors/published.json."""

import json
import sys

import numpy as np

import emulate
from common import VECTORS

INPUTS = np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])
NEIGHBOURS = {"Adam": "torch.optim.Adam", "AdaGrad": "torch.optim.Adagrad", "SGD": "torch.optim.SGD"}


def gradient(entry, p, step):
    match entry["objective"]:
        case "given":
            return {name: np.array(value) for name, value in entry["gradients"][step].items()}
        case "sum of squares":
            return {name: 2 * value for name, value in p.items()}
        case "network":
            return network_gradient({name: value.astype(np.float64) for name, value in p.items()})


def network_gradient(p):
    """Of the sum of the outputs of sigmoid(W₂·sigmoid(W₁·x + b₁) + b₂) over INPUTS."""
    hidden = sigmoid(INPUTS @ p["0.weight"].reshape(3, 2).T + p["0.bias"])
    output = sigmoid(hidden @ p["2.weight"].reshape(3, 1) + p["2.bias"])
    at_output = output * (1 - output)
    at_hidden = at_output @ p["2.weight"].reshape(1, 3) * hidden * (1 - hidden)
    return {
        "0.weight": (at_hidden.T @ INPUTS).ravel(),
        "0.bias": at_hidden.sum(axis=0),
        "2.weight": (at_output.T @ hidden).ravel(),
        "2.bias": at_output.sum(axis=0),
    }


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


ARRAYS = {"averages": "parameterAverage", "squareAverages": "squareAverage"}


def check(entry, dtype):
    """The largest error of an entry, in units of what it tolerates."""
    emulate.F = dtype
    update, defaults = emulate.NEIGHBOURS.get(NEIGHBOURS.get(entry["optimizer"])) or emulate.DIALECTS[entry["dialect"]]
    o = emulate.Bag(emulate.NONE, defaults, entry["options"])
    p = {name: np.array(value, dtype) for name, value in entry["parameters"].items()}
    states = {name: emulate.new_state(o, value) for name, value in p.items()}
    expected = {each["after"]: each for each in entry["expected"]}
    worst = 0.0
    for step in range(max(expected)):
        for name, g in gradient(entry, p, step).items():
            states[name].t += 1
            p[name] = update(o, states[name], p[name], g.astype(dtype), o.learningRate)
        emulate.average_parameters(o, entry["dialect"], states, p, step, [])
        for key, values in expected.get(step + 1, {}).items():
            if key != "after":
                actual = p if key == "parameters" else {name: getattr(s, ARRAYS[key]) for name, s in states.items()}
                worst = max(worst, *(error(actual[name], value, entry["tolerance"]) for name, value in values.items()))
    return worst


def error(actual, expected, tolerance):
    allowed = tolerance["absolute"] + tolerance["relative"] * np.abs(expected)
    return float((np.abs(actual - np.array(expected)) / allowed).max())


def main():
    failed = False
    for entry in json.loads((VECTORS / "published.json").read_text())["entries"]:
        worst = {dtype.__name__: check(entry, dtype) for dtype in (np.float64, np.float32)}
        print(entry["name"], ", ".join(f"{name}: {value:.3f} of the tolerance" for name, value in worst.items()))
        failed |= max(worst.values()) > 1
    sys.exit(failed)


if __name__ == "__main__":
    main()
