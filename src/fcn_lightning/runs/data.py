"""The data set of a config, and whether a network fits it."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from hydra.utils import get_method, instantiate
from omegaconf import DictConfig, OmegaConf

from fcn_lightning.data import Splits
from fcn_lightning.data.inventory import Inventory, inventory_of, inventory_of_splits
from fcn_lightning.labels import by_name, num_classes
from fcn_lightning.runs.compose import compose, plain


def check_name(node: DictConfig) -> None:
    """Refuse a data config without a name, by which records and tables know it.

    Raises:
        ValueError: It has no `name`.
    """
    if "name" not in node:
        raise ValueError("The data config has no `name`. Add `name: NAME`, the name of its file.")


def data_config(
    name: str, arguments: Mapping[str, Any], root: Path | None, config_dir: Path | None = None
) -> DictConfig:
    """Compose the data config of this name, with some of its arguments changed.

    Arguments that the config does not have are left out.

    Raises:
        ValueError: The place of the data is unknown.
    """
    node: DictConfig = compose([f"data={name}"], config_dir).data
    check_name(node)
    if root is not None:
        arguments = {**arguments, "root": str(root), "voc_root": None, "sbd_root": None}
    for key, value in arguments.items():
        if key not in node.keys():  # noqa: SIM118  a key whose value is missing is not `in` the node
            continue
        if key != "train" or OmegaConf.is_list(node._get_node(key)):  # a list of lists, not a file
            node[key] = value
    if OmegaConf.is_missing(node, "root"):
        raise ValueError(f"The place of {name} is not known. Add --data-root DIR.")
    return node


def complete_config(node: DictConfig) -> DictConfig:
    """Return the config with all modalities and heads that its data set has."""
    changed = node.copy()
    for key, value in getattr(_reader(node), "EVERYTHING", {}).items():
        changed[key] = value
    return changed


def take_inventory(node: DictConfig) -> Inventory:
    """Compare what the lists of a data config need with what is on disk.

    Raises:
        ValueError: A list or an argument of the reader is unknown.
    """
    reader, arguments = _reader(node), plain(node)
    if not hasattr(reader, "sources") or not {"train", "val"} <= arguments.keys():
        return inventory_of_splits(read_data(node))
    known = inspect.signature(reader.sources).parameters
    sources = reader.sources(**{key: arguments[key] for key in known if key in arguments})
    return inventory_of(sources, arguments["train"], arguments["val"])


def _reader(node: DictConfig) -> ModuleType:
    """The module of the function that reads the data of a config."""
    return sys.modules[get_method(node._target_).__module__]


def read_data(node: DictConfig, normalize: str | Mapping[str, str] | None = None) -> Splits:
    """Read the data set of a config, for a network that normalizes these modalities.

    Raises:
        ValueError: The data cannot be read, or has other modalities.
    """
    splits: Splits = instantiate(node, _convert_="all")
    given = list(by_name(splits.val.examples[0].image))
    if normalize is not None and sorted(given) != sorted(by_name(normalize)):
        raise ValueError(
            f"The data has {_images(given)}, but the network needs "
            f"{_images(list(by_name(normalize)))}. Make `data.modalities` and `normalize` name the "
            "same."
        )
    return splits


def check_classes(splits: Splits, classes: int | Mapping[str, int], place: Path) -> None:
    """Check that the network of a checkpoint scores the classes of the data.

    Raises:
        ValueError: The number of classes or the heads differ.
    """
    of_data = num_classes(splits.labels)
    if of_data != classes:
        raise ValueError(
            f"{place} scores {_classes(classes)}; {splits.name} has {_classes(of_data)}. Evaluate "
            "it on data with the same classes."
        )


def _images(modalities: list[str]) -> str:
    return "single images" if modalities == [""] else f"images of {', '.join(modalities)}"


def _classes(classes: int | Mapping[str, int]) -> str:
    if isinstance(classes, int):
        return f"{classes} classes"
    return ", ".join(f"{number} classes of {head}" for head, number in classes.items())
