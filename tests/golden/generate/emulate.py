"""
Recomputes every case with NumPy, one float32 rounding an operation, from the formulas below and nothing else, and says
how far the frameworks' bits are from them. Exits with 1 if a case differs in a file that is not called approximate.

F(x) rounds a hyper-parameter, a Python float, to float32; everything else in the formulas is float32 already.
"""

import contextlib
import ctypes
import json
import math
import sys

import numpy as np

from common import GRADIENTS, SHAPES, VECTORS, from_hex, start_values

F = np.float32
np.seterr(all="ignore")


class Bag:
    """Attributes from dicts."""

    def __init__(self, *dicts):
        for each in dicts:
            self.__dict__.update(each)


# One function for each dialect: the next p. `o` are the options, `s` the state; `s.t` counts the parameter's steps.


def pytorch(o, s, p, g, lr):
    g = -g if o.maximize else g
    if o.weightDecay:
        g = g + F(o.weightDecay) * p
    v = s.squareAverage = s.squareAverage * F(o.decay) + (F(1 - o.decay) * g) * g
    if o.centered:
        m = s.gradientAverage = lerp(s.gradientAverage, g, F(1 - o.decay))
        v = v + (F(-1) * m) * m
    d = np.sqrt(v) + F(o.eps)
    if o.momentum > 0:
        b = s.momentumBuffer = s.momentumBuffer * F(o.momentum) + g / d
        return p + F(-lr) * b
    return p + (F(-lr) * g) / d


def lerp(start, end, weight):
    if abs(weight) < 0.5:
        return start + weight * (end - start)
    return end + (weight - F(1)) * (end - start)


def keras3(o, s, p, g, lr):
    p = keras_decay(o, p, lr)
    d = keras_denominator(o, s, g)
    return minus_momentum(o, s, p, (F(lr) * g) / np.sqrt(d))


def keras3_torch(o, s, p, g, lr):
    if o.weightDecay:
        p = p * (F(1) - F(o.weightDecay) * F(lr))
    v = s.squareAverage = s.squareAverage * F(o.decay) + F(1 - o.decay) * (g * g)
    d = v + F(o.eps)
    if o.centered:
        m = s.gradientAverage = s.gradientAverage * F(o.decay) + F(1 - o.decay) * g
        d = d + F(-1) * (m * m)
    return minus_momentum(o, s, p, (g * F(lr)) / np.sqrt(d))


def keras2(o, s, p, g, lr):
    p = keras_decay(o, p, lr)
    d = keras_denominator(o, s, g)
    return minus_momentum(o, s, p, (F(lr) * g) * (F(1) / np.sqrt(d)))


def keras_decay(o, p, lr):
    return p - (p * F(o.weightDecay)) * F(lr) if o.weightDecay else p


def keras_denominator(o, s, g):
    v = s.squareAverage = F(o.decay) * s.squareAverage + F(1 - o.decay) * (g * g)
    if o.centered:
        m = s.gradientAverage = F(o.decay) * s.gradientAverage + F(1 - o.decay) * g
        v = v - m * m
    return v + F(o.eps)


def minus_momentum(o, s, p, u):
    if o.momentum > 0:
        u = s.momentumBuffer = F(o.momentum) * s.momentumBuffer + u
    return p - u


def tf1(o, s, p, g, lr):
    q = F(1) - F(o.decay)
    v = s.squareAverage = s.squareAverage + (g * g - s.squareAverage) * q
    if o.centered:
        m = s.gradientAverage = s.gradientAverage + (g - s.gradientAverage) * q
        v = v - m * m
    b = s.momentumBuffer = s.momentumBuffer * F(o.momentum) + (g * F(lr)) / np.sqrt(v + F(o.eps))
    return p - b


def tf_keras_legacy(o, s, p, g, lr):
    o.eps = o.eps or 1e-7
    if o.momentum > 0:
        return tf1(o, s, p, g, lr)
    q = F(1) - F(o.decay)
    v = s.squareAverage = F(o.decay) * s.squareAverage + q * (g * g)
    if o.centered:
        m = s.gradientAverage = F(o.decay) * s.gradientAverage + q * g
        v = v - m * m
    return p - (F(lr) * g) / (np.sqrt(v) + F(o.eps))


