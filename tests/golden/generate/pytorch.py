"""torch.optim on the CPU: RMSprop, its neighbours Adam, AdamW, NAdam, Adagrad and SGD, and saved states."""

import os

# Vector builds of ATen contract to fused multiply-adds; the default build rounds each operation.
os.environ.setdefault("ATEN_CPU_CAPABILITY", "default")

import numpy as np
import torch
from torch.optim import swa_utils
from torch.overrides import TorchFunctionMode

from common import MISSING, RATES, Case, combinations, renamed, run, saved_array, write_cases

torch.set_num_threads(1)

STATES = {
    "squareAverage": "square_avg",
    "gradientAverage": "grad_avg",
    "momentumBuffer": "momentum_buffer",
    "parameterAverage": "module of AveragedModel",
}
ADAM_STATES = {
    "gradientAverage": "exp_avg",
    "squareAverage": "exp_avg_sq",
    "maxSquareAverage": "max_exp_avg_sq",
    "squareSum": "sum",
    "momentumBuffer": "momentum_buffer",
}
NADAM_STATES = {"gradientAverage": "exp_avg", "squareAverage": "exp_avg_sq", "momentumProduct": "mu_product"}
OPTION_NAMES = {
    "learningRate": "lr",
    "decay": "alpha",
    "eps": "eps",
    "momentum": "momentum",
    "centered": "centered",
    "weightDecay": "weight_decay",
    "maximize": "maximize",
    "initialScale": "initial_accumulator_value",
    "learningRateDecay": "lr_decay",
    "dampening": "dampening",
    "nesterov": "nesterov",
    "amsgrad": "amsgrad",
    "momentumDecay": "momentum_decay",
    "decoupledWeightDecay": "decoupled_weight_decay",
}


# What PyTorch has beside its optimizers: functions that are called before the step.
BESIDE = ["clip_grad_norm_", "clip_grad_value_"]
BESIDE_NAMES = {"globalClipNorm": "clip_grad_norm_", "clipValue": "clip_grad_value_", "emaDecay": "average"}


def torch_average(model, decay):
    return swa_utils.AveragedModel(model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(decay))


class ExactSqrt(TorchFunctionMode):
    """
    Within it, torch's float32 square roots are those of IEEE 754. The x86 wheels take them from MKL, which returns a
    neighbour of the correctly rounded root in one case of six; builds without MKL have the processor's instruction.
    """

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is torch.Tensor.sqrt:
            return exact_sqrt(*args)
        if function is torch.Tensor.sqrt_:
            return args[0].copy_(exact_sqrt(*args))
        if function is torch._foreach_sqrt_:
            return [tensor.copy_(exact_sqrt(tensor)) for tensor in args[0]]
        return function(*args, **(kwargs or {}))


def exact_sqrt(tensor):
    with np.errstate(invalid="ignore"):
        return torch.from_numpy(np.sqrt(tensor.detach().numpy()))


class TorchRun:
    """Drives any optimizer of torch, or one that follows its conventions."""

    def __init__(self, make, case, values, states, average=None):
        self.parameters = {name: torch.nn.Parameter(torch.from_numpy(value)) for name, value in values.items()}
        options = dict(case.framework_options)
        self.clips = [(name, options.pop(name)) for name in BESIDE if name in options]
        decay = options.pop("average", None)
        self.model = torch.nn.ParameterDict(self.parameters)
        self.average = decay and (average or torch_average)(self.model, decay)
        self.optimizer = make(self.parameters.values(), options)
        self.states = states

    def step(self, gradients, learning_rate):
        for name, parameter in self.parameters.items():
            parameter.grad = None if gradients[name] is None else torch.from_numpy(gradients[name])
        if learning_rate is not None:
            for group in self.optimizer.param_groups:
                group["lr"] = learning_rate
        for name, bound in self.clips:
            getattr(torch.nn.utils, name)(self.parameters.values(), bound)
        self.optimizer.step()
        if self.average:
            update = getattr(self.average, "update_parameters", None) or self.average.update
            update(self.model)

    def change(self, options):
        for group in self.optimizer.param_groups:
            group.update(renamed(options, OPTION_NAMES))

    def read(self):
        arrays = {}
        for name, parameter in self.parameters.items():
            own = self.optimizer.state.get(parameter, {})
            arrays[name] = {"parameter": parameter.detach().numpy()}
            if self.average:
                arrays[name]["parameterAverage"] = self.average.module[name].detach().numpy()
            for ours, theirs in self.states.items():
                if self.uses(theirs):
                    value = own.get(theirs)
                    arrays[name][ours] = None if value is None else value.numpy()
        return arrays

    def uses(self, state):
        return any(state in own for own in self.optimizer.state.values())

    def save(self):
        """The state_dict, flattened: state/<index>/<name>, then param_groups/<index>/<option> as plain values."""
        saved = self.optimizer.state_dict()
        arrays = [
            saved_array(f"state/{index}/{name}", value.numpy())
            for index, own in saved["state"].items()
            for name, value in own.items()
        ]
        options = [
            {"name": f"param_groups/{index}/{name}", "value": value}
            for index, group in enumerate(saved["param_groups"])
            for name, value in group.items()
        ]
        return arrays + options


