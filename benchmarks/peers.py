"""Other implementations of the same networks, in a folder that only benchmarks see."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FOLDER = Path(__file__).parents[1] / ".venvs" / "peers"
PACKAGES = ("torchfcn==1.9.7",)


def install() -> None:
    """Install the peers that are not among this project's own packages, without what they need."""
    if not FOLDER.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
        subprocess.run([*pip, str(FOLDER), *PACKAGES], check=True)
    package = types.ModuleType("torchfcn")  # its own imports scikit-image and more
    package.__path__ = [str(FOLDER / "torchfcn")]
    sys.modules |= {"torchfcn": package, "fcn": types.ModuleType("fcn")}  # fcn downloads weights


def torchfcn(name: str) -> nn.Module:
    """A network of torchfcn, of full width: FCN32s, FCN16s or FCN8s."""
    from torchfcn import models  # type: ignore[import-not-found]

    network: nn.Module = getattr(models, name)(n_class=21)
    return network


def torchfcn_loss(score: Tensor, label: Tensor) -> Tensor:
    """The summed loss as torchfcn's trainer computes it, whose file needs more packages."""
    n, c, h, w = score.shape
    log_p = F.log_softmax(score, dim=1).transpose(1, 2).transpose(2, 3).contiguous()
    log_p = log_p[label.view(n, h, w, 1).repeat(1, 1, 1, c) >= 0].view(-1, c)
    return F.nll_loss(log_p, label[label >= 0], reduction="sum")


def torchfcn_optimizer(network: nn.Module) -> torch.optim.Optimizer:
    """SGD with torchfcn's groups of parameters: biases have twice the rate and no decay."""
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    groups: list[dict[str, Any]] = [
        {"params": [m.weight for m in convolutions]},
        {
            "params": [m.bias for m in convolutions if m.bias is not None],
            "lr": 2e-10,
            "weight_decay": 0,
        },
    ]
    return torch.optim.SGD(groups, lr=1e-10, momentum=0.99, weight_decay=5e-4)
