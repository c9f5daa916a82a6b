"""Unknown keys: the key of ours that was meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

ELSEWHERE = {
    "lr": "`recipe.lr`",
    "learning_rate": "`recipe.lr`",
    "batch_size": "`recipe.batch`, the images of one step over all processes",
    "val_batch_size": "`val_batch`, the images that are scored at a time, by each process",
    "val_batch": "`val_batch`, the images that are scored at a time, by each process",
    "epochs": "`recipe.max_steps`: training is counted in steps",
    "max_epochs": "`recipe.max_steps`: training is counted in steps",
    "max_steps": "`recipe.max_steps`",
    "weight_decay": "`recipe.weight_decay`",
    "momentum": "`recipe.momentum`",
    "gpus": "`trainer.devices`",
    "precision": "`trainer.precision`",
    "float32_matmul_precision": "`matmul_precision`",
    "tf32": "`matmul_precision=high`",
    "workers": "`num_workers`",
    "num_workers": "`num_workers`",
    "resume_from_checkpoint": "`resume=true`, or `ckpt_path=RUN` to train a finished run longer",
    "checkpoint": "`init_from=PATH`",
    "pretrained": "`classifier=FILE`",
    "weights": "`init_from=PATH`",
    "num_classes": "`data`: a network has as many classes as its data set",
    "optimizer": "`recipe.optimizer`",
    "scheduler": "`recipe.schedule`",
    "model": "`backbone` and `head`",
    "net": "`backbone` and `head`",
    "dataset": "`data`",
    "output_dir": "`paths.runs`",
    "save_dir": "`paths.runs`",
    "project": "`logger.wandb.project`",
    "group": "`logger.wandb.group`",
    "tags": "`tags`",
}
"""Keys of other frameworks, by the last part of the name, and the keys to use here."""

OURS = {
    "hydra.run.dir": "a run's folder follows from its configuration; set paths.runs=DIR",
    "hydra.sweep.subdir": "a run's folder follows from its configuration; set paths.runs=DIR",
    "hydra.job.chdir": "paths are relative to the folder where the command is given",
}
"""Keys of Hydra that a run does not follow, each with the reason and the way."""


OF_NODES = {
    "paths": {"runs", "data"},
    "stage": {"name", "before", "lr_factor", "length", "fixed"},
}
"""The keys of nodes that are not the arguments of a function."""

OF_DATA = {"head": {"num_classes", "suffix", "endpoints"}}
"""Arguments that follow from the data set and the backbone."""


def unread_keys(config: DictConfig, known: Collection[str]) -> list[str]:
    """List the keys that nothing reads: neither a run nor an interpolation of the config.

    Args:
        config: The config of a run.
        known: The keys at its top that a run reads.
    """
    used = set(re.findall(r"\$\{([\w]+(?:\.\w+)*)", repr(OmegaConf.to_container(config))))
    tops = {name.partition(".")[0] for name in used}
    keys = [
        key
        for key in map(str, config)
        # A node of values, as `published_rates`, may have lost its reader to an override.
        if key not in {*known, *tops} and not OmegaConf.is_dict(config._get_node(key))
    ]
    for node, own in OF_NODES.items():
        below = (f"{node}.{key}" for key in config[node] if key not in own)
        keys += [key for key in below if key not in used]
    return keys + [
        f"{node}.{key}" for node, own in OF_DATA.items() for key in config[node] if key in own
    ]


def unknown_key(key: str, config: DictConfig, excluded: str = "") -> str:
    """Say in one line that a key does not exist, and which one was meant.

    Args:
        key: As it was typed.
        config: Has the keys that exist.
        excluded: A key of `config` that does not count, as it was added by mistake.
    """
    known = [each for each in keys_of(config) if each != excluded]
    last = key.rpartition(".")[2]
    parent = key.partition(".")[0]
    if last in ELSEWHERE and not (parent == "recipe" and f"`{key}`" in ELSEWHERE[last]):
        return f"Unknown key `{key}`. Use {ELSEWHERE[last]}."
    if parent in ELSEWHERE and parent not in config:
        return f"Unknown key `{key}`. Use {ELSEWHERE[parent]}."
    return f"Unknown key `{key}`.{nearest(key, known)}"


def keys_of(node: Mapping[Any, Any] | DictConfig, prefix: str = "") -> Iterator[str]:
    """Yield every key of a config, nodes included: `recipe`, `recipe.lr`."""
    for key in map(str, node):
        yield f"{prefix}{key}"
        child = node._get_node(key) if isinstance(node, DictConfig) else None
        if isinstance(child, DictConfig) and not child._is_none() and not child._is_missing():
            yield from keys_of(child, f"{prefix}{key}.")


def nearest(name: str, names: Sequence[str]) -> str:
    """Return ` Did you mean `x`?` for the nearest of some names, or nothing."""
    near = difflib.get_close_matches(name, names, n=1)
    return f" Did you mean `{near[0]}`?" if near else ""


def refuse_hydras_own(overrides: Iterable[str]) -> None:
    """Refuse overrides of Hydra's own keys that a run would ignore.

    Raises:
        ValueError: There is one.
    """
    for override in overrides:
        key, _, value = override.lstrip("+").partition("=")
        if key in OURS and value.lower() != "false":
            raise ValueError(f"`{key}` cannot be set: {OURS[key]}.")