def optax(o, s, p, g, lr):
    if o.weightDecay:
        g = g + F(o.weightDecay) * p
    v = s.squareAverage = F(1 - o.decay) * (g * g) + F(o.decay) * s.squareAverage
    correction = F(1) - power(F(o.decay), s.t) if o.biasCorrection else F(1)
    v = v * (F(1) / correction)
    if o.centered:
        m = s.gradientAverage = F(1 - o.decay) * g + F(o.decay) * s.gradientAverage
        m = m * (F(1) / correction)
        v = v - m * m
    if o.epsPlacement == "inside":
        scale = F(1) / np.sqrt(v + F(o.eps))
    else:
        scale = F(1) / (np.sqrt(v) + F(o.eps))
    u = F(-lr) * (scale * g)
    if o.momentum is not None:
        b = s.momentumBuffer = u + F(o.momentum) * s.momentumBuffer
        u = u + F(o.momentum) * b if o.nesterov else b
    return p + u


def power(base, exponent):
    """By repeated squaring, from the lowest bit of the exponent, each product rounded."""
    result = F(1)
    while exponent:
        if exponent % 2:
            result = result * base
        base = base * base
        exponent //= 2
    return result


def tfjs(o, s, p, g, lr):
    v = s.squareAverage = s.squareAverage * F(o.decay) + (g * g) * F(1 - o.decay)
    if o.centered:
        m = s.gradientAverage = s.gradientAverage * F(o.decay) + g * F(1 - o.decay)
        d = v - (m * m + F(o.eps))
    else:
        d = v + F(o.eps)
    b = s.momentumBuffer = s.momentumBuffer * F(o.momentum) + (g * F(lr)) / np.sqrt(d)
    return p - b


def mxnet1(o, s, p, g, lr):
    g = clamp(F(o.rescale_grad) * g + F(o.weightDecay) * p, o.clipValue)
    q = F(1) - F(o.decay)
    if not o.centered:
        v = s.squareAverage = q * (g * g) + F(o.decay) * s.squareAverage
        return clamp(p - F(lr) * (g / np.sqrt(v + F(o.eps))), o.clip_weights)
    v = s.squareAverage = (q * g) * g + F(o.decay) * s.squareAverage
    m = s.gradientAverage = q * g + F(o.decay) * s.gradientAverage
    b = s.momentumBuffer = F(o.momentum) * s.momentumBuffer - (F(lr) * g) / np.sqrt((v - m * m) + F(o.eps))
    return clamp(p + b, o.clip_weights)


def mxnet2(o, s, p, g, lr):
    g = clamp(F(o.rescale_grad) * g, o.clipValue) + F(o.weightDecay) * p
    q = F(1) - F(o.decay)
    v = s.squareAverage = q * (g * g) + F(o.decay) * s.squareAverage
    if not o.centered:
        return clamp(p - (F(lr) * g) / (np.sqrt(v) + F(o.eps)), o.clip_weights)
    m = s.gradientAverage = q * g + F(o.decay) * s.gradientAverage
    b = s.momentumBuffer = F(o.momentum) * s.momentumBuffer - (F(lr) * g) / np.sqrt((v - m * m) + F(o.eps))
    return clamp(p + b, o.clip_weights)


def clamp(x, bound):
    return np.clip(x, F(-bound), F(bound)) if bound else x


def paddle(o, s, p, g, lr):
    if o.weightDecay:
        g = g + F(o.weightDecay) * p
    q = F(1) - F(o.decay)
    v = s.squareAverage = F(o.decay) * s.squareAverage + (q * g) * g
    if o.centered:
        m = s.gradientAverage = F(o.decay) * s.gradientAverage + q * g
        v = v - m * m
    b = s.momentumBuffer = F(o.momentum) * s.momentumBuffer + (F(lr) * g) / np.sqrt(v + F(o.eps))
    return p - b


