"""
Writes torch.json: states that PyTorch 2.15.0 saved in the middle of a run, by the recipe of docs/guide/checkpoints.md,
and the parameters after each of three more steps.

    pip install numpy torch==2.15.0 safetensors==0.8.0
    python make-torch.py

The runs have what real runs leave in a state_dict: schedulers, averaging, names and scales of groups, and options that
were switched off on the way.
"""

import base64
import io
import json
import os
import re
import sys
from pathlib import Path

os.environ["ATEN_CPU_CAPABILITY"] = "default"  # vector builds contract to fused multiply-adds

import numpy as np
import torch
from safetensors.torch import save
from torch.optim import SGD, Adagrad, Adam, AdamW, RMSprop, lr_scheduler, swa_utils

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "../../../golden/generate"))
from pytorch import ExactSqrt  # noqa: E402

torch.set_num_threads(1)

# The recipe, as the guide has it; into memory.
guide = (HERE / "../../../../docs/guide/checkpoints.md").read_text()
recipe = re.search(r"def save_optimizer\(optimizer, path\):\n(?:    .*\n)+", guide).group()
files = {}
scope = {"json": json, "save_file": lambda tensors, path, metadata: files.__setitem__(path, save(tensors, metadata))}
exec(recipe, scope)


def gradient(step, place, shape):
    """Values of few bits, so that no framework rounds them."""
    size = int(np.prod(shape))
    return ((np.arange(size) * 7 + step * 5 + place * 3) % 13 - 6).reshape(shape).astype(np.float32) / 8


SHAPES = [(2, 3), (4,)]


def run(name, make, groups=1, scheduler=None, change=None, steps=6):
    parameters = [torch.nn.Parameter(torch.from_numpy(gradient(100, place, shape))) for place, shape in enumerate(SHAPES)]
    members = [{"params": parameters}] if groups == 1 else [{"params": [parameter], **extra} for parameter, extra in zip(parameters, groups)]
    optimizer = make(members)
    schedule = scheduler(optimizer) if scheduler else None

    def advance(step):
        for place, parameter in enumerate(parameters):
            parameter.grad = torch.from_numpy(gradient(step, place, SHAPES[place]))
        with ExactSqrt():
            optimizer.step()

    for step in range(steps):
        if change and step == steps - 1:
            change(optimizer)
        advance(step)
        if schedule:
            schedule.step()
    scope["save_optimizer"](optimizer, name)
    before = [parameter.detach().flatten().tolist() for parameter in parameters]
    after = []
    for step in range(steps, steps + 3):
        advance(step)
        after.append([parameter.detach().flatten().tolist() for parameter in parameters])
    gradients = [[gradient(step, place, shape).flatten().tolist() for place, shape in enumerate(SHAPES)] for step in range(steps, steps + 3)]
    keys = sorted({key for group in optimizer.param_groups for key in group})
    left = sorted({key for state in optimizer.state.values() for key in state})
    return {"name": name, "file": base64.b64encode(files[name]).decode(), "shapes": SHAPES, "keys": keys, "state": left, "before": before, "gradients": gradients, "after": after}


def switch(**options):
    return lambda optimizer: [group.update(options) for group in optimizer.param_groups]


cases = [
    run("SGD with OneCycleLR", lambda groups: SGD(groups, lr=0.1, momentum=0.9), scheduler=lambda o: lr_scheduler.OneCycleLR(o, max_lr=0.1, total_steps=20)),
    run("SGD with CyclicLR", lambda groups: SGD(groups, lr=0.1, momentum=0.9), scheduler=lambda o: lr_scheduler.CyclicLR(o, base_lr=0.01, max_lr=0.1, step_size_up=4)),
    run("RMSprop with OneCycleLR", lambda groups: RMSprop(groups, lr=0.01, momentum=0.9), scheduler=lambda o: lr_scheduler.OneCycleLR(o, max_lr=0.01, total_steps=20)),
    run("Adam with OneCycleLR", lambda groups: Adam(groups, lr=0.01), scheduler=lambda o: lr_scheduler.OneCycleLR(o, max_lr=0.01, total_steps=20)),
    run("AdamW with SWALR", lambda groups: AdamW(groups, lr=0.01), scheduler=lambda o: swa_utils.SWALR(o, swa_lr=0.05)),
    run("RMSprop with LambdaLR", lambda groups: RMSprop(groups, lr=0.01), scheduler=lambda o: lr_scheduler.LambdaLR(o, lambda epoch: 0.9**epoch)),
    run("AdamW with named groups and scales", lambda groups: AdamW(groups, lr=0.01), groups=[{"name": "decay", "lr_scale": 0.5, "min_lr": 0.001}, {"name": "no decay", "lr_scale": 1.0, "weight_decay": 0.0}]),
    run("RMSprop, momentum switched off", lambda groups: RMSprop(groups, lr=0.01, momentum=0.9), change=switch(momentum=0)),
    run("RMSprop, centered switched off", lambda groups: RMSprop(groups, lr=0.01, centered=True), change=switch(centered=False)),
    run("RMSprop, both switched off", lambda groups: RMSprop(groups, lr=0.01, centered=True, momentum=0.5), change=switch(centered=False, momentum=0)),
    run("SGD, momentum switched off", lambda groups: SGD(groups, lr=0.1, momentum=0.9), change=switch(momentum=0)),
    run("Adam, amsgrad switched off", lambda groups: Adam(groups, lr=0.01, amsgrad=True), change=switch(amsgrad=False)),
    run("Adagrad", lambda groups: Adagrad(groups, lr=0.1, lr_decay=0.01)),
    run("SGD without momentum", lambda groups: SGD(groups, lr=0.1)),
]
lines = ",\n".join(json.dumps(case) for case in cases)
(HERE / "torch.json").write_text('{"version":"%s","cases":[\n%s\n]}\n' % (torch.__version__.split("+")[0], lines))
print(*(f"{case['name']}: {case['keys']} {case['state']}" for case in cases), sep="\n")
