"""Lion of lion-pytorch, on the CPU."""

from importlib.metadata import version

import torch
from lion_pytorch import Lion

from common import MISSING, RATES, Case, combinations, run, write_cases
from pytorch import TorchRun

STATES = {"gradientAverage": "exp_avg"}


def case(options, **more):
    names = {"learningRate": "lr", "weightDecay": "weight_decay"}
    kwargs = {names[key]: value for key, value in options.items() if key in names}
    if "beta1" in options:
        kwargs["betas"] = [options["beta1"], options["beta2"]]
    return Case("lion_pytorch.Lion", "lion-pytorch", options, kwargs, **more)


def cases():
    rates = [{}, {"learningRate": 0.01}]
    for options in combinations(rates, [{}, {"weightDecay": 0.1}], [{}, {"beta1": 0.5, "beta2": 0.8}]):
        yield case(options)
    yield case({"weightDecay": 0.1}, missing=MISSING)
    yield case({"weightDecay": 0.1}, learning_rates=RATES)
    yield case({}, gradients="tiny")
    yield case({"learningRate": 0.1}, gradients="integers")


def start(case, values):
    return TorchRun(lambda parameters, options: Lion(parameters, **options), case, values, STATES)


def main():
    environment = f"CPU, 1 thread, PyTorch {torch.__version__.partition('+')[0]}, ATEN_CPU_CAPABILITY=default"
    about = {"framework": "lion-pytorch", "version": version("lion-pytorch"), "environment": environment}
    write_cases("lion-pytorch", about | {"states": STATES}, [run(each, start) for each in cases()])


if __name__ == "__main__":
    main()
