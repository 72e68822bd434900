"""The networks of bench/nn.bench.ts and bench/deep.bench.ts in PyTorch on one thread; see bench/pytorch.ts. A JSON
request a line in, a number a line out: {"widths", "activation", "batch", "learningRate", "decay", "eps", "file", "runs"},
or "layers" and what else bench/deep.ts names, begins with a network, runs it and writes the result to the file, and
"tensors", "parameters" with RMSProp's options a step over many tensors;
{"milliseconds"} repeats its step for so long and answers the median time.
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


def reader(request):
    """Returns a function that reads the next tensor of the request's file."""
    file = open(request["file"], "rb")

    def tensor(*shape):
        return torch.from_numpy(numpy.fromfile(file, numpy.float32, math.prod(shape))).reshape(shape)

    return tensor


def rmsprop(parameters, request):
    return torch.optim.RMSprop(parameters, lr=request["learningRate"], alpha=request["decay"], eps=request["eps"])


def begin(request):
    """Returns a function that does one step and returns its loss."""
    tensor = reader(request)
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
    optimizer = rmsprop(model.parameters(), request)

    def step():
        optimizer.zero_grad()
        loss = measure(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


class Last(torch.nn.Module):
    """A layer whose channels are last, as in Lanewise: of images that are stored so, and the outputs of a sequence."""

    def __init__(self, layer, permute):
        super().__init__()
        self.layer = layer
        self.permute = permute

    def forward(self, x):
        if self.permute:
            return self.layer(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return self.layer(x)[0]


def layer_of(layer, shape, tensor):
    """A layer for rows of this shape, with weights from the file; the shape of its output."""
    kind = layer["kind"]
    channels = shape[-1]
    nn = torch.nn
    if kind in ("conv2d", "depthwiseConv2d"):
        depthwise = kind == "depthwiseConv2d"
        filters = channels if depthwise else layer["filters"]
        conv = nn.Conv2d(channels, filters, 3, padding="same", groups=channels if depthwise else 1)
        if depthwise:
            conv.weight.data = tensor(3, 3, channels, 1).permute(2, 3, 0, 1).contiguous()
        else:
            conv.weight.data = tensor(3, 3, channels, filters).permute(3, 2, 0, 1).contiguous()
        conv.bias.data = tensor(filters)
        conv = conv.to(memory_format=torch.channels_last)
        return Last(nn.Sequential(conv, nn.ReLU()), True), [*shape[:-1], filters]
    if kind == "maxPool2d":
        return Last(nn.MaxPool2d(2), True), [shape[0] // 2, shape[1] // 2, channels]
    if kind == "flatten":
        return nn.Flatten(), [math.prod(shape)]
    if kind == "dense":
        dense = nn.Linear(channels, layer["outputs"])
        dense.weight.data = tensor(channels, layer["outputs"]).T.contiguous()
        dense.bias.data = tensor(layer["outputs"])
        return nn.Sequential(dense, nn.ReLU()) if layer["relu"] else dense, [*shape[:-1], layer["outputs"]]
    if kind == "embedding":
        return nn.Embedding.from_pretrained(tensor(layer["count"], layer["width"]), freeze=False), [*shape, layer["width"]]
    units = layer["units"]
    gates = 4 if kind == "lstm" else 3

    def gated(values):
        """Gates z, r, h become r, z, n; those of an LSTM have the same order."""
        if kind == "lstm":
            return values
        z, r, h = values.split(units, dim=-1)
        return torch.cat([r, z, h], dim=-1)

    recurrent = (nn.LSTM if kind == "lstm" else nn.GRU)(channels, units, batch_first=True)
    recurrent.weight_ih_l0.data = gated(tensor(channels, gates * units)).T.contiguous()
    recurrent.weight_hh_l0.data = gated(tensor(units, gates * units)).T.contiguous()
    recurrent.bias_ih_l0.data = gated(tensor(gates * units))
    if kind == "lstm":
        # It has two where Lanewise and Keras have one.
        recurrent.bias_hh_l0.data.zero_()
        recurrent.bias_hh_l0.requires_grad_(False)
    else:
        recurrent.bias_hh_l0.data = gated(tensor(gates * units))
    return Last(recurrent, False), [*shape[:-1], units]


def begin_deep(request):
    """Returns a function that does one step of bench/deep.ts and returns its result, or for gradients none."""
    tensor = reader(request)
    shape = request["input"]
    layers = []
    for each in request["layers"]:
        layer, shape = layer_of(each, shape, tensor)
        layers.append(layer)
    model = torch.nn.Sequential(*layers)
    x = tensor(request["batch"], *request["input"])
    if request["layers"][0]["kind"] == "embedding":
        x = x.long()
    if request["mode"] == "forward":

        def forward():
            with torch.inference_mode():
                return model(x)

        return forward
    if request["mode"] == "gradients":
        dy = tensor(request["batch"], *shape)
        x.requires_grad_()

        def gradients():
            x.grad = None
            model.zero_grad()
            y = model(x)
            y.backward(dy)

        return gradients
    classes = tensor(math.prod([request["batch"], *shape[:-1]])).long()
    optimizer = rmsprop([p for p in model.parameters() if p.requires_grad], request)

    def train():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x).reshape(-1, shape[-1]), classes)
        loss.backward()
        optimizer.step()
        return loss.item()

    return train


def begin_tensors(request):
    """Returns a function that does one step over many tensors, and one that returns all of them in a row."""
    tensor = reader(request)
    count = request["parameters"]
    pieces = request["tensors"]
    bounds = [i * count // pieces for i in range(pieces + 1)]
    sizes = [end - start for start, end in zip(bounds, bounds[1:])]
    parameters = [torch.nn.Parameter(piece.clone()) for piece in tensor(count).split(sizes)]
    for parameter, gradient in zip(parameters, tensor(count).split(sizes)):
        parameter.grad = gradient.clone()
    optimizer = torch.optim.RMSprop(
        parameters, lr=request["learningRate"], alpha=request["decay"], eps=request["eps"], foreach=True
    )
    return optimizer.step, lambda: torch.cat(parameters).detach().numpy()


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
    if "tensors" in request:
        step, read = begin_tensors(request)
        for _ in range(request["runs"]):
            step()
        read().tofile(request["file"])
        answer = 0
    elif "file" in request:
        step = begin_deep(request) if "layers" in request else begin(request)
        result = [step() for _ in range(request["runs"])][-1]
        numpy.asarray([] if result is None else result, numpy.float32).tofile(request["file"])
        answer = 0
    else:
        answer = time(step, request["milliseconds"])
    print(json.dumps(answer), flush=True)
