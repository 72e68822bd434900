"""Learning rates of PyTorch's schedulers: writes ../vectors/schedules.json. Python's json writes float64 exactly."""

import json
import math
import pathlib
import warnings

import torch
from torch.optim import lr_scheduler as schedulers

warnings.simplefilter("ignore")

STEPS = 60


def optimizer(rate, momentum=None):
    parameter = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    if momentum is None:
        return torch.optim.SGD([parameter], lr=rate)
    return torch.optim.SGD([parameter], lr=rate, momentum=momentum)


def plateau(name, rate, losses, **options):
    sgd = optimizer(rate)
    scheduler = schedulers.ReduceLROnPlateau(sgd, eps=0, **options)
    rates = []
    for loss in losses:
        scheduler.step(loss)
        rates.append(sgd.param_groups[0]["lr"])
    return {"name": name, "kind": "plateau", "rate": rate, "options": options, "losses": losses, "rates": rates}


def path(kind, rate, make, arguments, momentum=None, steps=STEPS):
    sgd = optimizer(rate, momentum)
    scheduler = make(sgd, **arguments)
    rates, momenta = [], []
    for _ in range(steps):
        rates.append(float(sgd.param_groups[0]["lr"]))
        momenta.append(sgd.param_groups[0]["momentum"])
        sgd.step()
        scheduler.step()
    case = {"kind": kind, "rate": rate, "options": arguments, "rates": rates}
    if momentum is not None:
        case["momenta"] = momenta
    return case


falling = [2 + 3 / (i + 1) + ((i * 7) % 5) / 10 for i in range(STEPS)]
flat = [1.0] * 30
negative = [-1.0, -0.95, -0.9, -1.2, -1.2, -1.1, -1.1, -1.1, -2.0, -1.9, -1.9, -1.9, -1.9]
accuracy = [1 - loss / 10 for loss in falling]
cases = [
    plateau("default", 1.0, flat),
    plateau("relative", 1.0, falling, factor=0.5, patience=2),
    plateau("cooldown", 1.0, falling, factor=0.5, patience=0, threshold=0.05, cooldown=3, min_lr=0.01),
    plateau("absolute", 1.0, falling, factor=0.1, patience=3, threshold=0.2, threshold_mode="abs", cooldown=1),
    plateau("max", 1.0, accuracy, mode="max", factor=0.5, patience=1),
    plateau("max cooldown", 1.0, accuracy, mode="max", factor=0.5, patience=0, threshold=0.02, cooldown=2),
    plateau("max absolute", 1.0, accuracy, mode="max", factor=0.5, patience=1, threshold=0.01, threshold_mode="abs"),
    plateau("negative absolute", 1.0, negative, factor=0.5, patience=1, threshold=0.1, threshold_mode="abs"),
    plateau("negative max absolute", 1.0, negative, mode="max", factor=0.5, patience=1, threshold=0.1, threshold_mode="abs"),
    # The threshold is no part of it at 0: relative is then right below 0 too.
    plateau("negative", 1.0, negative, factor=0.5, patience=1, threshold=0.0),
    plateau("negative max", 1.0, negative, mode="max", factor=0.5, patience=1, threshold=0.0),
]
for mode in ["triangular", "triangular2", "exp_range"]:
    options = {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 7, "step_size_down": 4, "mode": mode, "gamma": 0.97}
    cases.append(path("cyclic", 0.01, schedulers.CyclicLR, {**options, "cycle_momentum": False}))
cases.append(path("cyclic", 0.01, schedulers.CyclicLR, {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 8, "cycle_momentum": False}))
for power in [1.0, 2.0, 0.5, 0.9]:
    cases.append(path("polynomial", 0.1, schedulers.PolynomialLR, {"total_iters": 40, "power": power}))
for options in [
    {},
    {"three_phase": True},
    {"three_phase": True, "anneal_strategy": "linear", "pct_start": 0.4, "div_factor": 10, "final_div_factor": 100},
    {"anneal_strategy": "linear", "base_momentum": 0.8, "max_momentum": 0.9},
]:
    arguments = {"max_lr": 0.1, "total_steps": STEPS, **options}
    cases.append(path("one cycle", 0.1, schedulers.OneCycleLR, arguments, momentum=0.9, steps=STEPS - 1))
cases.append(path("cosine", 0.1, schedulers.CosineAnnealingLR, {"T_max": 13, "eta_min": 0.001}))

text = json.dumps({"framework": "PyTorch", "version": torch.__version__, "cases": cases}, indent=1)
assert math.isfinite(sum(sum(case["rates"]) for case in cases))
(pathlib.Path(__file__).parent.parent / "vectors" / "schedules.json").write_text(text + "\n")
