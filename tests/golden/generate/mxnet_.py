"""
mx.optimizer.RMSProp: the fused kernels of 1.x (dialect mxnet1) and 2.0 (dialect mxnet2), whichever is installed. The
two packages have one name and need environments of their own.
"""

import mxnet as mx

from common import MISSING, RATES, Case, combinations, renamed, run, write_cases

MAJOR = int(mx.__version__.partition(".")[0])
DIALECT = f"mxnet{MAJOR}"
STATES = {
    "squareAverage": "n" if MAJOR == 1 else "var",
    "gradientAverage": "g" if MAJOR == 1 else "mean",
    "momentumBuffer": ("delta" if MAJOR == 1 else "mom") + " (holds minus the update)",
}
OPTION_NAMES = {
    "learningRate": "learning_rate",
    "decay": "gamma1" if MAJOR == 1 else "rho",
    "eps": "epsilon",
    "momentum": "gamma2" if MAJOR == 1 else "momentum",
    "centered": "centered",
    "weightDecay": "wd",
    "clipValue": "clip_gradient",
}


class MXNetRun:
    def __init__(self, case, values):
        self.optimizer = mx.optimizer.RMSProp(**case.framework_options)
        self.weights = {name: mx.nd.array(value) for name, value in values.items()}
        self.states = [self.optimizer.create_state(index, weight) for index, weight in enumerate(self.weights.values())]

    def step(self, gradients, learning_rate):
        if learning_rate is not None:
            self.optimizer.set_learning_rate(learning_rate)
        for index, (name, gradient) in enumerate(gradients.items()):
            if gradient is not None:
                own = index, self.weights[name], mx.nd.array(gradient), self.states[index]
                self.optimizer.update(*own if MAJOR == 1 else [[each] for each in own])

    def read(self):
        return {
            name: {"parameter": weight.asnumpy()} | self.arrays(state)
            for (name, weight), state in zip(self.weights.items(), self.states)
        }

    def arrays(self, state):
        state = state if isinstance(state, tuple) else (state,)
        names = ["squareAverage"]
        if len(state) == 3:
            names = ["squareAverage", "gradientAverage", "momentumBuffer"]
            if MAJOR == 2:
                names[:2] = reversed(names[:2])
        return {name: value.asnumpy() for name, value in zip(names, state)}


def case(options, extra=None, **more):
    kwargs = renamed(options, OPTION_NAMES) | (extra or {})
    return Case("mx.optimizer.RMSProp", DIALECT, options, kwargs, framework_only=list(extra or {}), **more)


def cases():
    decays = [{}, {"weightDecay": 0.01}]
    yield from map(case, combinations([{}, {"centered": True}], decays, [{}, {"clipValue": 0.5}]))
    yield case({"decay": 0.99, "eps": 1e-3, "learningRate": 0.05})
    yield case({"centered": True, "momentum": 0.5, "decay": 0.5, "eps": 1e-3})
    yield case({"centered": True, "momentum": 0.0})
    yield case({"centered": True, "weightDecay": 0.1, "clipValue": 0.5}, gradients="moderate")
    yield case({}, learning_rates=RATES)
    yield case({"centered": True}, missing=MISSING)
    yield case({}, gradients="tiny")
    yield case({"centered": True}, gradients="tiny")
    yield case({"weightDecay": 0.01, "clipValue": 0.5}, {"rescale_grad": 0.3}, gradients="moderate")
    yield case({}, {"clip_weights": 1.0}, gradients="moderate")
    yield case({"centered": True}, {"clip_weights": 1.0}, gradients="moderate")


def main():
    about = {"framework": "Apache MXNet", "version": mx.__version__, "environment": "CPU", "states": STATES}
    if MAJOR == 2:
        about["flushesSubnormals"] = True
    write_cases(DIALECT, about, [run(each, MXNetRun) for each in cases()])


if __name__ == "__main__":
    main()
