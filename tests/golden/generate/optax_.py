"""optax.rmsprop in float32 on the CPU, one operation at a time (no jit)."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
import numpy as np
import optax

from common import RATES, Case, combinations, renamed, run, saved_array, write_cases

jax.config.update("jax_disable_jit", True)

STATES = {"squareAverage": "nu", "gradientAverage": "mu", "momentumBuffer": "trace (holds minus the update)"}
OPTION_NAMES = {
    "learningRate": "learning_rate",
    "decay": "decay",
    "eps": "eps",
    "momentum": "momentum",
    "centered": "centered",
    "nesterov": "nesterov",
    "initialScale": "initial_scale",
    "biasCorrection": "bias_correction",
}


class OptaxRun:
    def __init__(self, case, values):
        self.optimizer = make(case)
        self.parameters = {name: jnp.array(value) for name, value in values.items()}
        self.state = self.optimizer.init(self.parameters)

    def step(self, gradients, learning_rate):
        gradients = {name: jnp.array(value) for name, value in gradients.items()}
        updates, self.state = self.optimizer.update(gradients, self.state, self.parameters)
        self.parameters = optax.apply_updates(self.parameters, updates)

    def read(self):
        states = {}
        for path, value in jax.tree_util.tree_leaves_with_path(self.state):
            field, _, parameter = jax.tree_util.keystr(path, simple=True, separator="/").rpartition("/")
            for ours, theirs in {"squareAverage": "nu", "gradientAverage": "mu", "momentumBuffer": "trace"}.items():
                if field.endswith(theirs):
                    states.setdefault(parameter, {})[ours] = np.asarray(value)
        return {name: {"parameter": np.asarray(value)} | states[name] for name, value in self.parameters.items()}

    def save(self):
        """The leaves of the state, each with its path through the tree."""
        leaves = jax.tree_util.tree_leaves_with_path(self.state)
        return [saved_array(jax.tree_util.keystr(path, simple=True, separator="/"), value) for path, value in leaves]


def ieee_rsqrt(x):
    """XLA starts from an estimate of the processor and may miss this by 2 units in the last place."""
    return 1 / jnp.sqrt(x)


def make(case):
    options = dict(case.framework_options)
    before = options.pop("before", None)
    if case.learning_rates:
        rates = jnp.array(case.learning_rates, jnp.float32)
        options["learning_rate"] = lambda count: rates[count]
    wait = options.pop("every_k_schedule", None)
    injects = options.pop("inject_hyperparams", False)
    optimizer = (optax.inject_hyperparams(optax.rmsprop) if injects else optax.rmsprop)(**options)
    if before is not None:
        links = [before] if isinstance(before[0], str) else before
        optimizer = optax.chain(*(getattr(optax, name)(argument) for name, argument in links), optimizer)
    return optax.MultiSteps(optimizer, wait) if wait else optimizer


def case(options, before=None, **more):
    own = {key: value for key, value in options.items() if key in OPTION_NAMES and key != "learningRate"}
    kwargs = {"learning_rate": options.get("learningRate", 0.01)} | renamed(own, OPTION_NAMES)
    if "epsPlacement" in options:
        kwargs["eps_in_sqrt"] = options["epsPlacement"] == "inside"
    if before:
        kwargs["before"] = before
    if "accumulationSteps" in options:
        kwargs["every_k_schedule"] = options["accumulationSteps"]
    return Case("optax.rmsprop", "optax", {"learningRate": 0.01} | options, kwargs, **more)


def cases():
    yield from map(
        case,
        combinations(
            [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}],
            [{}, {"centered": True}],
            [{}, {"epsPlacement": "outside"}],
            [{}, {"biasCorrection": True}],
        ),
    )
    yield case({"learningRate": 0.05, "decay": 0.99, "eps": 1e-3})
    yield case({"decay": 0.5, "initialScale": 1.0, "momentum": 0.5, "centered": True})
    yield case({"decay": 0.99, "initialScale": 0.5, "biasCorrection": True, "epsPlacement": "outside", "eps": 1e-3})
    yield case({"momentum": 0.0})
    yield case({"eps": 0.0, "epsPlacement": "outside"})
    yield case({"centered": True, "momentum": 0.9, "biasCorrection": True}, gradients="moderate")
    yield case({}, learning_rates=RATES)
    yield case({"momentum": 0.9, "nesterov": True}, learning_rates=RATES)
    yield case({"weightDecay": 0.01}, ["add_decayed_weights", 0.01])
    yield case(
        {"momentum": 0.9, "weightDecay": 0.01, "centered": True}, ["add_decayed_weights", 0.01], gradients="moderate"
    )
    for gradients in ["integers", "spike"]:
        yield case({"clipValue": 0.5}, ["clip", 0.5], gradients=gradients)
        yield case({"globalClipNorm": 3.0}, ["clip_by_global_norm", 3.0], gradients=gradients)
    yield case({}, gradients="tiny")
    yield case({"momentum": 0.9, "centered": True}, gradients="tiny")
    for wait in [3, 4]:
        yield case({"momentum": 0.9, "accumulationSteps": wait}, gradients="moderate")
    # Chains that are functions before the step in Lanewise.
    chains = [
        ["clip", 5.0, "clip_by_global_norm", 3.0],
        ["clip_by_global_norm", 3.0, "clip", 0.5],
        ["clip_by_block_rms", 2.0],
    ]
    yield from map(chain_case, chains)


def chain_case(chain):
    before = list(zip(chain[::2], chain[1::2]))
    return case({}, before, name=" ".join(map(str, chain)), framework_only=["before"], gradients="integers")


def native_cases():
    for options in combinations([{}, {"momentum": 0.9}], [{}, {"centered": True}]):
        yield case(options, gradients="moderate")
    # The norms of the weights are float32 sums in an order of XLA's.
    yield chain_case(["adaptive_grad_clip", 0.25])


def checkpoint_cases():
    yield case({}, steps=20, checkpoint_step=10)
    yield case({"momentum": 0.9}, steps=20, checkpoint_step=10)
    everything = {"momentum": 0.9, "centered": True, "biasCorrection": True}
    yield case(everything, steps=20, checkpoint_step=10)
    # What may be around it. The clips have no state, and clip nothing.
    chain = ["clip", 1e30]
    yield case(everything, chain, name="chain", steps=20, checkpoint_step=10)
    # MultiSteps multiplies the updates of the calls between by 0: one that is NaN, as a centered one may be, stays NaN.
    corrected = {"momentum": 0.9, "biasCorrection": True}
    for wait in [3, 4]:
        yield case(corrected | {"accumulationSteps": wait}, steps=20, checkpoint_step=10, gradients="moderate")
    numbers = {"learningRate": 0.0625, "momentum": 0.5}
    injected = case(numbers, steps=20, checkpoint_step=10, name="inject_hyperparams")
    injected.framework_options["inject_hyperparams"] = True
    yield injected
    nested = case(numbers | {"biasCorrection": True, "accumulationSteps": 4}, chain, steps=20, checkpoint_step=10, name="MultiSteps of a chain")
    nested.framework_options["inject_hyperparams"] = True
    yield nested


def main():
    assert not jax.config.jax_enable_x64
    environment = f"jax {jax.__version__}, CPU, float32, jax_disable_jit"
    about = {"framework": "Optax", "version": optax.__version__, "environment": environment, "states": STATES}
    about["flushesSubnormals"] = True
    write_cases("optax-native", about | {"approximate": True}, [run(each, OptaxRun) for each in native_cases()])
    jax.lax.rsqrt = ieee_rsqrt
    about["environment"] += ", rsqrt as 1/sqrt"
    write_cases("optax", about, [run(each, OptaxRun) for each in cases()])
    write_cases("checkpoint-optax", about, [run(each, OptaxRun) for each in checkpoint_cases()])


if __name__ == "__main__":
    main()
