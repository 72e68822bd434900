"""keras.optimizers.RMSprop of Keras 3, outside any compiled function. KERAS_BACKEND chooses the backend."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("ATEN_CPU_CAPABILITY", "default")

import warnings

import keras

from common import MISSING, RATES, Case, combinations, renamed, run, saved_array, write_cases

BACKEND = keras.backend.backend()
DIALECT = "keras3-torch" if BACKEND == "torch" else "keras3"
STATES = {
    "squareAverage": "velocity",
    "gradientAverage": "average_gradient",
    "momentumBuffer": "momentum",
    "parameterAverage": "average",
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
    "accumulationSteps": "gradient_accumulation_steps",
}


class Lookup(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, rates):
        self.rates = rates

    def __call__(self, step):
        return keras.ops.take(keras.ops.convert_to_tensor(self.rates), keras.ops.cast(step, "int32"))


class KerasRun:
    def __init__(self, case, values):
        keras.utils.clear_session()  # else every optimizer of the process gets a number in its name
        self.variables = {name: keras.Variable(value, name=name) for name, value in values.items()}
        self.schedule = None
        options = dict(case.framework_options)
        if "gradient_accumulation_steps" in options and case.learning_rates:
            self.schedule = options["learning_rate"] = Lookup(case.learning_rates)
        self.optimizer = keras.optimizers.RMSprop(**options)
        excluded = [self.variables[name] for name, own in case.parameter_options.items() if own == {"weightDecay": 0}]
        if excluded:
            self.optimizer.exclude_from_weight_decay(var_list=excluded)
        self.optimizer.build(list(self.variables.values()))

    def step(self, gradients, learning_rate):
        if learning_rate is not None and self.schedule is None:
            self.optimizer.learning_rate = learning_rate
        gradients = [None if value is None else keras.ops.convert_to_tensor(value) for value in gradients.values()]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Gradients do not exist")
            self.optimizer.apply(gradients)

    def change(self, options):
        for name, value in renamed(options, OPTION_NAMES).items():
            setattr(self.optimizer, name, value)

    def read(self):
        return {
            name: {"parameter": keras.ops.convert_to_numpy(variable)} | self.states(index)
            for index, (name, variable) in enumerate(self.variables.items())
        }

    def states(self, index):
        lists = {
            "squareAverage": self.optimizer._velocities,
            "gradientAverage": self.optimizer._average_gradients,
            "momentumBuffer": self.optimizer._momentums,
            "parameterAverage": self.optimizer._model_variables_moving_average if self.optimizer.use_ema else [],
        }
        return {name: keras.ops.convert_to_numpy(variables[index]) for name, variables in lists.items() if variables}

    def save(self):
        """optimizer.variables, in the order in which a weights file numbers them."""
        return [
            saved_array(variable.path, keras.ops.convert_to_numpy(variable)) for variable in self.optimizer.variables
        ]


def case(options, extra=None, **more):
    kwargs = renamed(options, OPTION_NAMES) | ({"use_ema": True} if "emaDecay" in options else {}) | (extra or {})
    # Keras decays weights only beside the gradient.
    options = options | ({"decoupledWeightDecay": True} if "weightDecay" in options else {})
    return Case("keras.optimizers.RMSprop", DIALECT, options, kwargs, framework_only=list(extra or {}), **more)


def basic_cases():
    yield from map(case, combinations([{}, {"momentum": 0.9}], [{}, {"centered": True}], [{}, {"weightDecay": 0.01}]))
    yield case({"decay": 0.99, "eps": 1e-3, "momentum": 0.5, "centered": True})
    yield case({"centered": True, "momentum": 0.9}, gradients="moderate")
    yield case({"weightDecay": 0.1, "learningRate": 0.05}, gradients="moderate")
    yield case({"centered": True, "momentum": 0.9}, missing=MISSING)
    yield case({}, gradients="tiny")
    yield case({"centered": True, "momentum": 0.9}, gradients="tiny")


def more_cases():
    everything = {"momentum": 0.9, "centered": True, "weightDecay": 0.01}
    yield case({"learningRate": 0.05})
    yield case({"decay": 0.99})
    yield case({"momentum": 0.9}, changes={4: {"momentum": 0.0}, 7: {"momentum": 0.9}})
    yield case({"decay": 0.5, "eps": 1e-5})
    for clip in [{"clipNorm": 2.0}, {"clipValue": 0.5}, {"globalClipNorm": 3.0}]:
        yield case(clip, gradients="integers")
        yield case(clip, gradients="spike")
        yield case(everything | clip, gradients="integers")
    yield case({"clipValue": 0.5})
    yield case({"clipNorm": 1000.0}, gradients="integers")
    yield case({"globalClipNorm": 1000.0}, gradients="integers")
    yield case({"emaDecay": 0.9})
    yield case({"emaDecay": 0.99, **everything})
    yield case({"emaDecay": 0.9}, {"ema_overwrite_frequency": 3})
    yield case({"emaDecay": 0.9}, missing=MISSING)
    yield case({"weightDecay": 0.01}, parameter_options={"b": {"weightDecay": 0}})
    yield case({"weightDecay": 0.01}, missing=MISSING)
    yield case({}, learning_rates=RATES)
    yield case(everything, learning_rates=RATES)
    yield case({}, {"loss_scale_factor": 1000.0}, gradients="moderate")
    yield case({}, {"loss_scale_factor": 1024.0}, gradients="moderate")
    missing = {"a": [3, 4], "b": [2, 9]}
    for options in [{"momentum": 0.9}, {"weightDecay": 0.01}]:
        yield case(options | {"accumulationSteps": 3}, gradients="moderate")
    yield case({"momentum": 0.9, "accumulationSteps": 3}, gradients="moderate", missing=missing)
    # The schedule is one, not a rate that is set: Keras asks it for the number of the call.
    yield case({"accumulationSteps": 3}, gradients="moderate", learning_rates=RATES)


def checkpoint_cases():
    yield case({}, steps=20, checkpoint_step=10)
    yield case({"momentum": 0.9, "centered": True}, steps=20, checkpoint_step=10)


def main():
    about = {"framework": "Keras", "version": keras.__version__, "states": STATES}
    if BACKEND == "torch":
        import torch

        from pytorch import ExactSqrt

        version = torch.__version__.partition("+")[0]
        about["environment"] = f"torch {version}, CPU, 1 thread, ATEN_CPU_CAPABILITY=default, square roots of IEEE 754"
        with ExactSqrt():
            write_cases("keras3-torch", about, [run(each, KerasRun) for each in basic_cases()])
        return
    import tensorflow as tf

    about["environment"] = f"tensorflow {tf.__version__}, CPU, eager, TF_ENABLE_ONEDNN_OPTS=0"
    about["flushesSubnormals"] = True
    write_cases("keras3", about, [run(each, KerasRun) for each in [*basic_cases(), *more_cases()]])
    write_cases("checkpoint-keras3", about, [run(each, KerasRun) for each in checkpoint_cases()])


if __name__ == "__main__":
    main()
