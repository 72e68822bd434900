"""The kernels behind tf.compat.v1.train.RMSPropOptimizer, called as raw operations, and that optimizer itself."""

import os

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf

from common import MISSING, RATES, Case, combinations, renamed, run, write_cases

STATES = {
    "squareAverage": "ms (slot rms)",
    "gradientAverage": "mg",
    "momentumBuffer": "mom (slot momentum)",
    "parameterAverage": "ExponentialMovingAverage",
}
OPTION_NAMES = {
    "learningRate": "learning_rate",
    "decay": "decay",
    "eps": "epsilon",
    "momentum": "momentum",
    "centered": "centered",
    "emaDecay": "average",
}


class RawRun:
    """The operations with the variables and constants that RMSPropOptimizer gives them."""

    def __init__(self, case, values):
        self.variables = {name: tf.Variable(value) for name, value in values.items()}
        self.options = {"decay": 0.9, "momentum": 0.0, "epsilon": 1e-10, "centered": False} | case.framework_options
        states = ["ms", "mom"] + (["mg"] if self.options["centered"] else [])
        self.states = {
            name: {state: tf.Variable(np.full_like(value, state == "ms")) for state in states}
            for name, value in values.items()
        }

    def step(self, gradients, learning_rate):
        operation = (
            tf.raw_ops.ResourceApplyCenteredRMSProp if self.options["centered"] else tf.raw_ops.ResourceApplyRMSProp
        )
        scalars = {
            "lr": self.options["learning_rate"] if learning_rate is None else learning_rate,
            "rho": self.options["decay"],
            "momentum": self.options["momentum"],
            "epsilon": self.options["epsilon"],
        }
        for name, gradient in gradients.items():
            if gradient is not None:
                operation(
                    var=self.variables[name].handle,
                    grad=tf.constant(gradient),
                    **{state: variable.handle for state, variable in self.states[name].items()},
                    **{key: tf.constant(value, tf.float32) for key, value in scalars.items()},
                )

    def read(self):
        names = {"ms": "squareAverage", "mg": "gradientAverage", "mom": "momentumBuffer"}
        return {
            name: {"parameter": variable.numpy()}
            | {names[key]: value.numpy() for key, value in self.states[name].items()}
            for name, variable in self.variables.items()
        }


class OptimizerRun:
    def __init__(self, case, values):
        self.variables = {name: tf.Variable(value) for name, value in values.items()}
        options = dict(case.framework_options)
        decay = options.pop("average", None)
        self.average = decay and tf.train.ExponentialMovingAverage(decay)
        if self.average:
            # In a graph the averages are made with the variables, from the same values.
            self.average.apply(list(self.variables.values()))
        self.optimizer = tf.compat.v1.train.RMSPropOptimizer(**options)

    def step(self, gradients, learning_rate):
        pairs = zip(gradients.values(), self.variables.values())
        self.optimizer.apply_gradients([(None if g is None else tf.constant(g), v) for g, v in pairs])
        if self.average:
            self.average.apply(list(self.variables.values()))

    def read(self):
        slots = {"squareAverage": "rms", "momentumBuffer": "momentum"}
        if self.optimizer._centered:
            slots["gradientAverage"] = "mg"
        arrays = {}
        for name, variable in self.variables.items():
            own = {ours: self.optimizer.get_slot(variable, theirs) for ours, theirs in slots.items()}
            values = {key: None if value is None else value.numpy() for key, value in own.items()}
            arrays[name] = {"parameter": variable.numpy()} | values
            if self.average:
                arrays[name]["parameterAverage"] = self.average.average(variable).numpy()
        return arrays


def case(options, name="tf.raw_ops.ResourceApplyRMSProp", **more):
    options = {"learningRate": 0.01} | options
    if options.get("centered") and name.startswith("tf.raw_ops"):
        name = "tf.raw_ops.ResourceApplyCenteredRMSProp"
    return Case(name, "tf1", options, renamed(options, OPTION_NAMES), **more)


def raw_cases():
    yield from map(case, combinations([{}, {"momentum": 0.9}], [{}, {"centered": True}], [{}, {"eps": 1e-3}]))
    yield case({"decay": 0.99})
    yield case({"decay": 0.95, "learningRate": 0.5, "eps": 1e-5})
    yield case({"decay": 0.5, "momentum": 0.5, "centered": True, "eps": 1e-5}, gradients="moderate")
    yield case({"eps": 0.0, "momentum": 0.9})
    yield case({"momentum": 0.9}, learning_rates=RATES)
    yield case({}, gradients="tiny")
    yield case({"momentum": 0.9, "centered": True}, gradients="tiny")


def optimizer_cases():
    name = "tf.compat.v1.train.RMSPropOptimizer"
    yield case({}, name)
    yield case({"centered": True, "momentum": 0.9}, name, missing=MISSING)
    yield case({"emaDecay": 0.9}, name)
    yield case({"emaDecay": 0.99, "momentum": 0.9}, name, gradients="moderate")


def main():
    about = {"framework": "TensorFlow", "version": tf.__version__, "states": STATES}
    about["environment"] = "CPU, eager, TF_ENABLE_ONEDNN_OPTS=0"
    about["flushesSubnormals"] = True
    cases = [run(each, RawRun) for each in raw_cases()] + [run(each, OptimizerRun) for each in optimizer_cases()]
    write_cases("tf1", about, cases)


if __name__ == "__main__":
    main()
