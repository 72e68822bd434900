"""
How far the frameworks as they are shipped, with their own roots and fused operations, are from the formulas of
emulate.py: `distances.py keras2|keras3-jax|optax|optax-jit|paddle|pytorch`, in the environment of that framework. For
PyTorch, ATEN_CPU_CAPABILITY chooses the build: default, avx2, avx512.

A line for each set of options and kind of gradients, after 10 and after 40 steps: the part of the elements that are
identical, and the median, the 99th percentile and the largest of the distances, in units in the last place of the
largest number that the element has been, and the largest relative to the way that the element has gone.
"""

import os
import sys

import numpy as np

FRAMEWORK = sys.argv[1]
SEEDS, ELEMENTS, STEPS = 8, 4096, 40

if FRAMEWORK == "keras3-jax":
    os.environ["KERAS_BACKEND"] = "jax"

from emulate import DIALECTS, NONE, Bag  # noqa: E402

KINDS = {
    # Gradients around 0; with a mean of ten deviations; that hardly vary; and that do not.
    "random": lambda random, base: random.standard_normal(ELEMENTS) * base,
    "biased": lambda random, base: (1 + random.standard_normal(ELEMENTS) / 10) * base,
    "nearly constant": lambda random, base: (1 + random.standard_normal(ELEMENTS) / 1000) * base,
    "constant": lambda random, base: base,
}
OPTIONS = [{}, {"momentum": 0.9}, {"centered": True}, {"centered": True, "momentum": 0.9}, {"centered": True, "decay": 0.9}]


def start_of_framework():
    """`dialect, case(options), start(case, values)` of one framework."""
    if FRAMEWORK == "pytorch":
        import pytorch

        return "pytorch", lambda options: pytorch.case("RMSprop", "pytorch", options), pytorch.start
    if FRAMEWORK == "keras2":
        import tf_keras_

        make = lambda options: tf_keras_.case("tf_keras.optimizers.RMSprop", "keras2", options)
        return "keras2", make, tf_keras_.Keras2Run
    if FRAMEWORK == "keras3-jax":
        import keras3

        return "keras3", keras3.case, keras3.KerasRun
    if FRAMEWORK == "paddle":
        import paddle_

        return "paddle", paddle_.case, paddle_.WholeRun
    import jax
    import optax_

    if FRAMEWORK == "optax":
        return "optax", optax_.case, optax_.OptaxRun
    jax.config.update("jax_disable_jit", False)

    class JitRun(optax_.OptaxRun):
        def __init__(self, case, values):
            super().__init__(case, values)

            def update(gradients, state, parameters):
                updates, state = self.optimizer.update(gradients, state, parameters)
                return optax_.optax.apply_updates(parameters, updates), state

            self.jitted = jax.jit(update)

        def step(self, gradients, learning_rate):
            self.parameters, self.state = self.jitted(gradients, self.state, self.parameters)

    return "optax", optax_.case, JitRun


def follow(dialect, case, start, kind, seed):
    """Distances of one run after 10 and after all steps, in units and relative to the way gone."""
    random = np.random.default_rng(seed)
    base = 10.0 ** random.integers(-3, 3, ELEMENTS)
    values = random.uniform(-2, 2, ELEMENTS).astype(np.float32)
    update, defaults = DIALECTS[dialect]
    options = Bag(NONE, defaults, case.options)
    zeros = np.zeros_like(values)
    names = ["gradientAverage", "momentumBuffer"]
    state = Bag({"squareAverage": zeros + np.float32(options.initialScale), "t": 0}, {name: zeros for name in names})
    framework = start(case, {"a": values.copy()})
    mine = values.copy()
    largest = np.abs(values)
    away = []
    for step in range(1, STEPS + 1):
        gradient = KINDS[kind](random, base).astype(np.float32)
        framework.step({"a": gradient.copy()}, None)
        state.t += 1
        mine = update(options, state, mine, gradient, options.learningRate)
        largest = np.fmax(largest, np.abs(mine))
        if step in (10, STEPS):
            theirs = np.array(framework.read()["a"]["parameter"])
            known = np.isfinite(theirs) & np.isfinite(mine)
            distance = np.abs(theirs.astype(float) - mine)
            units = (distance / np.spacing(largest))[known]
            way = np.abs(mine.astype(float) - values)
            away.append((units, (distance / np.maximum(way, np.spacing(largest)))[known], 1 - known.mean()))
    return away


def main():
    dialect, make, start = start_of_framework()
    print(f"{FRAMEWORK}, {SEEDS} × {ELEMENTS} elements: steps, identical, median, 99 %, worst unit; worst of the way; NaN")
    for options in OPTIONS:
        for kind in KINDS:
            runs = [follow(dialect, make(options), start, kind, seed) for seed in range(SEEDS)]
            for k, steps in enumerate([10, STEPS]):
                units = np.concatenate([run[k][0] for run in runs])
                way = max(run[k][1].max() for run in runs)
                lost = np.mean([run[k][2] for run in runs])
                numbers = f"{np.mean(units == 0):.3f} {np.median(units):.2f} {np.quantile(units, 0.99):.2f} {units.max():.1f}"
                print(f"{' '.join(options) or 'plain'}, {kind}: {steps} {numbers} {way:.1e} {lost:.4f}", flush=True)


if __name__ == "__main__":
    main()