def timm(o, s, p, g, lr):
    if o.weightDecay:
        if o.decoupledWeightDecay:
            rate = lr if not o.corrected_weight_decay else lr**2 / o.learningRate
            p = p * F(1 - rate * o.weightDecay)
        else:
            g = g + F(o.weightDecay) * p
    q = F(1 - o.decay)
    v = s.squareAverage = s.squareAverage + q * (g * g - s.squareAverage)
    if o.centered:
        m = s.gradientAverage = s.gradientAverage + q * (g - s.gradientAverage)
        v = v + (F(-1) * m) * m
    d = np.sqrt(v + F(o.eps))
    if o.momentum > 0 and o.rateInMomentum:
        b = s.momentumBuffer = s.momentumBuffer * F(o.momentum) + (F(lr) * g) / d
        return p - (cautious(b, g) if o.caution else b)
    if o.momentum > 0:
        b = s.momentumBuffer = s.momentumBuffer * F(o.momentum) + g / d
        return p + F(-lr) * (cautious(b, g) if o.caution else b)
    return p + (F(-lr) * g) / d


def cautious(b, g):
    mask = (b * g > 0).astype(np.float32)
    return b * (mask / max(F(mask.sum() / F(mask.size)), F(1e-3)))


def adam(o, s, p, g, lr):
    g = -g if o.maximize else g
    if o.weightDecay and o.decoupledWeightDecay:
        p = p * F(1 - lr * o.weightDecay)
    elif o.weightDecay:
        g = g + F(o.weightDecay) * p
    m = s.gradientAverage = lerp(s.gradientAverage, g, F(1 - o.beta1))
    v = s.squareAverage = s.squareAverage * F(o.beta2) + (F(1 - o.beta2) * g) * g
    if o.amsgrad:
        v = s.maxSquareAverage = np.maximum(s.maxSquareAverage, v)
    d = np.sqrt(v) / F(math.sqrt(1 - o.beta2**s.t)) + F(o.eps)
    if o.caution:
        m = cautious(m, g)
    return p + (F(-lr / (1 - o.beta1**s.t)) * m) / d


def adagrad(o, s, p, g, lr):
    g = -g if o.maximize else g
    if o.weightDecay:
        g = g + F(o.weightDecay) * p
    s.squareSum = s.squareSum + (F(1) * g) * g
    lr = lr / (1 + (s.t - 1) * o.learningRateDecay)
    return p + (F(-lr) * g) / (np.sqrt(s.squareSum) + F(o.eps))


def sgd(o, s, p, g, lr):
    g = -g if o.maximize else g
    if o.weightDecay:
        g = g + F(o.weightDecay) * p
    if o.momentum:
        b = s.momentumBuffer * F(o.momentum) + F(1 - o.dampening) * g if s.hasBuffer else g
        s.momentumBuffer = b
        s.hasBuffer = True
        d = g + F(o.momentum) * b if o.nesterov else b
        g = cautious(d, g) if o.caution else d
    return p + F(-lr) * g


NONE = {
    "momentum": 0.0,
    "nesterov": False,
    "centered": False,
    "initialScale": 0.0,
    "weightDecay": 0.0,
    "decoupledWeightDecay": False,
    "biasCorrection": False,
    "maximize": False,
    "clipNorm": None,
    "clipValue": None,
    "globalClipNorm": None,
    "emaDecay": None,
    "accumulationSteps": 1,
    "caution": False,
}

MXNET = {"learningRate": 1e-3, "decay": 0.9, "eps": 1e-8, "momentum": 0.9, "rescale_grad": 1, "clip_weights": None}
TIMM = {"rateInMomentum": True, "corrected_weight_decay": False}

