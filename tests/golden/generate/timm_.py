"""timm.optim on the CPU: RMSpropTF, and cautious steps of AdamWLegacy and SGDW."""

# First, because it chooses the build of ATen that torch then loads.
from pytorch import ADAM_STATES, ExactSqrt, TorchRun  # isort: skip
from pytorch import OPTION_NAMES as TORCH_NAMES  # isort: skip

import timm
import torch
from timm.optim import RMSpropTF
from timm.optim.adamw import AdamWLegacy
from timm.optim.sgdw import SGDW
from timm.utils import ModelEmaV3

from common import MISSING, RATES, Case, combinations, renamed, run, write_cases

STATES = {
    "squareAverage": "square_avg",
    "gradientAverage": "grad_avg",
    "momentumBuffer": "momentum_buffer",
    "parameterAverage": "module of ModelEmaV3",
}
OPTION_NAMES = {
    "learningRate": "lr",
    "decay": "alpha",
    "eps": "eps",
    "momentum": "momentum",
    "centered": "centered",
    "weightDecay": "weight_decay",
    "decoupledWeightDecay": "decoupled_decay",
    "rateInMomentum": "lr_in_momentum",
    "emaDecay": "average",
    "globalClipNorm": "clip_grad_norm_",
}


def case(options, extra=None, **more):
    kwargs = renamed(options, OPTION_NAMES) | (extra or {})
    return Case("timm.optim.RMSpropTF", "timm", options, kwargs, framework_only=list(extra or {}), **more)


def cases():
    decays = [{}, {"weightDecay": 0.01}, {"weightDecay": 0.01, "decoupledWeightDecay": True}]
    yield from map(case, combinations([{}, {"momentum": 0.9}], [{}, {"centered": True}], decays))
    yield case({"decay": 0.99, "eps": 1e-3, "learningRate": 0.05})
    yield case({"decay": 0.5, "momentum": 0.5, "centered": True}, gradients="moderate")
    yield case({"momentum": 0.9, "weightDecay": 0.01, "decoupledWeightDecay": True}, learning_rates=RATES)
    yield case({"momentum": 0.9, "centered": True}, missing=MISSING)
    yield case({"momentum": 0.9}, changes={4: {"momentum": 0.0}, 7: {"momentum": 0.9}})
    yield case({}, gradients="tiny")
    yield case({"momentum": 0.9, "centered": True}, gradients="tiny")
    for options in [{}, {"centered": True}]:
        yield case({"momentum": 0.9, "rateInMomentum": False} | options)
    yield case({"momentum": 0.9, "rateInMomentum": False}, learning_rates=RATES)
    yield case({"emaDecay": 0.9})
    yield case({"globalClipNorm": 3.0}, gradients="integers")
    corrected = {"weightDecay": 0.01, "decoupledWeightDecay": True}
    yield case(corrected, {"corrected_weight_decay": True}, learning_rates=RATES)
    yield case({"momentum": 0.9}, {"caution": True}, gradients="moderate")
    cautious = [
        {"momentum": 0.9, "rateInMomentum": False, "weightDecay": 0.1},
        {"momentum": 0.5, "centered": True, "weightDecay": 0.1, "decoupledWeightDecay": True},
        {"learningRate": 0.05},
    ]
    for options in cautious:
        yield case(options, {"caution": True}, gradients="moderate")
    yield case({"momentum": 0.9}, {"caution": True})
    yield case({"momentum": 0.9}, {"caution": True}, missing=MISSING, learning_rates=RATES)


def cautious_cases():
    adam = [{}, {"beta1": 0.5, "beta2": 0.9, "weightDecay": 0.1}, {"amsgrad": True}, {"maximize": True}]
    sgd = [{"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}, {"momentum": 0.5, "dampening": 0.3}, {}]
    for make, lists in [(AdamWLegacy, adam), (SGDW, sgd)]:
        for options in lists:
            yield neighbour(make, options, gradients="moderate")
        yield neighbour(make, lists[0])
        yield neighbour(make, lists[0], missing=MISSING, learning_rates=RATES)


def neighbour(make, options, **more):
    kwargs = renamed({key: value for key, value in options.items() if key in TORCH_NAMES}, TORCH_NAMES)
    if "beta1" in options:
        kwargs["betas"] = [options["beta1"], options["beta2"]]
    own = {"learningRate": 1e-3} if make is SGDW else {}
    rate = {"lr": 1e-3} if make is SGDW else {}
    name = f"timm.optim.{make.__name__}"
    kwargs = rate | kwargs | {"caution": True}
    return Case(name, "timm", own | options, kwargs, framework_only=["caution"], **more)


def start(case, values):
    def make(parameters, options):
        return RMSpropTF(parameters, foreach=False, **options)

    return TorchRun(make, case, values, STATES, lambda model, decay: ModelEmaV3(model, decay=decay))


def start_neighbour(case, values):
    make = {"timm.optim.AdamWLegacy": AdamWLegacy, "timm.optim.SGDW": SGDW}[case.optimizer]
    return TorchRun(lambda parameters, options: make(parameters, foreach=False, **options), case, values, ADAM_STATES)


def main():
    version = torch.__version__.partition("+")[0]
    environment = (
        f"torch {version}, CPU, 1 thread, ATEN_CPU_CAPABILITY=default, foreach=False, square roots of IEEE 754"
    )
    about = {"framework": "timm", "version": timm.__version__, "environment": environment, "states": STATES}
    with ExactSqrt():
        write_cases("timm", about, [run(each, start) for each in cases()])
        about["states"] = ADAM_STATES
        write_cases("timm-cautious", about, [run(each, start_neighbour) for each in cautious_cases()])


if __name__ == "__main__":
    main()
