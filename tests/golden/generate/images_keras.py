"""Layers over images and sequences of Keras 3 (on PyTorch), with the gradients of x and of the weights."""

import os

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import torch
from keras import layers

from common import random_source, to_hex, write

torch.set_num_threads(1)

# On PyTorch a mean with "same" repeats the last element where the padding is odd; images_tfjs.mjs has that case.
# Lanewise's constructor, its arguments, the Keras layer, the shape of x without the batch.
LAYERS = [
    ("conv2d", [5, {"padding": "same", "strides": 2}], layers.Conv2D(5, 3, 2, "same"), (7, 6, 3)),
    ("conv2d", [4, {"kernelSize": [2, 3], "dilation": 2}], layers.Conv2D(4, (2, 3), dilation_rate=2), (8, 7, 2)),
    ("conv2d", [6, {"groups": 2, "bias": False}], layers.Conv2D(6, 3, groups=2, use_bias=False), (5, 6, 4)),
    ("conv2d", [3, {"kernelSize": 1}], layers.Conv2D(3, 1), (4, 5, 2)),
    ("conv1d", [4, {"kernelSize": 3, "padding": "causal", "dilation": 2}], layers.Conv1D(4, 3, 1, "causal", dilation_rate=2), (9, 3)),
    ("conv1d", [3, {"kernelSize": 4, "padding": "same", "strides": 3}], layers.Conv1D(3, 4, 3, "same"), (11, 2)),
    ("conv2dTranspose", [3, {"kernelSize": 3, "strides": 2, "padding": "same"}], layers.Conv2DTranspose(3, 3, 2, "same"), (4, 5, 2)),
    ("conv2dTranspose", [2, {"kernelSize": 4, "strides": [2, 3]}], layers.Conv2DTranspose(2, 4, (2, 3)), (3, 4, 3)),
    ("conv2dTranspose", [2, {"kernelSize": 4, "strides": 2, "padding": "same"}], layers.Conv2DTranspose(2, 4, 2, "same"), (3, 4, 3)),
    ("depthwiseConv2d", [{"multiplier": 2, "padding": "same"}], layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2), (5, 6, 3)),
    ("depthwiseConv2d", [{"kernelSize": 2, "strides": 2}], layers.DepthwiseConv2D(2, 2), (6, 7, 5)),
    ("separableConv2d", [4, {"multiplier": 2}], layers.SeparableConv2D(4, 3, depth_multiplier=2), (5, 6, 3)),
    ("maxPool2d", [3, {"strides": 2, "padding": "same"}], layers.MaxPooling2D(3, 2, "same"), (7, 6, 3)),
    ("maxPool1d", [2], layers.MaxPooling1D(2), (9, 4)),
    ("averagePool2d", [[3, 2], {"strides": 2, "padding": "same"}], layers.AveragePooling2D((3, 2), 2, "same"), (7, 6, 3)),
    ("averagePool1d", [3, {"strides": 2, "padding": "same"}], layers.AveragePooling1D(3, 2, "same"), (9, 2)),
    ("globalAveragePool2d", [], layers.GlobalAveragePooling2D(), (3, 5, 4)),
    ("globalAveragePool1d", [], layers.GlobalAveragePooling1D(), (7, 3)),
    ("globalMaxPool2d", [], layers.GlobalMaxPooling2D(), (3, 5, 4)),
    ("globalMaxPool1d", [], layers.GlobalMaxPooling1D(), (7, 3)),
    ("upsample2d", [[2, 3]], layers.UpSampling2D((2, 3)), (3, 4, 2)),
    ("upsample2d", [2, {"interpolation": "bilinear"}], layers.UpSampling2D(2, interpolation="bilinear"), (3, 4, 2)),
]
ROWS = 2


def numbers(shape, seed):
    uniform = random_source(seed)
    return np.array([uniform() * 2 - 1 for _ in range(int(np.prod(shape)))], np.float32).reshape(shape)


def hexes(arrays):
    return [to_hex(array.detach().numpy().ravel()) for array in arrays]


def case(index, name, arguments, layer, shape):
    x = torch.tensor(numbers((ROWS, *shape), 100 * index), requires_grad=True)
    layer.build(x.shape)
    for i, variable in enumerate(layer.trainable_variables):
        variable.assign(numbers(variable.shape, 100 * index + 1 + i))
    y = layer(x)
    dy = numbers(tuple(y.shape), 100 * index + 50)
    y.backward(torch.tensor(dy))
    weights = [variable.value for variable in layer.trainable_variables]
    return {
        "layer": name,
        "arguments": arguments,
        "shape": list(shape),
        "outputShape": list(y.shape[1:]),
        "x": to_hex(x.detach().numpy().ravel()),
        "weights": hexes(weights),
        "y": to_hex(y.detach().numpy().ravel()),
        "dy": to_hex(dy.ravel()),
        "dx": to_hex(x.grad.numpy().ravel()),
        "dweights": hexes([weight.grad for weight in weights]),
    }


keras.config.set_image_data_format("channels_last")
cases = [case(i, *entry) for i, entry in enumerate(LAYERS)]
write("images/keras3", {"framework": "Keras on PyTorch", "version": keras.__version__, "rows": ROWS, "cases": cases})
