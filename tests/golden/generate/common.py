"""What all generators share: the gradients, the list of options, the recording of a run, and the files."""

import itertools
import json
import math
import os
import pathlib
from dataclasses import dataclass, field

import numpy as np

VECTORS = pathlib.Path(os.environ.get("GOLDEN_VECTORS", pathlib.Path(__file__).parent.parent / "vectors"))
SHAPES = {"a": 19, "b": 5}
STEPS = 10
SEED = 20120601

# What the columns of the two parameters are made of: a scale for uniform numbers in [-2, 2), or one of the words below.
KINDS = {
    # Every magnitude, but no subnormal number on the way to any result.
    "wide": {
        "a": ["zero", "late", "constant", 1e-30, 1e-12, 1e-9, 1e-6, 1e-3, 1e3, 1e10, 1e18, "overflow", "sparse"]
        + [1] * 6,
        "b": [1, 1e-3, "late", 30, "huge step"],
    },
    "moderate": {
        "a": ["zero", "late", "constant", 1e-3, 1e-2, 10, 100, "sparse"] + [1] * 11,
        "b": [1, 1e-3, "late", 30, "constant"],
    },
    # Sums of squares are exact in any order, so norms are too.
    "integers": {"a": ["zero"] + ["integer"] * 18, "b": ["integer"] * 4 + ["zero"]},
    # As before, but in one step a norm overflows float32.
    "spike": {"a": ["zero"] + ["integer"] * 18, "b": ["integer"] * 3 + ["spike", "zero"]},
    # Squares, and some of the gradients themselves, are subnormal or vanish.
    "tiny": {
        "a": [1e-17, 1e-18, 1e-19, 1e-20, 1e-21, 1e-22, 1e-23, 1e-30, 1e-37, 1e-38, 1e-39, 1e-42, 1e-45] + [1] * 6,
        "b": [1e-18, 1e-20, 1e-22, 1, 1e-40],
    },
}


def random_source(seed):
    """mulberry32, as in tests/helpers/random.ts: uniform in [0, 1)."""
    state = seed & 0xFFFFFFFF

    def next_uniform():
        nonlocal state
        state = (state + 0x6D2B79F5) & 0xFFFFFFFF
        z = ((state ^ (state >> 15)) * (state | 1)) & 0xFFFFFFFF
        z ^= (z + (((z ^ (z >> 7)) * (z | 61)) & 0xFFFFFFFF)) & 0xFFFFFFFF
        return (z ^ (z >> 14)) / 2**32

    return next_uniform


def element(kind, step, uniform):
    """One gradient element of a step counted from 1; `uniform` is in [0, 1)."""
    signed = (uniform * 2 - 1) * 2
    match kind:
        case "zero":
            return math.copysign(0.0, signed)
        case "late":
            return signed if step > 6 else 0.0
        case "constant":
            return 0.75
        case "sparse":
            return signed if step % 3 == 1 else 0.0
        case "overflow":
            return signed if step <= 4 else signed * 1e20
        case "huge step":
            return signed * 1e20 if step == 7 else signed
        case "spike" if step == 7:
            return 1e20
        case "spike" | "integer":
            return float(math.floor(uniform * 17) - 8)
        case scale:
            return signed * scale


def gradient_sequence(kinds, seed, steps=20):
    uniform = random_source(seed)
    return [
        {
            name: np.array([element(kind, step, uniform()) for kind in column], np.float32)
            for name, column in kinds.items()
        }
        for step in range(1, steps + 1)
    ]


def start_values():
    uniform = random_source(SEED)
    values = {
        name: np.array([(uniform() * 2 - 1) * 2 for _ in range(size)], np.float32) for name, size in SHAPES.items()
    }
    values["a"][14] = 0
    values["a"][15] = 100
    values["b"][1] = -1e-3
    return values


GRADIENTS = {name: gradient_sequence(kinds, SEED + 1 + index) for index, (name, kinds) in enumerate(KINDS.items())}
RATES = [0.01 * 0.7**step for step in range(STEPS)]
MISSING = {"a": [5], "b": [1, 2, 7, 10]}


@dataclass
class Case:
    """One run, in the words of Lanewise and of the framework; options are those that differ from the defaults."""

    optimizer: str
    dialect: str
    options: dict
    framework_options: dict
    name: str = ""
    gradients: str = "wide"
    steps: int = STEPS
    # Steps, counted from 1, at which a parameter has no gradient.
    missing: dict = field(default_factory=dict)
    # The learning rate of each step, where it changes.
    learning_rates: list = field(default_factory=list)
    # Options that are changed before a step, counted from 1, in the words of Lanewise.
    changes: dict = field(default_factory=dict)
    # Options of single parameters, where they differ, in the words of Lanewise.
    parameter_options: dict = field(default_factory=dict)
    # Framework options that Lanewise has no word for: the case is there to be read, not to be matched.
    framework_only: list = field(default_factory=list)
    # After which step to save the framework's own state.
    checkpoint_step: int = 0

    def __post_init__(self):
        if not self.name:
            words = [case_word(key, value) for key, value in self.options.items()]
            words += [case_word(key, self.framework_options[key]) for key in self.framework_only]
            words += [
                f"{name}:{case_word(*item)}" for name, own in self.parameter_options.items() for item in own.items()
            ]
            words += [f"{step}:{case_word(*item)}" for step, own in self.changes.items() for item in own.items()]
            words += ["schedule"] if self.learning_rates else []
            words += ["missing"] if self.missing else []
            self.name = " ".join(words or ["defaults"])
        if self.gradients != "wide":
            self.name += f" ({self.gradients})"


