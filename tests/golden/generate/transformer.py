"""Fifty steps of RMSprop on a transformer of two blocks, in PyTorch's float32 and float64.

The task is to repeat the word before. Weights, batches and the losses of every step are recorded; float64 tells how far
float32 roundings alone carry a run.
"""

import json

import numpy as np
import torch
import torch.nn.functional as F
from common import VECTORS

torch.set_num_threads(1)
WORDS, PLACES, WIDTH, HEADS, HIDDEN, ROWS, STEPS = 13, 9, 12, 3, 20, 16, 50
rng = np.random.RandomState(20170612)


def start():
    """Start values by Lanewise's names, layers in topological order."""
    glorot = lambda i, o: rng.uniform(-1, 1, (i, o)) * np.sqrt(6 / (i + o))
    values = {"0.weight": rng.uniform(-0.5, 0.5, (WORDS, WIDTH)), "1.weight": rng.uniform(-0.5, 0.5, (PLACES, WIDTH))}
    layer = 2
    for _ in range(2):
        for norm in (layer, layer + 3):
            values[f"{norm}.gamma"] = rng.uniform(0.5, 1.5, WIDTH)
            values[f"{norm}.beta"] = rng.uniform(-0.2, 0.2, WIDTH)
        for part in ("query", "key", "value", "output"):
            values[f"{layer + 1}.{part}.weight"] = glorot(WIDTH, WIDTH)
            values[f"{layer + 1}.{part}.bias"] = rng.uniform(-0.1, 0.1, WIDTH)
        for dense, i, o in ((layer + 4, WIDTH, HIDDEN), (layer + 5, HIDDEN, WIDTH)):
            values[f"{dense}.weight"] = glorot(i, o)
            values[f"{dense}.bias"] = rng.uniform(-0.1, 0.1, o)
        layer += 7
    values[f"{layer}.weight"] = glorot(WIDTH, WORDS)
    values[f"{layer}.bias"] = np.zeros(WORDS)
    return {name: value.astype(np.float32) for name, value in values.items()}


def forward(p, ids):
    h = p["0.weight"][ids] + p["1.weight"]
    layer = 2
    for _ in range(2):
        x = F.layer_norm(h, (WIDTH,), p[f"{layer}.gamma"], p[f"{layer}.beta"], 1e-3)
        project = lambda x, part: x @ p[f"{layer + 1}.{part}.weight"] + p[f"{layer + 1}.{part}.bias"]
        heads = lambda x: x.reshape(len(x), PLACES, HEADS, WIDTH // HEADS).transpose(1, 2)
        q, k, v = (heads(project(x, part)) for part in ("query", "key", "value"))
        o = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(len(x), PLACES, WIDTH)
        h = h + project(o, "output")
        x = F.layer_norm(h, (WIDTH,), p[f"{layer + 3}.gamma"], p[f"{layer + 3}.beta"], 1e-3)
        x = F.gelu(x @ p[f"{layer + 4}.weight"] + p[f"{layer + 4}.bias"])
        h = h + x @ p[f"{layer + 5}.weight"] + p[f"{layer + 5}.bias"]
        layer += 7
    return h @ p[f"{layer}.weight"] + p[f"{layer}.bias"]


def run(values, batches, dtype):
    p = {name: torch.tensor(value, dtype=dtype, requires_grad=True) for name, value in values.items()}
    optimizer = torch.optim.RMSprop(p.values(), lr=3e-3, alpha=0.9, eps=1e-7)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(forward(p, x).reshape(-1, WORDS), y.reshape(-1))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


values = start()
batches = []
for _ in range(STEPS):
    x = torch.tensor(rng.randint(0, WORDS, (ROWS, PLACES)))
    batches.append((x, torch.cat([x[:, :1], x[:, :-1]], 1)))
digits = lambda array: [float(f"{x:.9g}") for x in np.asarray(array, np.float64).ravel()]
result = {
    "torch": torch.__version__.split("+")[0],
    "sizes": {"words": WORDS, "places": PLACES, "width": WIDTH, "heads": HEADS, "hidden": HIDDEN, "rows": ROWS},
    "parameters": {name: digits(value) for name, value in values.items()},
    "batches": [x.ravel().tolist() for x, _ in batches],
    "float32": digits(run(values, batches, torch.float32)),
    "float64": digits(run(values, batches, torch.float64)),
}
text = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in result.items())
(VECTORS / "transformer.json").write_text("{" + text + "}\n")
a, b = np.array(result["float32"]), np.array(result["float64"])
print(a[0], a[-1], "float32 against float64:", np.abs(a - b).max())
