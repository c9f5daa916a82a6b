"""torchfcn's FCNs, whose layers have Caffe's names.

Source: wkentaro/pytorch-fcn torchfcn/models and torchfcn/trainer.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from fcn_lightning.formats.foreign import ForeignWeights

AT_ONCE = {"scale_pool4": 0.01, "scale_pool3": 0.0001}
"""The constants of FCN8sAtOnce, which are in its code and not in its files."""

_SCALAR = np.float64(0).__reduce__()[0]

SAFE_GLOBALS: list[Any] = [
    (_SCALAR, "numpy.core.multiarray.scalar"),
    (_SCALAR, "numpy._core.multiarray.scalar"),
    np.dtype,
    np.dtypes.Float64DType,
]
"""The classes of a NumPy number, which a checkpoint has as its `best_mean_iu`."""


def is_checkpoint(content: Mapping[str, Any]) -> bool:
    """True if the content of a file is that of torchfcn's trainer."""
    return {"arch", "model_state_dict"} <= content.keys()


def foreign_weights(
    path: Path, state: Mapping[str, Tensor], arch: object, *, at_once: bool
) -> ForeignWeights:
    """The weights of an FCN.

    Args:
        path: The file.
        state: Its weights.
        arch: The class that a checkpoint names; None for weights alone.
        at_once: The class is FCN8sAtOnce, whose weights have the names of FCN8s.

    Raises:
        ValueError: `at_once` is set for another network.
    """
    as_fcn8s = {"score_pool4.weight", "score_pool3.weight"} <= state.keys()
    if at_once and (not as_fcn8s or arch not in (None, "FCN8sAtOnce")):
        raise ValueError(
            f"`--at-once` applies to FCN8sAtOnce; {path} is of {arch or 'another network'}. "
            "Omit `--at-once`."
        )
    return ForeignWeights(
        path,
        {name: value.float() for name, value in state.items()},
        scales=AT_ONCE if at_once or arch == "FCN8sAtOnce" else {},
        normalize={"": "caffe"},  # its data loaders subtract no other mean
        maybe_at_once=as_fcn8s and arch is None and not at_once,
    )
