"""
tf_keras, the line of Keras 2: the optimizer of 2.11 to 2.15 (dialect keras2) and the OptimizerV2 of TensorFlow 2.0 to
2.10 (dialect tf-keras-legacy), outside any compiled function. The name ends in "_" because tf_keras is what it imports.
"""

import os

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import logging

import tensorflow as tf
import tf_keras

from common import MISSING, RATES, Case, combinations, renamed, run, write_cases

STATES = {
    "squareAverage": "velocity (keras2), rms (tf-keras-legacy)",
    "gradientAverage": "average_gradient (keras2), mg (tf-keras-legacy)",
    "momentumBuffer": "momentum",
    "parameterAverage": "average (keras2)",
}
OPTION_NAMES = {
    "learningRate": "learning_rate",
    "decay": "rho",
    "eps": "epsilon",
    "momentum": "momentum",
    "centered": "centered",
    "weightDecay": "weight_decay",
    "clipNorm": "clipnorm",
    "clipValue": "clipvalue",
    "globalClipNorm": "global_clipnorm",
    "emaDecay": "ema_momentum",
}


class Keras2Run:
    def __init__(self, case, values):
        self.variables = {name: tf.Variable(value, name=name) for name, value in values.items()}
        self.optimizer = tf_keras.optimizers.RMSprop(jit_compile=False, **case.framework_options)
        self.optimizer.build(list(self.variables.values()))

    def step(self, gradients, learning_rate):
        if learning_rate is not None:
            self.optimizer.learning_rate = learning_rate
        apply(self.optimizer, gradients, self.variables)

    def read(self):
        optimizer = self.optimizer
        lists = {
            "squareAverage": optimizer._velocities,
            "gradientAverage": optimizer._average_gradients,
            "momentumBuffer": optimizer._momentums,
            "parameterAverage": optimizer._model_variables_moving_average if optimizer.use_ema else [],
        }
        return {
            name: {"parameter": variable.numpy()} | {state: own[index].numpy() for state, own in lists.items() if own}
            for index, (name, variable) in enumerate(self.variables.items())
        }


class LegacyRun(Keras2Run):
    def __init__(self, case, values):
        self.variables = {name: tf.Variable(value, name=name) for name, value in values.items()}
        self.optimizer = tf_keras.optimizers.legacy.RMSprop(**case.framework_options)

    def read(self):
        slots = {"squareAverage": "rms"}
        if self.optimizer.centered:
            slots["gradientAverage"] = "mg"
        if self.optimizer._momentum:
            slots["momentumBuffer"] = "momentum"
        arrays = {}
        for name, variable in self.variables.items():
            made = variable._unique_id in self.optimizer._slots
            arrays[name] = {"parameter": variable.numpy()}
            for ours, theirs in slots.items():
                arrays[name][ours] = self.optimizer.get_slot(variable, theirs).numpy() if made else None
        return arrays


def apply(optimizer, gradients, variables):
    tensors = [None if value is None else tf.constant(value) for value in gradients.values()]
    optimizer.apply_gradients(zip(tensors, variables.values()))


def case(name, dialect, options, extra=None, **more):
    kwargs = renamed(options, OPTION_NAMES) | ({"use_ema": True} if "emaDecay" in options else {}) | (extra or {})
    options = options | ({"decoupledWeightDecay": True} if "weightDecay" in options else {})
    return Case(name, dialect, options, kwargs, framework_only=list(extra or {}), **more)


def keras2_cases():
    def make(options, extra=None, **more):
        return case("tf_keras.optimizers.RMSprop", "keras2", options, extra, **more)

    everything = {"momentum": 0.9, "centered": True, "weightDecay": 0.01}
    yield from map(make, combinations([{}, {"momentum": 0.9}], [{}, {"centered": True}], [{}, {"weightDecay": 0.01}]))
    yield make({"decay": 0.99, "eps": 1e-3, "momentum": 0.5, "centered": True})
    for clip in [{"clipNorm": 2.0}, {"clipValue": 0.5}, {"globalClipNorm": 3.0}]:
        yield make(clip, gradients="spike")
        yield make(everything | clip, gradients="integers")
    yield make({"emaDecay": 0.9}, {"ema_overwrite_frequency": None})
    yield make({"emaDecay": 0.9}, {"ema_overwrite_frequency": 3})
    yield make({}, learning_rates=RATES)
    yield make({"momentum": 0.9, "centered": True}, missing=MISSING)
    yield make({}, gradients="tiny")
    yield make({"momentum": 0.9, "centered": True}, gradients="tiny")


def native_cases():
    for options in combinations([{}, {"momentum": 0.9}], [{}, {"centered": True}]):
        yield case("tf_keras.optimizers.RMSprop", "keras2", options, gradients="moderate")


def legacy_cases():
    def make(options, extra=None, **more):
        return case("tf_keras.optimizers.legacy.RMSprop", "tf-keras-legacy", options, extra, **more)

    yield from map(make, combinations([{}, {"momentum": 0.9}], [{}, {"centered": True}], [{}, {"eps": 1e-3}]))
    yield make({"eps": 0.0})
    yield make({"decay": 0.99, "learningRate": 0.05})
    yield make({"decay": 0.99, "momentum": 0.5, "centered": True}, gradients="moderate")
    for clip in [{"clipNorm": 2.0}, {"clipValue": 0.5}, {"globalClipNorm": 3.0}]:
        yield make(clip, gradients="spike")
        yield make({"momentum": 0.9, "centered": True} | clip, gradients="integers")
    yield make({}, learning_rates=RATES)
    yield make({"momentum": 0.9}, {"decay": 0.1})
    yield make({"momentum": 0.9, "centered": True}, missing=MISSING)
    yield make({}, gradients="tiny")
    yield make({"momentum": 0.9, "centered": True}, gradients="tiny")


def main():
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    environment = f"tensorflow {tf.__version__}, CPU, eager, TF_ENABLE_ONEDNN_OPTS=0"
    about = {"framework": "tf_keras", "version": tf_keras.__version__, "environment": environment, "states": STATES}
    about["flushesSubnormals"] = True
    native = [run(each, Keras2Run) for each in native_cases()]
    write_cases("tf-keras-native", about | {"approximate": True}, native)
    # Eigen starts from an estimate of the processor; only the dialect keras2 has use for this function.
    tf.compat.v2.math.rsqrt = lambda x: 1 / tf.sqrt(x)
    about["environment"] += ", rsqrt as 1/sqrt"
    cases = [run(each, Keras2Run) for each in keras2_cases()] + [run(each, LegacyRun) for each in legacy_cases()]
    write_cases("tf-keras", about, cases)


if __name__ == "__main__":
    main()
