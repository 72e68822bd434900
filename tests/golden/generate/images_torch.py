"""Convolutions, pooling and resizing of PyTorch on the CPU, with their gradients: NHWC operands, exact where data allow."""

import numpy as np
import torch
import torch.nn.functional as F

from common import random_source, to_hex, write

torch.set_num_threads(1)

# batch, height, width, channels, outputs, kernel, stride, dilation, padding, groups
CONVOLUTIONS = [
    (2, 7, 5, 3, 5, (3, 2), (1, 1), (1, 1), (1, 0), 1),
    (1, 9, 10, 4, 9, (3, 3), (2, 3), (1, 1), (1, 2), 1),
    (2, 11, 8, 2, 6, (3, 2), (2, 1), (2, 3), (2, 1), 1),
    (1, 6, 7, 6, 12, (3, 3), (1, 2), (1, 1), (1, 1), 3),
    (3, 4, 4, 5, 3, (1, 1), (1, 1), (1, 1), (0, 0), 1),
    (1, 3, 3, 2, 17, (5, 5), (1, 1), (1, 1), (2, 2), 1),
    (2, 1, 13, 4, 7, (1, 5), (1, 2), (1, 1), (0, 2), 1),
]
# channels and outputs = channels · multiplier
DEPTHWISE = [
    (2, 7, 5, 13, 13, (3, 3), (1, 1), (1, 1), (1, 1), 13),
    (1, 9, 8, 5, 10, (3, 2), (2, 2), (1, 1), (1, 0), 5),
    (2, 8, 9, 4, 4, (2, 3), (1, 2), (2, 2), (1, 2), 4),
]
# the same, and output_padding: from [height, width, channels] up
TRANSPOSED = [
    (2, 4, 5, 3, 4, (3, 2), (2, 1), (1, 1), (1, 0), (1, 0)),
    (1, 5, 3, 6, 2, (3, 3), (3, 2), (1, 2), (0, 1), (2, 0)),
]
# batch, height, width, channels, kernel, stride, padding
POOLS = [
    (2, 6, 8, 8, (2, 2), (2, 2), (0, 0)),
    (1, 7, 5, 13, (3, 2), (2, 1), (1, 0)),
    (2, 5, 9, 3, (3, 3), (1, 2), (1, 1)),
]
# height, width, output height and width
SIZES = [(3, 4, 6, 8), (7, 5, 3, 4), (4, 3, 9, 1)]


def integers(shape, seed):
    """So small that sums of their products are exact in float32."""
    uniform = random_source(seed)
    values = [np.trunc(uniform() * 17 - 8) for _ in range(int(np.prod(shape)))]
    return np.array(values, np.float32).reshape(shape)


def tensor(values):
    return torch.tensor(values, requires_grad=True)


def nchw(x):
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1).contiguous()


def hexes(**arrays):
    return {
        name: to_hex((value.detach().numpy() if isinstance(value, torch.Tensor) else value).astype(np.float32).ravel())
        for name, value in arrays.items()
    }


def window(x, y, kernel, stride=(1, 1), dilation=(1, 1), padding=(0, 0), groups=1):
    names = "batch inHeight inWidth inChannels outHeight outWidth outChannels kernelHeight kernelWidth"
    numbers = [*x.shape, *y.shape[1:], *kernel, *stride, *dilation, *padding, groups]
    names += " strideHeight strideWidth dilationHeight dilationWidth padTop padLeft groups"
    return dict(zip(names.split(), [int(n) for n in numbers], strict=True))


def convolution(kind, case, seed):
    batch, height, width, channels, outputs, kernel, stride, dilation, padding, groups = case
    x = tensor(integers((batch, height, width, channels), seed))
    weight = tensor(integers((*kernel, channels // groups, outputs), seed + 1))
    bias = tensor(integers((outputs,), seed + 2))
    y = nhwc(F.conv2d(nchw(x), weight.permute(3, 2, 0, 1), bias, stride, padding, dilation, groups))
    dy = integers(y.shape, seed + 3)
    y.backward(torch.tensor(dy))
    ours = window(x, y, kernel, stride, dilation, padding, groups)
    # A depthwise weight is [kh, kw, channels, multiplier]: the same numbers, for output c·multiplier + m.
    return {"kind": kind, "window": ours, **hexes(x=x, weight=weight, bias=bias, dy=dy, y=y, dx=x.grad, dw=weight.grad)}


def transposed(case, seed):
    """The window is that of the convolution whose gradient by input this is: from the larger image to the smaller."""
    batch, height, width, channels, outputs, kernel, stride, dilation, padding, more = case
    x = tensor(integers((batch, height, width, channels), seed))
    weight = tensor(integers((*kernel, outputs, channels), seed + 1))
    bias = tensor(integers((outputs,), seed + 2))
    torch_weight = weight.permute(3, 2, 0, 1)
    y = nhwc(F.conv_transpose2d(nchw(x), torch_weight, bias, stride, padding, more, 1, dilation))
    dy = integers(y.shape, seed + 3)
    y.backward(torch.tensor(dy))
    ours = window(y, x, kernel, stride, dilation, padding)
    arrays = hexes(x=x, weight=weight, bias=bias, dy=dy, y=y, dx=x.grad, dw=weight.grad)
    return {"kind": "transposed", "window": ours, **arrays}


def pool(kind, case, seed):
    batch, height, width, channels, kernel, stride, padding = case
    x = tensor(integers((batch, height, width, channels), seed))
    if kind == "max":
        y = nhwc(F.max_pool2d(nchw(x), kernel, stride, padding))
    else:
        y = nhwc(F.avg_pool2d(nchw(x), kernel, stride, padding, count_include_pad=False))
    dy = integers(y.shape, seed + 1)
    y.backward(torch.tensor(dy))
    ours = window(x, y, kernel, stride, padding=padding)
    return {"kind": kind, "window": ours, **hexes(x=x, dy=dy, y=y, dx=x.grad)}


def resize(mode, align, size, seed):
    height, width, *out = size
    x = tensor(integers((2, height, width, 5), seed))
    options = {} if mode == "nearest" else {"align_corners": align}
    y = nhwc(F.interpolate(nchw(x), tuple(out), mode=mode, **options))
    dy = integers(y.shape, seed + 1)
    y.backward(torch.tensor(dy))
    about = {"alignCorners": align, "halfPixelCenters": mode == "bilinear" and not align}
    return {"kind": mode, "window": window(x, y, (1, 1)), **about, **hexes(x=x, dy=dy, y=y, dx=x.grad)}


cases = [
    *[convolution("conv2d", case, 10 * i) for i, case in enumerate(CONVOLUTIONS)],
    *[convolution("depthwise", case, 100 + 10 * i) for i, case in enumerate(DEPTHWISE)],
    *[transposed(case, 200 + 10 * i) for i, case in enumerate(TRANSPOSED)],
    *[pool(kind, case, 300 + 10 * i) for kind in ("max", "average") for i, case in enumerate(POOLS)],
    *[
        resize(mode, align, size, 400 + 10 * i)
        for mode, align in (("nearest", False), ("bilinear", False), ("bilinear", True))
        for i, size in enumerate(SIZES)
    ],
]
write("images/pytorch", {"framework": "PyTorch", "version": torch.__version__, "cases": cases})