def case(optimizer, dialect, options, **more):
    names = OPTION_NAMES | BESIDE_NAMES
    kwargs = renamed({key: value for key, value in options.items() if key in names}, names)
    if "beta1" in options:
        kwargs["betas"] = [options["beta1"], options["beta2"]]
    return Case(f"torch.optim.{optimizer}", dialect, options, kwargs, **more)


def rmsprop_cases():
    lists = [
        {},
        {"learningRate": 0.05},
        {"decay": 0.9},
        {"decay": 0.0},
        {"decay": 1.0},
        {"decay": 0.999, "eps": 1e-3},
        {"decay": 0.3, "centered": True},
        {"decay": 0.5, "centered": True},
        {"decay": 0.9, "centered": True, "eps": 1e-3, "momentum": 0.5},
        {"eps": 0.0},
        {"eps": 1e-3, "momentum": 0.9},
    ]
    lists += combinations(
        [{}, {"momentum": 0.9}], [{}, {"centered": True}], [{}, {"weightDecay": 0.01}], [{}, {"maximize": True}]
    )
    cases = [case("RMSprop", "pytorch", options) for options in lists if options or options is lists[0]]
    for options in [{"centered": True, "momentum": 0.9}, {"weightDecay": 0.1, "centered": True, "decay": 0.9}]:
        cases.append(case("RMSprop", "pytorch", options, gradients="moderate"))
    for options in [{}, {"momentum": 0.9}]:
        cases.append(case("RMSprop", "pytorch", options, learning_rates=RATES))
    for options in [{}, {"centered": True, "momentum": 0.9}]:
        cases.append(case("RMSprop", "pytorch", options, gradients="tiny"))
    cases.append(case("RMSprop", "pytorch", {"centered": True, "momentum": 0.9}, missing=MISSING))
    cases.append(case("RMSprop", "pytorch", {"decay": 0.0, "centered": True}))
    for options in [{"globalClipNorm": 3.0}, {"globalClipNorm": 3.0, "weightDecay": 0.01, "maximize": True}]:
        cases.append(case("RMSprop", "pytorch", options, gradients="integers"))
    cases.append(case("RMSprop", "pytorch", {"globalClipNorm": 1000.0}, gradients="integers"))
    cases.append(case("RMSprop", "pytorch", {"globalClipNorm": 3.0}, gradients="spike"))
    cases.append(case("RMSprop", "pytorch", {"clipValue": 0.5, "momentum": 0.9}))
    cases.append(case("RMSprop", "pytorch", {"emaDecay": 0.9}))
    changes = {4: {"momentum": 0.0}, 6: {"centered": False}, 8: {"momentum": 0.9, "centered": True}}
    cases.append(case("RMSprop", "pytorch", {"momentum": 0.9, "centered": True}, changes=changes))
    cases.append(case("RMSprop", "pytorch", {"emaDecay": 0.99, "momentum": 0.9}, gradients="moderate"))
    return cases


def neighbour_cases():
    extras = {
        "Adam": [{"beta1": 0.5, "beta2": 0.99}, {"beta1": 0.3, "beta2": 0.9}, {"eps": 1e-3}, {"learningRate": 0.05}],
        "AdamW": [{"beta1": 0.5, "beta2": 0.99}, {"learningRate": 0.05, "weightDecay": 0.1}],
        "Adagrad": [{"eps": 1e-3}, {"learningRate": 0.1}],
        "SGD": [{"learningRate": 0.05}],
    }
    axes = {
        "Adam": [[{}, {"amsgrad": True}], [{}, {"weightDecay": 0.01}], [{}, {"maximize": True}]],
        "AdamW": [[{}, {"amsgrad": True}], [{}, {"weightDecay": 0.0}], [{}, {"maximize": True}]],
        "Adagrad": [
            [{}, {"learningRateDecay": 0.1}],
            [{}, {"initialScale": 0.5}],
            [{}, {"weightDecay": 0.01}],
            [{}, {"maximize": True}],
        ],
        "SGD": [
            [{}, {"momentum": 0.9}, {"momentum": 0.9, "dampening": 0.3}, {"momentum": 0.9, "nesterov": True}],
            [{}, {"weightDecay": 0.01}],
            [{}, {"maximize": True}],
        ],
    }
    stateful = {
        "Adam": {"amsgrad": True},
        "AdamW": {},
        "Adagrad": {"learningRateDecay": 0.1},
        "SGD": {"momentum": 0.9, "dampening": 0.3},
    }
    for optimizer, own_axes in axes.items():
        for options in [*combinations(*own_axes), *extras[optimizer]]:
            yield case(optimizer, "pytorch", options)
        yield case(optimizer, "pytorch", stateful[optimizer], missing=MISSING)
        yield case(optimizer, "pytorch", stateful[optimizer], learning_rates=RATES)
        yield case(optimizer, "pytorch", {}, gradients="tiny")
        yield case(optimizer, "pytorch", {"globalClipNorm": 3.0, "clipEps": 1e-6}, gradients="integers")
    yield case("Adam", "pytorch", {"beta1": 0.0, "beta2": 0.99})
    yield case("AdamW", "pytorch", {"clipValue": 0.5})
    # Whether a parameter has a buffer is its own state: b has no gradient in steps 1, 2, 7 and 10, a in step 5.
    dampened = {"momentum": 0.9, "dampening": 0.3}
    for options, changes in [
        ({"momentum": 0.9}, {4: {"momentum": 0.0}, 7: {"momentum": 0.9}}),
        (dampened, {4: {"momentum": 0.0, "dampening": 0.0}, 7: dampened}),
        (dampened, {2: {"momentum": 0.0, "dampening": 0.0}, 6: dampened}),
        ({}, {5: dampened}),
        ({"weightDecay": 0.01, "maximize": True}, {7: dampened}),
        ({}, {3: {"momentum": 0.9, "nesterov": True}, 8: {"momentum": 0.0, "nesterov": False}, 9: dampened}),
    ]:
        yield case("SGD", "pytorch", options, changes=changes, missing=MISSING)
    amsgrad = {4: {"amsgrad": False}, 7: {"amsgrad": True}}
    yield case("Adam", "pytorch", {"amsgrad": True}, changes=amsgrad, gradients="moderate")


