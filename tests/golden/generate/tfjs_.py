"""tf.train.rmsprop of TensorFlow.js, through tfjs.mjs: its cpu backend, whose bits its wasm backend must give too."""

import json
import pathlib
import subprocess

from common import MISSING, RATES, Case, combinations, from_hex, renamed, run, to_hex, write_cases

STATES = {"squareAverage": "rms", "gradientAverage": "mg", "momentumBuffer": "momentum"}
OPTION_NAMES = {
    "learningRate": "learningRate",
    "decay": "decay",
    "eps": "epsilon",
    "momentum": "momentum",
    "centered": "centered",
}
NODE = subprocess.Popen(
    ["node", pathlib.Path(__file__).with_name("tfjs.mjs")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
)


def ask(request, **argument):
    NODE.stdin.write(json.dumps({"request": request} | argument) + "\n")
    NODE.stdin.flush()
    return json.loads(NODE.stdout.readline())


class TfjsRun:
    backend = "cpu"

    def __init__(self, case, values):
        self.names = list(values)
        values = {name: to_hex(value) for name, value in values.items()}
        ask("start", backend=self.backend, options=case.framework_options, values=values)

    def step(self, gradients, learning_rate):
        gradients = {name: None if value is None else to_hex(value) for name, value in gradients.items()}
        ask("step", gradients=gradients, learningRate=learning_rate)

    def read(self):
        return {
            name: {state: from_hex(text) for state, text in states.items()}
            for name, states in zip(self.names, ask("read"))
        }

    def save(self):
        """What getWeights() gives, in its order."""
        return ask("save")


class WasmRun(TfjsRun):
    backend = "wasm"


def case(options, **more):
    options = {"learningRate": 0.01} | options
    return Case("tf.train.rmsprop", "tfjs", options, renamed(options, OPTION_NAMES), **more)


def cases():
    yield from map(case, combinations([{}, {"momentum": 0.9}], [{}, {"centered": True}], [{}, {"eps": 1e-3}]))
    yield case({"decay": 0.99, "learningRate": 0.05})
    yield case({"decay": 0.5, "momentum": 0.5, "centered": True, "eps": 1e-5}, gradients="moderate")
    yield case({"momentum": 0.9, "decay": 0.95}, gradients="moderate")
    yield case({"eps": 0.0, "momentum": 0.9})
    yield case({"momentum": 0.9}, learning_rates=RATES)
    yield case({"momentum": 0.9, "centered": True}, missing=MISSING)
    yield case({}, gradients="tiny")
    yield case({"momentum": 0.9, "centered": True}, gradients="tiny")


def checkpoint_cases():
    yield case({"momentum": 0.9}, steps=20, checkpoint_step=10)
    yield case({"momentum": 0.9, "centered": True}, steps=20, checkpoint_step=10)


def run_on_both(case):
    record = run(case, TfjsRun)
    assert record == run(case, WasmRun), f"cpu and wasm differ: {case.name}"
    return record


def main():
    about = {"framework": "TensorFlow.js", "version": ask("version"), "states": STATES}
    about["environment"] = "backend cpu; backend wasm gives the same bits"
    write_cases("tfjs", about, [run_on_both(each) for each in cases()])
    write_cases("checkpoint-tfjs", about, [run_on_both(each) for each in checkpoint_cases()])
    NODE.stdin.close()


if __name__ == "__main__":
    main()