# The function and the defaults of each dialect, and of the neighbours of RMSprop.
DIALECTS = {
    "pytorch": (pytorch, {"learningRate": 1e-2, "decay": 0.99, "eps": 1e-8}),
    "keras3": (keras3, {"learningRate": 1e-3, "decay": 0.9, "eps": 1e-7}),
    "keras3-torch": (keras3_torch, {"learningRate": 1e-3, "decay": 0.9, "eps": 1e-7}),
    "keras2": (keras2, {"learningRate": 1e-3, "decay": 0.9, "eps": 1e-7, "ema_overwrite_frequency": 100}),
    "tf-keras-legacy": (tf_keras_legacy, {"learningRate": 1e-3, "decay": 0.9, "eps": 1e-7}),
    "tf1": (tf1, {"decay": 0.9, "eps": 1e-10, "initialScale": 1.0}),
    "optax": (optax, {"decay": 0.9, "eps": 1e-8, "epsPlacement": "inside", "momentum": None}),
    "tfjs": (tfjs, {"decay": 0.9, "eps": 1e-7}),
    "mxnet1": (mxnet1, MXNET),
    "mxnet2": (mxnet2, MXNET),
    "paddle": (paddle, {"decay": 0.95, "eps": 1e-6}),
    "timm": (timm, {"learningRate": 1e-2, "decay": 0.9, "eps": 1e-10, "initialScale": 1.0, **TIMM}),
}
ADAM = {"learningRate": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "amsgrad": False}
NEIGHBOURS = {
    "torch.optim.Adam": (adam, ADAM),
    "torch.optim.AdamW": (adam, ADAM | {"weightDecay": 1e-2, "decoupledWeightDecay": True}),
    "torch.optim.Adagrad": (adagrad, {"learningRate": 1e-2, "eps": 1e-10, "learningRateDecay": 0.0}),
    "torch.optim.SGD": (sgd, {"learningRate": 1e-3, "dampening": 0.0}),
    "timm.optim.AdamWLegacy": (adam, ADAM | {"weightDecay": 1e-2, "decoupledWeightDecay": True}),
    "timm.optim.SGDW": (sgd, {"learningRate": 1e-3, "dampening": 0.0}),
}


def clipped(o, dialect, gradients):
    """Gradients of one step, by parameter, after clipping by value, by norm or by global norm."""
    sums = {name: math.fsum(float(x) ** 2 for x in g) for name, g in gradients.items()}
    norms = {name: np.sqrt(F(each)) for name, each in sums.items()}
    if o.clipNorm:
        c = F(o.clipNorm)
        if dialect == "paddle":
            return {name: g * (c / norms[name]) if norms[name] > c else g for name, g in gradients.items()}
        return {name: (g * c) / np.maximum(norms[name], c) for name, g in gradients.items()}
    if o.globalClipNorm and dialect in ("pytorch", "timm"):
        norm = np.sqrt(sum(each * each for each in norms.values()))
        factor = np.minimum((F(1) / (norm + F(1e-6))) * F(o.globalClipNorm), F(1))
        return {name: g * factor for name, g in gradients.items()}
    if o.globalClipNorm:
        c = F(o.globalClipNorm)
        norm = np.sqrt(F(sum(sums.values())))
        if dialect == "optax":
            return {name: g if norm < c else (g * (F(1) / norm)) * c for name, g in gradients.items()}
        if dialect == "paddle":
            return {name: g * (c / np.maximum(norm, c)) for name, g in gradients.items()}
        scale = c * np.minimum(F(1) / norm, F(1) / c) + (norm - norm)
        return {name: g * scale for name, g in gradients.items()}
    if o.clipValue and not dialect.startswith("mxnet"):
        return {name: clamp(g, o.clipValue) for name, g in gradients.items()}
    return gradients


def clip_by_global_norm(bound, gradients, p):
    return clipped(Bag(NONE, {"globalClipNorm": bound}), "optax", gradients)


def clip_by_block_rms(bound, gradients, p):
    rms = {name: np.sqrt(F(math.fsum(float(x) ** 2 for x in g)) / F(g.size)) for name, g in gradients.items()}
    return {name: g * (F(1) / np.maximum(F(1), rms[name] * (F(1) / F(bound)))) for name, g in gradients.items()}


