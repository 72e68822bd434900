"""paddle.optimizer.RMSProp on the CPU, dynamic graph."""

import os
import warnings

os.environ.setdefault("OMP_NUM_THREADS", "1")
warnings.filterwarnings("ignore", "No ccache found")

import numpy as np
import paddle

from common import MISSING, RATES, Case, combinations, renamed, run, write_cases

paddle.set_device("cpu")

STATES = {"squareAverage": "mean_square", "gradientAverage": "mean_grad", "momentumBuffer": "momentum"}
OPTION_NAMES = {
    "learningRate": "learning_rate",
    "decay": "rho",
    "eps": "epsilon",
    "momentum": "momentum",
    "centered": "centered",
    "weightDecay": "weight_decay",
    "clipValue": "grad_clip",
    "clipNorm": "grad_clip",
    "globalClipNorm": "grad_clip",
}
CLIPS = {"clipValue": "ClipGradByValue", "clipNorm": "ClipGradByNorm", "globalClipNorm": "ClipGradByGlobalNorm"}


class PaddleRun:
    """
    Each parameter is handed over in pieces of at most `piece` elements. Paddle's kernels divide by an estimated root
    where they work on packets of 8 elements, by the root of IEEE 754 in what remains: shorter pieces have no packets.
    """

    piece = 5

    def __init__(self, case, values):
        self.pieces = {name: [self.make(part) for part in self.split(value)] for name, value in values.items()}
        options = {"learning_rate": 0.01} | case.framework_options
        if "grad_clip" in options:
            kind, bound = options["grad_clip"]
            options["grad_clip"] = getattr(paddle.nn, kind)(bound)
        parameters = [parameter for pieces in self.pieces.values() for parameter in pieces]
        self.optimizer = paddle.optimizer.RMSProp(parameters=parameters, **options)

    def split(self, value):
        return np.split(value, range(self.piece, len(value), self.piece))

    def make(self, value):
        initial = paddle.nn.initializer.Assign(value)
        return paddle.create_parameter([len(value)], "float32", default_initializer=initial)

    def step(self, gradients, learning_rate):
        if learning_rate is not None:
            self.optimizer.set_lr(learning_rate)
        for name, pieces in self.pieces.items():
            gradient = gradients[name]
            parts = [None] * len(pieces) if gradient is None else self.split(gradient)
            for parameter, part in zip(pieces, parts):
                parameter.grad = None if part is None else paddle.to_tensor(part)
        self.optimizer.step()

    def read(self):
        states = {
            ours: theirs for ours, theirs in STATES.items() if ours != "gradientAverage" or self.optimizer._centered
        }
        arrays = {}
        for name, pieces in self.pieces.items():
            arrays[name] = {"parameter": join([parameter.numpy() for parameter in pieces])}
            for ours, theirs in states.items():
                own = self.optimizer._accumulators.get(theirs, {})
                made = all(parameter.name in own for parameter in pieces)
                arrays[name][ours] = join([own[parameter.name].numpy() for parameter in pieces]) if made else None
        return arrays


class WholeRun(PaddleRun):
    piece = 1000


def join(parts):
    return np.concatenate(parts)


def case(options, **more):
    options = {"learningRate": 0.01} | options
    kwargs = renamed(options, OPTION_NAMES)
    for option, kind in CLIPS.items():
        if option in options:
            kwargs["grad_clip"] = [kind, options[option]]
    return Case("paddle.optimizer.RMSProp", "paddle", options, kwargs, **more)


def cases():
    yield from map(case, combinations([{}, {"momentum": 0.9}], [{}, {"centered": True}], [{}, {"weightDecay": 0.01}]))
    yield case({"decay": 0.99, "eps": 1e-3, "learningRate": 0.05})
    yield case({"decay": 0.5, "momentum": 0.5, "centered": True, "eps": 1e-3}, gradients="moderate")
    yield case({"eps": 0.0, "momentum": 0.9})
    yield case({"momentum": 0.9}, learning_rates=RATES)
    yield case({"momentum": 0.9, "centered": True}, missing=MISSING)
    for clip in [{"clipValue": 0.5}, {"globalClipNorm": 3.0}]:
        yield case({"weightDecay": 0.1} | clip, gradients="integers")
        yield case(clip, gradients="spike")
    yield case({}, gradients="tiny")
    yield case({"momentum": 0.9, "centered": True}, gradients="tiny")


def native_cases():
    for options in combinations([{}, {"momentum": 0.9}], [{}, {"centered": True}]):
        yield case(options, gradients="moderate")
    yield case({"clipNorm": 2.0}, gradients="integers")


def main():
    about = {"framework": "PaddlePaddle", "version": paddle.__version__, "states": STATES}
    about["environment"] = "CPU, dynamic graph, parameters in pieces of 5 elements"
    write_cases("paddle", about, [run(each, PaddleRun) for each in cases()])
    about["environment"] = "CPU, dynamic graph"
    write_cases("paddle-native", about | {"approximate": True}, [run(each, WholeRun) for each in native_cases()])


if __name__ == "__main__":
    main()
