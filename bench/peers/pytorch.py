"""Trains the networks of bench/nn.bench.ts in PyTorch on one thread; see bench/pytorch.ts. A JSON request a line in, a
number a line out: {"widths", "activation", "batch", "learningRate", "decay", "eps", "file", "runs"} begins with a
network and answers the loss of its last run; {"milliseconds"} repeats its step for so long and answers the median time.
"""

import json
import math
import sys
from statistics import median
from time import perf_counter

import numpy
import torch

torch.set_num_threads(1)
torch.set_num_interop_threads(1)


def begin(request):
    """Returns a function that does one step and returns its loss."""
    file = open(request["file"], "rb")

    def tensor(*shape):
        return torch.from_numpy(numpy.fromfile(file, numpy.float32, math.prod(shape))).reshape(shape)

    widths = request["widths"]
    layers = []
    for inputs, outputs in zip(widths, widths[1:]):
        if layers:
            layers.append(torch.nn.Tanh() if request["activation"] == "tanh" else torch.nn.ReLU())
        dense = torch.nn.Linear(inputs, outputs)
        with torch.no_grad():
            dense.weight.copy_(tensor(inputs, outputs).T)
            dense.bias.copy_(tensor(outputs))
        layers.append(dense)
    model = torch.nn.Sequential(*layers)
    x = tensor(request["batch"], widths[0])
    y = tensor(request["batch"], widths[-1])
    measure = torch.nn.MSELoss()
    optimizer = torch.optim.RMSprop(
        model.parameters(), lr=request["learningRate"], alpha=request["decay"], eps=request["eps"]
    )

    def step():
        optimizer.zero_grad()
        loss = measure(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def time(step, milliseconds):
    times = []
    end = perf_counter() + milliseconds / 1e3
    while perf_counter() < end or not times:
        start = perf_counter()
        step()
        times.append((perf_counter() - start) * 1e3)
    return median(times)


for line in sys.stdin:
    request = json.loads(line)
    if "file" in request:
        step = begin(request)
        answer = [step() for _ in range(request["runs"])][-1]
    else:
        answer = time(step, request["milliseconds"])
    print(json.dumps(answer), flush=True)
