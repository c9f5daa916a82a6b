"""Checkpoints of this project, whoever made them."""

from collections.abc import Callable

import torch

from catalogue.case import Case
from catalogue.prepared import TINY, all_of, checkpoint, content_of, data, image, text

TITLE = "Checkpoints"


def network(**changed: object) -> dict[str, object]:
    """The description of the tiny network, changed."""
    return {**content_of()["fcn_lightning"]["network"], **changed}


def without(key: str) -> Callable[[], None]:
    """Save a checkpoint without one of its entries."""
    return lambda: torch.save({k: v for k, v in content_of().items() if k != key}, "net.ckpt")


def whole(**changed: object) -> Callable[[], None]:
    """Save a checkpoint with some of its entries changed."""
    return lambda: torch.save({**content_of(), **changed}, "net.ckpt")


def of_data(name: str = "folder", **changed: object) -> Callable[[], None]:
    """Save a checkpoint that was trained on a folder, with arguments of its data changed."""
    folder = {"images": "x", "labels": "y", "classes": ["a"], "val_fraction": 0.5, "root": None}
    return checkpoint(data={"name": name, "arguments": {**folder, **changed}})


NESTED: list[object] = []
for _ in range(40):
    NESTED = [NESTED, NESTED]

OPENS = {"_target_": "logging.FileHandler", "filename": "pwned"}
CASES = [
    Case(
        "a checkpoint that is not there",
        "fcn evaluate nothing.ckpt",
        "Checkpoint not found: nothing.ckpt.",
    ),
    Case(
        "a folder that is no run",
        "fcn evaluate photos",
        "Checkpoint not found: photos/checkpoints/last.ckpt.",
        files=text("photos/a.txt", ""),
    ),
    Case(
        "another version's format",
        "fcn evaluate net.ckpt",
        (
            "net.ckpt has checkpoint format 2; this version of fcn-lightning reads format 1. "
            "Install the version that wrote it."
        ),
        files=checkpoint(format=2),
    ),
    Case(
        "a format that names a list a trillion times",
        "fcn evaluate net.ckpt",
        "net.ckpt has more than 1,000,000 values. Ask its author for another.",
        files=checkpoint(format=NESTED),
    ),
    Case(
        "no weights",
        "fcn evaluate net.ckpt",
        "net.ckpt is incomplete: it has no `state_dict`.",
        files=without("state_dict"),
    ),
    Case(
        "weights that are a number",
        "fcn export net.ckpt --caffe net",
        "net.ckpt is damaged: its `state_dict` is a int, not a mapping.",
        files=whole(state_dict=3),
    ),
    Case(
        "a network of a billion channels",
        "fcn export net.ckpt --caffe net",
        (
            "net.ckpt does not describe a network: Storage size calculation overflowed with "
            "sizes=[1000000000, 1000000000, 3, 3]."
        ),
        files=checkpoint(network=network(backbone={**TINY, "widths": (10**9,) * 5})),
    ),
    Case(
        "other weights than the network's",
        "fcn export net.ckpt --caffe net",
        (
            "The weights in net.ckpt do not match its network description: `head.score_fr.weight` "
            "has the shape (21, 1, 1, 1), not (3, 1, 1, 1). Train or import it again."
        ),
        files=checkpoint(network=network(num_classes=3)),
    ),
    Case(
        "a backbone of one's own",
        "fcn export net.ckpt --caffe net",
        (
            "net.ckpt has a backbone of your own, 'mine'. Add --config-dir DIR, the folder with "
            "its backbone/mine.yaml; in Python, set BACKBONES['mine'] to its function."
        ),
        files=checkpoint(network=network(backbone={"name": "mine"})),
    ),
    Case(
        "classes that are a number",
        "fcn predict net.ckpt photo.png --out masks",
        (
            "net.ckpt is damaged: its `labels` is not what fcn-train writes (Input should be a "
            "valid dictionary). Train or import it again."
        ),
        files=all_of(checkpoint(labels={"": 3}), image("photo.png")),
    ),
    Case(
        "data whose classes name a function",
        "fcn evaluate net.ckpt",
        (
            "net.ckpt is damaged: its `data` is not what fcn-train writes (data have no argument "
            "`_target_`). Train or import it again."
        ),
        files=of_data(classes=OPENS),
    ),
    Case(
        "data that name a function",
        "fcn evaluate net.ckpt",
        (
            "net.ckpt is damaged: its `data` is not what fcn-train writes (data have no argument "
            "`_target_`). Train or import it again."
        ),
        files=of_data(**OPENS),
    ),
    Case(
        "a loss that names a function",
        "fcn evaluate net.ckpt",
        (
            "net.ckpt is damaged: its `loss` is not what fcn-train writes (Input should be 'sum' "
            "or 'mean'). Train or import it again."
        ),
        files=checkpoint(loss="{_target_: logging.FileHandler, filename: pwned}"),
    ),
    Case(
        "data whose config is elsewhere",
        "fcn evaluate net.ckpt",
        (
            "net.ckpt is damaged: its `data` is not what fcn-train writes ('../../../../data' is "
            "not the name of a data config). Train or import it again."
        ),
        files=of_data("../../../../data"),
    ),
    Case(
        "data that are text",
        "fcn evaluate net.ckpt",
        (
            "net.ckpt is damaged: its `data` is not what fcn-train writes (Input should be a "
            "valid dictionary). Train or import it again."
        ),
        files=checkpoint(data="voc"),
    ),
    Case(
        "an unknown precision",
        "fcn evaluate net.ckpt --data shapes --data-root data",
        (
            "Precision '8' is invalid. Allowed precision values: ('transformer-engine', "
            "'transformer-engine-float16', '16-true', '16-mixed', 'bf16-true', 'bf16-mixed', "
            "'32-true', '64-true', 64, 32, 16, '64', '32', '16', 'bf16')"
        ),
        files=all_of(data, checkpoint(num_classes=7, precision="8")),
    ),
    Case(
        "no precision",
        "fcn evaluate net.ckpt --data shapes --data-root data",
        (
            "net.ckpt is damaged: its `precision` is not what fcn-train writes (Input "
            "should be a valid string). Train or import it again."
        ),
        files=all_of(data, checkpoint(num_classes=7, precision=None)),
    ),
]
