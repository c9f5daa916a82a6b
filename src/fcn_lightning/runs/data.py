"""The data set of a config, and whether a network fits it."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from hydra.utils import get_method, instantiate
from omegaconf import DictConfig, OmegaConf

from fcn_lightning.data import Splits
from fcn_lightning.data.classes import content_of
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
    name: str,
    arguments: Mapping[str, Any],
    root: Path | None,
    config_dir: Path | None = None,
    overrides: Sequence[str] = (),
) -> DictConfig:
    """Compose the data config of this name, with some of its arguments changed.

    Arguments that the config does not have are left out; overrides of unknown keys are refused.

    Raises:
        ValueError: The place of the data is unknown, or an override is of no key of `data`.
    """
    for override in overrides:
        if not override.lstrip("+~").startswith("data."):
            raise ValueError(
                f"`{override}` does not configure data. Write data.KEY=VALUE, with a key of "
                f"conf/data/{name}.yaml."
            )
    node: DictConfig = compose([f"data={name}", *overrides], config_dir).data
    check_name(node)
    if root is not None:
        arguments = {**arguments, "root": str(root), "voc_root": None, "sbd_root": None}
    for key, value in arguments.items():
        if key not in node.keys():  # noqa: SIM118  a key whose value is missing is not `in` the node
            continue
        if key != "train" or OmegaConf.is_list(node[key]):  # a list of lists, not a file
            node[key] = value
    if OmegaConf.is_missing(node, "root"):
        raise ValueError(f"The place of {name} is not known. Add --data-root DIR.")
    if missing := sorted(map(str, OmegaConf.missing_keys(node))):
        raise ValueError(f"`{missing[0]}` is not set. Add {missing[0]}=VALUE.")
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


PATHS = ("root", "voc_root", "sbd_root")
"""Arguments that are folders."""


def data_card(node: DictConfig) -> dict[str, Any]:
    """Return the packaged data config and the arguments with which a run's data is read again.

    Paths are absolute. The classes of a class file take its place, so that an evaluation has the
    classes of the run, whatever becomes of the file.
    """
    data = {key: value for key, value in plain(node).items() if key != "_target_"}
    name = data.pop("name")
    if node._target_ == "fcn_lightning.data.folder.read":
        top = Path(data["root"] or "").resolve()
        if isinstance(data["classes"], str):
            data["classes"] = content_of(str(top / data["classes"]))
        return {"name": "folder", "arguments": {**data, "root": str(top), "name": name}}
    if node._target_ == "fcn_lightning.data.voc_and_sbd" and data["classes"]:
        data["classes"] = content_of(data["classes"])
    data |= {key: str(Path(data[key]).resolve()) for key in PATHS if data.get(key)}
    return {"name": name, "arguments": data}


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
