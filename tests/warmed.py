"""What the server of warm.py does once for all its children: imports, and compositions."""

from __future__ import annotations

import gc

import lightning  # noqa: F401
import wandb.sdk.launch  # noqa: F401  # which W&B imports when a run starts
import yaml
from hydra._internal.hydra import Hydra
from hydra.types import RunMode

import composing
import fcn_lightning.runs.evaluate
import fcn_lightning.runs.train  # noqa: F401
from fcn_lightning.runs.compose import compose

yaml.SafeLoader = yaml.CSafeLoader  # type: ignore[assignment, misc]  # OmegaConf's base
Hydra.get_mode = lambda *_, **__: RunMode.RUN  # type: ignore[method-assign]  # would compose
composing.files_once()
for trainer in ("cpu", "ddp_cpu"):
    compose([f"trainer={trainer}", "experiment=voc", "data=voc_trees", "logger=csv", "head=fcn8s"])
    compose(["experiment=shapes", f"trainer={trainer}", "logger=csv"])
gc.freeze()  # searches for garbage would copy this memory in each child