def nadam_cases():
    decays = [{}, {"weightDecay": 0.01}, {"weightDecay": 0.01, "decoupledWeightDecay": True}]
    extras = [
        {"beta1": 0.5, "beta2": 0.99},
        {"beta1": 0.3, "beta2": 0.9},
        {"eps": 1e-3},
        {"learningRate": 0.05, "momentumDecay": 0.3},
        {"momentumDecay": 0.0},
    ]
    for options in [*combinations(decays, [{}, {"maximize": True}]), *extras]:
        yield case("NAdam", "pytorch", options)
    yield case("NAdam", "pytorch", {}, missing=MISSING)
    yield case("NAdam", "pytorch", {}, learning_rates=RATES)
    yield case("NAdam", "pytorch", {}, gradients="tiny")


def native_cases():
    for options in [{}, {"momentum": 0.9}, {"centered": True, "momentum": 0.9}, {"weightDecay": 0.1}]:
        yield case("RMSprop", "pytorch", options, gradients="moderate")
    for optimizer in ["Adam", "AdamW", "Adagrad"]:
        yield case(optimizer, "pytorch", {}, gradients="moderate")


def checkpoint_cases():
    common = {"steps": 20, "checkpoint_step": 10}
    yield case("RMSprop", "pytorch", {}, **common)
    yield case("RMSprop", "pytorch", {"centered": True, "momentum": 0.9}, name="centered momentum=0.9 named", **common)
    yield case("Adam", "pytorch", {}, **common)
    yield case("Adam", "pytorch", {"amsgrad": True}, **common)


def start(case, values):
    make = getattr(torch.optim, case.optimizer.rpartition(".")[2])
    states = {torch.optim.RMSprop: STATES, torch.optim.NAdam: NADAM_STATES}.get(make, ADAM_STATES)
    return TorchRun(lambda parameters, options: make(parameters, **options), case, values, states)


def start_named(case, values):
    """As start, but some cases give the optimizer named_parameters(), whose names it then saves."""
    torch_run = start(case, values)
    if case.name.endswith("named"):
        make = type(torch_run.optimizer)
        torch_run.optimizer = make(torch_run.parameters.items(), **case.framework_options)
    return torch_run


def main():
    environment = f"CPU, 1 thread, ATEN_CPU_CAPABILITY={torch.backends.cpu.get_cpu_capability().lower()}"
    about = {"framework": "PyTorch", "version": torch.__version__.partition("+")[0], "environment": environment}
    native = [run(each, start) for each in native_cases()]
    write_cases("pytorch-native", about | {"approximate": True, "states": STATES | ADAM_STATES}, native)
    about["environment"] += ", square roots of IEEE 754"
    with ExactSqrt():
        write_cases("pytorch", about | {"states": STATES}, [run(each, start) for each in rmsprop_cases()])
        neighbours = [run(each, start) for each in neighbour_cases()]
        write_cases("pytorch-neighbours", about | {"states": ADAM_STATES}, neighbours)
        nadam = [run(each, start) for each in nadam_cases()]
        write_cases("pytorch-nadam", about | {"states": NADAM_STATES}, nadam)
        checkpoints = [run(each, start_named) for each in checkpoint_cases()]
        write_cases("checkpoint-pytorch", about | {"states": STATES | ADAM_STATES}, checkpoints)


if __name__ == "__main__":
    main()
