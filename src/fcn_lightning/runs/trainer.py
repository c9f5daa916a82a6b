"""The Trainer of a run: which keys the recipe decides, and what is the same in every run."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from omegaconf import DictConfig

from fcn_lightning.optim import Recipe
from fcn_lightning.runs.devices import Needs

FIXED: Mapping[str, tuple[Any, str]] = {
    "max_epochs": (-1, "Training is counted in steps: set `recipe.max_steps`."),
    "min_epochs": (None, "Training is counted in steps: set `recipe.max_steps`."),
    "min_steps": (None, "Training is counted in steps: set `recipe.max_steps`."),
    "limit_train_batches": (
        None,
        "Set `recipe.max_steps` for fewer steps, or `trainer.overfit_batches` for fewer images.",
    ),
    "check_val_every_n_epoch": (None, "Validation is counted in steps: set `recipe.val_every`."),
    "num_sanity_val_steps": (0, "Use debug=fdr to try out all parts of a run."),
    "sync_batchnorm": (False, "Statistics cover all processes: set `backbone.batch_norm`=trained."),
    "use_distributed_sampler": (False, "The project's samplers shard the images exactly."),
    "reload_dataloaders_every_n_epochs": (0, "A run has one loader, whose order follows the step."),
}  # fmt: skip
"""Keys of `trainer` that have one value in every run, with what to do instead of changing them."""

GIVEN = {
    "logger": "the group `logger`: logger=csv",
    "callbacks": "the group `callbacks`: callbacks=[default,early_stopping]",
    "default_root_dir": "`paths.runs`",
    "plugins": "a Trainer of your own",
    "enable_checkpointing": "debug=fdr, which writes no checkpoints",
}
"""Arguments of a Trainer that are no keys of `trainer`, with the key to use."""

PRECISIONS = (
    "32-true", "bf16-mixed", "16-mixed", "bf16-true", "16-true", "64-true", "transformer-engine",
    "transformer-engine-float16", "32", "16", "bf16", "64",
)  # fmt: skip

LIGHTNINGS_OWN = (
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # Lightning's own call of torch
    r".*does not have many workers",  # `num_workers` is the user's choice
    r"Checkpoint directory .* exists and is not empty",  # as in every resumed run
    r"You're resuming from a checkpoint that ended before the epoch ended",  # exact by the step
    r"The `srun` command is available on your system",
    r"It is recommended to use `self.log\(.*, sync_dist=True\)`",  # they cover all processes
    r"`broadcast_buffers` is deprecated",  # older releases of torch know no other argument
    r"The number of training batches .* is smaller than the logging interval",
)
"""Warnings of Lightning that no user of this project can act on."""


def check_trainer(trainer: DictConfig, recipe: Recipe, needs: Needs) -> None:
    """Refuse keys of `trainer` that another key decides, or that a run does not pass on.

    Raises:
        ValueError: A key contradicts the recipe, or is not the trainer's to set.
    """
    for key, instead in GIVEN.items():
        if key in trainer:
            raise ValueError(f"`trainer.{key}` cannot be set. Use {instead}.")
    for key, (value, instead) in FIXED.items():
        if key in trainer and trainer[key] != value:
            raise ValueError(
                f"`trainer.{key}` is {value} in every run; got {trainer[key]}. {instead}"
            )
    if str(trainer.precision) not in PRECISIONS:
        raise ValueError(
            f"`trainer.precision` must be one of {', '.join(PRECISIONS)}; got {trainer.precision}."
        )
    _, accumulate = recipe.passes(needs.num_processes)
    decided = {
        "max_steps": (recipe.max_steps, "recipe.max_steps"),
        "gradient_clip_val": (recipe.clip, "recipe.clip"),
        "val_check_interval": (None, "recipe.val_every"),
        "accumulate_grad_batches": (accumulate, "recipe.batch and recipe.per_pass"),
    }
    for key, (value, ours) in decided.items():
        if trainer.get(key) not in (None, value):
            raise ValueError(
                f"`trainer.{key}` ({trainer[key]}) contradicts {ours} ({value}). Set {ours} alone."
            )


def trainer_arguments(trainer: DictConfig, recipe: Recipe, needs: Needs) -> dict[str, Any]:
    """Return the Trainer's arguments that follow from the recipe and the number of processes."""
    _, accumulate = recipe.passes(needs.num_processes)
    return {
        "accumulate_grad_batches": accumulate,
        "val_check_interval": min(recipe.val_every, recipe.max_steps) * accumulate,
        "log_every_n_steps": trainer.log_every_n_steps or max(1, min(50, recipe.max_steps // 20)),
        "overfit_batches": 0,  # the data module repeats the images itself
        "enable_progress_bar": shows_progress(trainer),
    }


def shows_progress(trainer: DictConfig) -> bool:
    """Tell whether a progress bar is shown: on a terminal, unless the config says otherwise."""
    asked: bool | None = trainer.enable_progress_bar
    return sys.stdout.isatty() if asked is None else asked


def configure_torch(matmul_precision: str = "highest") -> None:
    """Decide what float32 means on a GPU, and silence warnings that nobody can act on.

    Args:
        matmul_precision: "highest" for IEEE float32, "high" for TF32, in convolutions as well.
    """
    torch.backends.cudnn.allow_tf32 = matmul_precision == "high"
    torch.set_float32_matmul_precision(matmul_precision)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for message in LIGHTNINGS_OWN:
        warnings.filterwarnings("ignore", message)
