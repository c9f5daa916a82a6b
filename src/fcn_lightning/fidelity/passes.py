"""What each pass of a trajectory sees: an image, its label, and dropout's masks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fcn_lightning.fidelity import images
from fcn_lightning.fidelity.cases import Case
from fcn_lightning.fidelity.files import check_keys, misfit, read
from fcn_lightning.fidelity.reference import Model
from fcn_lightning.fidelity.solver import Solver
from fcn_lightning.fidelity.training import Samples
from fcn_lightning.labels import VOID


def samples_of(sequence: Case, num_classes: int = VOID) -> Samples:
    """The images and labels of `train_sequence.npz`, in order.

    Raises:
        ValueError: One is missing, or does not fit the other.
    """
    values = read(sequence.path)
    names = range(max(1, len(values) // 2))
    check_keys(sequence.path, values, [f"{key}{i}" for i in names for key in ("rgb", "label")])
    samples: Samples = []
    for i in names:
        image = images.rgb_image(sequence, f"rgb{i}", values[f"rgb{i}"])
        label = images.label(sequence, f"label{i}", values[f"label{i}"], image, num_classes)
        samples.append((image, label))
    return samples


def own_samples(
    case: Case, golden: Mapping[str, Any], model: Model, num_classes: int, dtype: torch.dtype
) -> Samples:
    """The images and labels that a trajectory's own file holds, already normalized, in order.

    Raises:
        ValueError: One is missing, is of no input of the network, or does not fit the others.
    """
    names = (*model.inputs, "label")
    held = {key for key in golden if key.startswith("in")}
    passes = range(max(1, len(held) // len(names)))
    if odd := held ^ {f"in{i}/{name}" for i in passes for name in names}:
        raise misfit(
            case.path,
            f"hold {', '.join(f'in<i>/{name}' for name in names)} of each image, and no other",
            f"{min(odd)} {'beside' if min(odd) in held else 'missing'}",
        )
    samples: Samples = []
    for i in passes:
        image = {
            name: images.normalized_image(
                case, f"in{i}/{name}", golden[f"in{i}/{name}"], model.normalization(name)
            ).to(dtype)
            for name in model.inputs
        }
        first, key = image[model.inputs[0]], f"in{i}/label"
        label = images.label(case, key, golden[key], first, num_classes)
        samples.append((image if model.fusion else first, label))
    return samples


def masks_of(case: Case, golden: Mapping[str, Any], solver: Solver) -> dict[str, list[Tensor]]:
    """Of each pass, what dropout lets through, by layer; none without dropout.

    Raises:
        ValueError: One is missing, is not of its shape, or is there without dropout.
    """
    layers = ("fc6", "fc7") if solver.dropout else ()
    passes = range(solver.iters * solver.iter_size)
    required = {f"mask{k}{i}/{layer}" for k in ("", "shape") for i in passes for layer in layers}
    if odd := required ^ {key for key in golden if key.startswith("mask")}:
        raise misfit(
            case.path,
            "hold a mask and its shape of fc6 and fc7 for each pass with dropout, and no other",
            f"{min(odd)} {'missing' if min(odd) in required else 'beside'}",
        )
    return {layer: [_mask(case, golden, f"{i}/{layer}") for i in passes] for layer in layers}


def _mask(case: Case, golden: Mapping[str, Any], name: str) -> Tensor:
    """A mask of 0 and 1, from packed bits."""
    bits, shape = golden[f"mask{name}"], tuple(golden[f"maskshape{name}"])
    if bits.dtype != np.uint8 or bits.size != -(-int(np.prod(shape)) // 8):
        raise misfit(case.path, f"hold packed bits for {shape} in mask{name}", bits.shape)
    return torch.from_numpy(np.unpackbits(bits)[: int(np.prod(shape))].reshape(shape))