def case_word(key, value):
    return key if value is True else f"{key}={value}"


def combinations(*axes):
    """Every merge of one dict of each axis."""
    for parts in itertools.product(*axes):
        yield {key: value for part in parts for key, value in part.items()}


def renamed(options, names):
    """The options under the framework's names."""
    return {names[key]: value for key, value in options.items()}


def run(case, start):
    """
    Runs a case. `start(case, values)` makes the framework's optimizer and returns `step(gradients, learning_rate)`,
    `read()`, which gives {parameter: {array: values or None}}, and, if it can, `save()` for its own state.
    """
    values = {name: value.copy() for name, value in start_values().items()}
    run_of = start(case, values)
    arrays = {name: {} for name in SHAPES}
    checkpoint = None
    for step in range(1, case.steps + 1):
        gradients = {
            name: None if step in case.missing.get(name, []) else value.copy()
            for name, value in GRADIENTS[case.gradients][step - 1].items()
        }
        if step in case.changes:
            run_of.change(case.changes[step])
        run_of.step(gradients, case.learning_rates[step - 1] if case.learning_rates else None)
        for name, states in run_of.read().items():
            for state, value in states.items():
                arrays[name].setdefault(state, [None] * (step - 1)).append(None if value is None else to_hex(value))
        if step == case.checkpoint_step:
            checkpoint = {"step": step, "entries": run_of.save()}
    record = {
        "name": case.name,
        "optimizer": case.optimizer,
        "dialect": case.dialect,
        "frameworkOptions": case.framework_options,
        "options": case.options,
        "gradients": case.gradients,
    }
    optional = {
        "parameterOptions": case.parameter_options,
        "learningRates": case.learning_rates,
        "changes": {str(step): own for step, own in case.changes.items()},
        "missing": case.missing,
        "frameworkOnly": case.framework_only,
        "checkpoint": checkpoint,
    }
    return record | {key: value for key, value in optional.items() if value} | {"arrays": arrays}


def saved_array(name, value):
    """An entry of a saved state: a name, a type, a shape and the bits."""
    value = np.asarray(value)
    data = to_hex(value) if value.dtype == np.float32 else value.ravel().tolist()
    return {"name": name, "dtype": str(value.dtype), "shape": list(value.shape), "data": data}


def to_hex(values):
    """Float32 bit patterns, 8 hexadecimal digits each; every NaN is 7fc00000."""
    values = np.array(values, np.float32).ravel()
    bits = values.view(np.uint32)
    bits[np.isnan(values)] = 0x7FC00000
    return bits.astype(">u4").tobytes().hex()


def from_hex(text):
    return np.frombuffer(bytes.fromhex(text), ">u4").astype(np.uint32).view(np.float32)


def write_gradients():
    start = {name: to_hex(value) for name, value in start_values().items()}
    sets = {
        name: {parameter: [to_hex(step[parameter]) for step in steps] for parameter in SHAPES}
        for name, steps in GRADIENTS.items()
    }
    write("gradients", {"seed": SEED, "shapes": SHAPES, "parameters": start, "gradients": sets})


def write_cases(name, about, cases):
    """`about` tells of the framework, of the machine, and which of its state arrays is which of Lanewise's."""
    names = [case["optimizer"] + case["name"] for case in cases]
    twice = {name for name in names if names.count(name) > 1}
    assert not twice, f"not unique: {twice}"
    write(name, about | {"cases": cases})


def write(name, content):
    path = VECTORS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_json(content) + "\n")
    print(f"{path.name}: {len(content.get('cases', []))} cases, {path.stat().st_size} bytes")


def to_json(value, indent=0, column=0):
    """JSON with a line for each entry of an object or array, but short arrays of plain values on one line."""
    flat = json.dumps(value, ensure_ascii=False)
    if value in ({}, []) or not isinstance(value, (dict, list)):
        return flat
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        lines = []
        for key, item in value.items():
            label = f"{inner}{json.dumps(key, ensure_ascii=False)}: "
            lines.append(label + to_json(item, indent + 2, len(label)))
        return "{\n" + ",\n".join(lines) + "\n" + " " * indent + "}"
    simple = not any(isinstance(item, (dict, list)) for item in value)
    if simple and column + len(flat) + 1 <= 120:
        return flat
    return (
        "[\n" + ",\n".join(inner + to_json(item, indent + 2, indent + 2) for item in value) + "\n" + " " * indent + "]"
    )


if __name__ == "__main__":
    write_gradients()
