"""Identity of runs: the name of a variant, and the keys in which two configurations differ."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

FREE = (
    "seed", "name", "tags", "paths", "logger", "num_workers", "resume", "overwrite", "traceback",
    "memory_format",  # rounds otherwise, as another processor does
    "activation_checkpointing",
    "data.root", "data.voc_root", "data.sbd_root", "data.download",
    "trainer.accelerator", "trainer.devices", "trainer.num_nodes", "trainer.strategy",
    "trainer.max_steps", "trainer.gradient_clip_val",  # as the recipe says
    "trainer.accumulate_grad_batches", "trainer.log_every_n_steps", "trainer.profiler",
    "trainer.deterministic", "trainer.benchmark", "trainer.detect_anomaly",
    "trainer.enable_progress_bar", "trainer.enable_model_summary", "trainer.inference_mode",
    "callbacks.pictures", "callbacks.layers", "hydra", "hparams_search",
)  # fmt: skip
"""Keys, with all below them, that change neither what is computed nor what is scored."""

FREE_CHOICES = {
    "experiment": None,  # names the folder above the variant
    "head": None,  # begins the variant's name
    "debug": None,  # names the folder above the experiment
    "logger": None,
    "callbacks": ("default", "none", "layers"),
    "trainer": ("auto", "cpu", "gpu", "ddp", "ddp_cpu"),
}
"""Groups whose choice is free: any choice (None), or only those named."""

ADDED = {
    "backbone.pool5_stride": 2,
    "data.num_train": None,
    "head.fuse": "sum",
    "head.score_init": "zero",
    "mask._target_": "fcn_lightning.data.Mask",
    "data.allow_overlap": False,
    "data.classes": None,
    "matmul_precision": "highest",
    "val_batch": 1,
}
"""Keys that records of earlier versions lack, and the values that these versions worked with."""

LONGEST = 60
"""Characters of a suffix; a longer one is cut and ends in a hash."""


def variant_suffix(overrides: Iterable[str]) -> str:
    """Name what the overrides change: `-lr-0.001-crop-64`; empty where nothing that counts does.

    Values that cannot stand in a file name, and suffixes that are too long, end in a hash.
    """
    changes = sorted(override.lstrip("+~") for override in overrides)
    split = [
        (key.partition("@")[0], value) for key, _, value in (c.partition("=") for c in changes)
    ]
    suffix = "".join(_part(key, value) for key, value in split if not _is_free(key, value))
    return suffix if len(suffix) <= LONGEST else f"{suffix[: LONGEST - 9]}-{_hash(suffix)}"


def flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value of a plain config under its whole key: `recipe.lr`."""
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def differences(
    a: Mapping[str, Any], b: Mapping[str, Any], free: Sequence[str] = ()
) -> dict[str, tuple[Any, Any]]:
    """Return the keys in which two plain configs compute or score something else, with both values.

    Args:
        a: A config.
        b: Another one.
        free: Keys that may differ, beside FREE.
    """
    one, other = _comparable(a), _comparable(b)
    absent = "(absent)"
    return {
        key: (one.get(key, absent), other.get(key, absent))
        for key in sorted({*one, *other})
        if one.get(key) != other.get(key) and not _is_below(key, (*FREE, *free))
    }


def in_words(found: Mapping[str, tuple[Any, Any]]) -> str:
    """List differences: `recipe.lr is 0.1, not 0.001; seed is 1, not 0`."""
    return "; ".join(f"{key} is {ours}, not {theirs}" for key, (ours, theirs) in found.items())


def _is_free(key: str, value: str) -> bool:
    if key in FREE_CHOICES:
        allowed = FREE_CHOICES[key]
        return allowed is None or value in (*allowed, "null", "")
    return _is_below(key, FREE) or key.startswith("hydra/")


def _is_below(key: str, nodes: Sequence[str]) -> bool:
    return any(key == node or key.startswith(f"{node}.") for node in nodes)


def _part(key: str, value: str) -> str:
    """Name one override by the last part of its key and its value, which is shortened to 24."""
    name = PurePath(value).name if "/" in value else value
    safe = re.sub(r"[^\w.+-]+", "_", name.strip("[]{}'\" "))[:24].strip("_")
    plain = re.sub(r"[^\w.+-]+", "_", value.strip("[]{}"))
    tail = "" if safe == plain else f"-{_hash(value)[:4]}"
    own = re.sub(r"\W+", "_", key.rpartition(".")[2])
    return f"-{own}-{safe or 'none'}{tail}"


def _comparable(config: Mapping[str, Any]) -> dict[str, Any]:
    """Make values equal that mean the same: tuples and lists, starts below `paths.runs`, ADDED."""
    runs = (config.get("paths") or {}).get("runs")

    def normal(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [normal(each) for each in value]
        if isinstance(value, str) and runs and value.startswith(f"{runs}/"):
            return f"${{paths.runs}}{value.removeprefix(runs)}"
        return None if isinstance(value, Mapping) else value  # of nodes, only empty ones are left

    return {**ADDED, **{key: normal(value) for key, value in flat(config)}}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