def adaptive_grad_clip(bound, gradients, p):
    # Of vectors: all elements are one unit.
    norm = lambda x: np.sqrt(F(math.fsum(float(each) ** 2 for each in x)))
    most = {name: F(bound) * np.maximum(norm(p[name]), F(1e-3)) for name in gradients}
    return {
        name: g if norm(g) < most[name] else g * (most[name] / np.maximum(norm(g), F(1e-6)))
        for name, g in gradients.items()
    }


# Links of an Optax chain.
BEFORE = {
    "clip": lambda bound, gradients, p: {name: clamp(g, bound) for name, g in gradients.items()},
    "clip_by_global_norm": clip_by_global_norm,
    "clip_by_block_rms": clip_by_block_rms,
    "adaptive_grad_clip": adaptive_grad_clip,
}


@contextlib.contextmanager
def flushed_subnormals(on):
    """Within it, if on, the processor (x86) takes subnormal operands for zero and makes subnormal results zero."""
    libm = ctypes.CDLL("libm.so.6")
    before = (ctypes.c_ubyte * 32)()
    libm.fegetenv(before)
    changed = (ctypes.c_ubyte * 32)(*before)
    ctypes.c_uint32.from_buffer(changed, 28).value |= 0x8040 if on else 0
    libm.fesetenv(changed)
    try:
        yield
    finally:
        libm.fesetenv(before)


def emulate(case):
    """The arrays of a case."""
    dialect = case["dialect"]
    update, defaults = NEIGHBOURS.get(case["optimizer"]) or DIALECTS[dialect]
    only = {key: case["frameworkOptions"][key] for key in case.get("frameworkOnly", [])}
    own = {name: case.get("parameterOptions", {}).get(name, {}) for name in SHAPES}
    rate_decay = only.pop("decay", 0)  # what tf-keras-legacy calls so: of the learning rate, not of the average
    options = {name: Bag(NONE, defaults, only, case["options"], own[name]) for name in SHAPES}
    if case["frameworkOptions"].get("inject_hyperparams"):  # they are float32 from there on
        for each in options.values():
            each.decay = float(F(each.decay))
    p = start_values()
    states = {name: new_state(options[name], p[name]) for name in SHAPES}
    arrays = {name: {key: [] for key in case["arrays"][name]} for name in SHAPES}
    wait = options["a"].accumulationSteps
    for step in range(len(case["arrays"]["a"]["parameter"])):
        for each in options.values():
            each.__dict__.update(case.get("changes", {}).get(str(step + 1), {}))
        missing = [name for name in SHAPES if step + 1 in case.get("missing", {}).get(name, [])]
        gradients = {name: g for name, g in GRADIENTS[case["gradients"]][step].items() if name not in missing}
        if "loss_scale_factor" in only:
            gradients = {name: g / F(only["loss_scale_factor"]) for name, g in gradients.items()}
        if wait > 1:
            for name, g in gradients.items():
                s = states[name]
                if dialect == "optax":
                    s.sum = s.sum + (g - s.sum) * (F(1) / F(step % wait + 1))
                else:
                    s.sum = g + s.sum
            # Keras passes over what has no gradient in the call that updates, and drops its sum.
            scale = F(1) if dialect == "optax" else F(wait)
            gradients = {name: states[name].sum / scale for name in gradients}
        for name, bound in only.get("before", []):
            gradients = BEFORE[name](bound, gradients, p)
        if (step + 1) % wait == 0:
            for name, g in clipped(options["a"], dialect, gradients).items():
                states[name].t += 1
                lr = case["learningRates"][step] if "learningRates" in case else options[name].learningRate
                if rate_decay:
                    lr = F(lr) / (F(1) + F(rate_decay) * F(step))
                p[name] = update(options[name], states[name], p[name], g, lr)
            for name, s in states.items():
                s.sum = np.zeros_like(p[name])
        average_parameters(options["a"], dialect, states, p, step // wait, missing)
        for name in SHAPES:
            for key, values in arrays[name].items():
                values.append(p[name] if key == "parameter" else getattr(states[name], key))
    return arrays


def new_state(o, p):
    zeros = np.zeros_like(p)
    filled = zeros + F(o.initialScale)
    arrays = {"squareAverage": filled, "squareSum": filled, "parameterAverage": p, "t": 0, "hasBuffer": False}
    return Bag(arrays, {key: zeros for key in ["gradientAverage", "momentumBuffer", "maxSquareAverage", "sum"]})


def average_parameters(o, dialect, states, p, iteration, missing):
    """The moving average of the parameters, and in Keras what overwrites them with it."""
    if o.emaDecay is None:
        return
    for name, s in states.items():
        if dialect == "keras3":
            decay = F(iteration != 0) * F(o.emaDecay)
            s.parameterAverage = decay * s.parameterAverage + (F(1) - decay) * p[name]
        elif dialect == "pytorch" and iteration == 0:
            s.parameterAverage = p[name]
        elif dialect in ("pytorch", "timm", "tf1"):
            weight = F(1) - F(o.emaDecay) if dialect == "tf1" else F(1 - o.emaDecay)
            s.parameterAverage = s.parameterAverage + weight * (p[name] - s.parameterAverage)
        elif name not in missing:
            s.parameterAverage = F(o.emaDecay) * s.parameterAverage + F(1 - o.emaDecay) * p[name]
        frequency = getattr(o, "ema_overwrite_frequency", None)
        if frequency and (iteration + 1) % frequency == 0 and not (dialect == "keras2" and name in missing):
            p[name] = s.parameterAverage


def distances(text, mine):
    """How many float32 numbers each element of a case is away from mine. All NaN are one number; the zeros are two."""
    theirs = from_hex(text)
    both_nan = np.isnan(theirs) & np.isnan(mine)
    return np.where(both_nan, 0, np.abs(ordered(theirs) - ordered(mine)))


def ordered(x):
    """Integers in the order of the float32 numbers."""
    bits = x.view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(2**31) - 1 - bits, bits)


