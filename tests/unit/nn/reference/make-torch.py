"""Writes torch-models.json: state_dicts of PyTorch models as safetensors files, with inputs and outputs.

Needs torch 2.15.0 and safetensors 0.8.0. Run: python make-torch.py > torch-models.json
"""
import base64
import json

import torch
from safetensors.torch import save
from torch import nn

torch.manual_seed(1)


class Last(nn.Module):
    """A recurrent module whose output is its sequence."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        return self.module(x)[0]


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.module = nn.MultiheadAttention(6, 2, batch_first=True)

    def forward(self, x):
        return self.module(x, x, x)[0]


def images():
    return nn.Sequential(
        nn.Conv2d(3, 4, (3, 2), stride=(2, 1), padding=1), nn.BatchNorm2d(4), nn.PReLU(4),
        nn.Conv2d(4, 8, 3, groups=4, padding=1), nn.GroupNorm(2, 8), nn.Conv2d(8, 4, 3, groups=2),
        nn.ReLU(), nn.Flatten(), nn.Linear(72, 5),
    )


CASES = [
    ("images", images(), (2, 3, 9, 7), True),
    ("convTranspose", nn.Sequential(nn.ConvTranspose2d(3, 4, 3, stride=2)), (2, 3, 4, 5), True),
    ("sequences", nn.Sequential(nn.Conv1d(3, 4, 2), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(12, 2)), (2, 3, 7), True),
    ("flat", nn.Sequential(nn.Conv1d(3, 4, 2), nn.Flatten(), nn.BatchNorm1d(24), nn.PReLU(24), nn.Linear(24, 2)), (2, 3, 7), True),
    ("norms", nn.Sequential(nn.LayerNorm(5), nn.Linear(5, 4, bias=False), nn.RMSNorm(4, eps=1e-6)), (3, 5), False),
    ("embedding", nn.Sequential(nn.Embedding(7, 3), nn.Flatten(), nn.Linear(12, 2)), (2, 4), False),
    ("lstm", Last(nn.LSTM(3, 4, batch_first=True)), (2, 5, 3), False),
    ("gru", Last(nn.GRU(3, 4, batch_first=True)), (2, 5, 3), False),
    ("rnn", Last(nn.RNN(3, 4, batch_first=True)), (2, 5, 3), False),
    ("bidirectional", Last(nn.GRU(3, 4, batch_first=True, bidirectional=True)), (2, 5, 3), False),
    ("attention", Attention(), (2, 5, 6), False),
]


def numbers(tensor):
    return [float(value) for value in tensor.flatten()]


out = []
for name, model, shape, channels_first in CASES:
    with torch.no_grad():
        for entry in [*model.parameters(), *model.buffers()]:
            if entry.is_floating_point():
                entry.copy_(torch.rand_like(entry) * 0.8 + 0.1 if name in ("images", "flat") else torch.randn_like(entry) * 0.5)
    model.eval()
    x = torch.randint(0, 7, shape) if name == "embedding" else torch.randn(shape)
    with torch.no_grad():
        y = model(x)
        exact = model.double()(x if name == "embedding" else x.double())
    model.float()
    last = lambda t: t.movedim(1, -1) if channels_first and t.dim() > 2 else t
    file = base64.b64encode(save({key: value.contiguous() for key, value in model.state_dict().items()})).decode()
    out.append({"name": name, "file": file, "x": numbers(last(x)), "y": numbers(last(y)), "exact": numbers(last(exact))})
print(json.dumps({"torch": torch.__version__, "cases": out}))