def compare(case, flush):
    """Where a case differs from the emulation: the worst element of each array, and how far it is away."""
    with flushed_subnormals(flush):
        mine = emulate(case)
    worst = {}
    for name, arrays in case["arrays"].items():
        for key, steps in arrays.items():
            largest = np.zeros(SHAPES[name], np.float32)
            for step, text in enumerate(steps):
                if text is None:
                    continue
                expected = mine[name][key][step]
                largest = np.fmax(largest, np.abs(expected))
                away = distances(text, expected)
                if away.max() > worst.get(key, {"numbers": 0})["numbers"]:
                    worst[key] = {"numbers": int(away.max()), "at": f"{name}[{away.argmax()}] after step {step + 1}"}
                if away.any():
                    units = (np.abs(from_hex(text) - expected) / np.spacing(largest))[away > 0]
                    worst[key]["units"] = max(worst[key].get("units", 0), float(units.max()))
    return worst


# Of these, tests/golden/lanewise.test.ts is the only comparison.
WITHOUT_FORMULA = ["pytorch-nadam", "lion-pytorch"]


def main():
    """
    A line for each file, and one for each array that differs from the emulation: by how many float32 numbers, and by how
    many units in the last place of the largest number that the element has been.
    """
    failed = False
    for path in sorted(VECTORS.glob("*.json")):
        file = json.loads(path.read_text())
        if "cases" not in file or (len(sys.argv) > 1 and path.stem not in sys.argv[1:]):
            continue
        if "dialect" not in file["cases"][0] or path.stem in WITHOUT_FORMULA:
            continue
        flushes = file.get("flushesSubnormals", False)
        results = [compare(case, flushes and case["gradients"] == "tiny") for case in file["cases"]]
        identical = results.count({})
        print(f"{path.name}: {file['framework']} {file['version']}, {len(results)} cases, {identical} bit-identical")
        for case, worst in zip(file["cases"], results):
            for key, each in worst.items():
                away = f"{each['numbers']} numbers at {each['at']}, {each.get('units', 0):.2f} units"
                print(f"    {case['optimizer']} {case['name']}: {key} {away}")
        failed |= identical < len(results) and not file.get("approximate", False)
    sys.exit(failed)


if __name__ == "__main__":
    main()
