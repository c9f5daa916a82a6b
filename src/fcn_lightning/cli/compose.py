"""From overrides on a command line to a checked job: its config, folder and starting weights."""

from __future__ import annotations

import difflib
import hashlib
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import ConfigCompositionException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pydantic import BaseModel, ConfigDict, Field

from fcn_lightning.cli.errors import InputError
from fcn_lightning.data import Augment
from fcn_lightning.models import build
from fcn_lightning.optim import Recipe, parameter_groups

NOT_IN_VARIANT = (
    "seed", "trainer", "logger", "data.root", "data.voc_root", "data.sbd_root", "data.download",
    "num_workers", "paths", "init_from", "classifier", "normalize", "resume", "overwrite", "debug",
    "hydra",
)  # fmt: skip
"""Keys, with all below them, that do not change what a run is."""


class Settings(BaseModel):
    """The single values at the top of conf/train.yaml."""

    model_config = ConfigDict(strict=True)

    name: Annotated[str, Field(pattern=r"^[\w.-]+$")]
    seed: Annotated[int, Field(ge=0)]
    normalize: str | dict[str, str]
    fusion: Literal["early", "late"] | None
    image_scale: Annotated[float, Field(gt=0)]
    num_workers: Annotated[int, Field(ge=0)]
    init_from: str | None
    resume: bool
    overwrite: bool
    debug: bool


OmegaConf.register_new_resolver("times", lambda *factors: math.prod(factors), replace=True)


@dataclass(frozen=True)
class Job:
    """One training run, checked as far as that is possible before it starts."""

    config: DictConfig
    settings: Settings
    recipe: Recipe
    augment: Augment
    variant: str
    folder: Path
    init_from: dict[str, Path]
    """What it starts from; of each modality by its name, where there are several."""

    @property
    def name(self) -> str:
        """`<variant>/seed<N>`, as its folder ends."""
        return "/".join(self.folder.parts[-2:])


def conf_dir() -> Path:
    """The folder of configs: the checkout's, or the one that travels in the wheel."""
    checkout = Path(__file__).parents[3] / "conf"
    return checkout if checkout.is_dir() else Path(__file__).parents[1] / "conf"


def compose(overrides: Sequence[str]) -> DictConfig:
    """The config that these overrides make of conf/train.yaml.

    Raises:
        InputError: An override does not parse, or names a key or choice that is not there.
    """
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except Exception as error:
        raise InputError(f"Overrides must read key=value; {str(error).splitlines()[0]}") from error
    for override in parsed:
        _check_choice(override)
    try:
        return _compose(overrides)
    except ConfigCompositionException as error:
        raise _better(error, parsed) from error


def job(overrides: Sequence[str], coming: Collection[Path] = ()) -> Job:
    """The run that these overrides describe.

    Args:
        overrides: As typed, `key=value`.
        coming: Folders of runs that will be there before it starts: a sweep's earlier ones.

    Raises:
        InputError: A key or value does not fit.
        ValueError: The same, from the part that uses it.
    """
    config = compose(overrides)
    must_have_reader(config.data)
    settings = Settings.model_validate({key: _value(config[key]) for key in Settings.model_fields})
    suffix = variant_suffix(overrides)
    variant = head_name(overrides) + suffix
    config.recipe.fixed = [*config.recipe.fixed, *config.stage.fixed]
    recipe = instantiate(config.recipe, _convert_="all")
    augment = instantiate(config.augment, _convert_="all")
    with torch.device("meta"):
        parameter_groups(network(config, 2), recipe)
    start = starting_point(config, settings, suffix, coming)
    config.init_from, config.classifier = as_given(start), None
    if missing := OmegaConf.missing_keys(config):
        raise InputError(
            f"`{min(missing)}` must be given; add {min(missing)}=VALUE to the command."
        )
    folder = run_folder(config, variant)
    return Job(config, settings, recipe, augment, variant, folder, start)


def must_have_reader(data: DictConfig) -> None:
    """Raises an InputError where a data config only names classes."""
    if "_target_" not in data:
        raise InputError(
            f"`data` must be one that has a reader; {data.name} has none yet, so that its networks "
            "can be composed but neither trained nor scored."
        )


def network(config: DictConfig, num_classes: int | Mapping[str, int]) -> Any:
    """The network of a config, for so many classes (of each head, where there are several)."""
    backbone, head = plain(config.backbone), plain(config.head)
    return build(
        backbone=backbone,
        head=head,
        num_classes=num_classes,
        normalize=_value(config.normalize),
        fusion=config.fusion,
        image_scale=config.image_scale,
    )


def as_given(places: Mapping[str, Path]) -> str | dict[str, str] | None:
    """Where a run starts, as plain values: a path, one for each modality, or None."""
    given = {name: str(place) for name, place in places.items()}
    return given.get("", given or None)


def plain(node: DictConfig) -> dict[str, Any]:
    """A node as plain values."""
    values = OmegaConf.to_container(node, resolve=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def head_name(overrides: Iterable[str]) -> str:
    """The head that was chosen, which is the row's id in tables."""
    config = _compose(overrides, with_hydra=True)
    name: str = config.hydra.runtime.choices.head
    return name


def variant_suffix(overrides: Iterable[str]) -> str:
    """`-key-value` for each override that changes what the run is; a long one ends in a hash."""
    changes = (override.lstrip("+~").partition("=") for override in sorted(overrides))
    suffix = "".join(
        f"-{key}-{value}"
        for key, _, value in changes
        if key not in ("experiment", "head")
        and not any(key == known or key.startswith(f"{known}.") for known in NOT_IN_VARIANT)
    )
    safe = re.sub(r"[^\w.+-]+", "_", suffix)
    if safe == suffix and len(safe) <= 100:
        return safe
    return f"{safe[:80]}-{hashlib.sha256(suffix.encode()).hexdigest()[:8]}"


def run_folder(config: DictConfig, variant: str) -> Path:
    """runs/<experiment>/<variant>/seed<N>."""
    return Path(config.paths.runs) / config.name / variant / f"seed{config.seed}"


def starting_point(
    config: DictConfig, settings: Settings, suffix: str, coming: Collection[Path]
) -> dict[str, Path]:
    """What the run starts from; the stage before it unless told otherwise.

    The stage before is the run of the same overrides, or else the plain one of its name.
    """
    before = config.stage.before
    if settings.init_from != "default":
        return _places(settings.init_from)
    if before is None:
        return {}
    if before == "classifier":
        if OmegaConf.is_missing(config, "classifier"):
            raise InputError(
                f"The first stage of {config.name} must be told what it starts from: a classifier's"
                " weights by classifier=FILE, any checkpoint by init_from=PATH, or nothing by "
                "init_from=null."
            )
        return _places(_value(config.classifier))
    same = run_folder(config, before + suffix)
    return {"": same if same in coming or same.is_dir() else run_folder(config, before)}


def must_be_there(init_from: Path, config: DictConfig) -> None:
    """Raises an InputError where there is nothing to start from, with the command that makes it."""
    if (init_from / "scores.json").is_file() or init_from.is_file():
        return
    runs = Path(config.paths.runs)
    if not init_from.is_relative_to(runs) or len(init_from.relative_to(runs).parts) != 3:
        raise InputError(
            f"{init_from} must be a run, a checkpoint or a file of weights; it is not there."
        )
    experiment, head, seed = init_from.relative_to(runs).parts
    command = f"fcn-train experiment={experiment} head={head} seed={seed.removeprefix('seed')}"
    if str(runs) != "runs":
        command += f" paths.runs={runs}"
    raise InputError(
        f"{init_from} must be a finished run, as the stage before this one; it is not. Make it "
        f"with: {command}"
    )


def _places(given: str | dict[str, str] | None) -> dict[str, Path]:
    if isinstance(given, dict):
        return {name: Path(place) for name, place in given.items()}
    return {"": Path(given)} if given else {}


def _value(node: Any) -> Any:
    """A value of a config, a node of several as a dictionary."""
    return plain(node) if isinstance(node, DictConfig) else node


def _compose(overrides: Iterable[str], *, with_hydra: bool = False) -> DictConfig:
    initialized = GlobalHydra.instance().is_initialized()
    if initialized:  # inside of a Hydra job
        return hydra_compose("train", list(overrides), return_hydra_config=with_hydra)
    with initialize_config_dir(str(conf_dir()), version_base="1.3", job_name="fcn-train"):
        return hydra_compose("train", list(overrides), return_hydra_config=with_hydra)


def _check_choice(override: Override) -> None:
    """Raises an InputError where the override picks a file of a group that is not there."""
    group, value = override.key_or_group, override.value()
    folder = conf_dir() / group
    if not folder.is_dir() or value is None or override.is_sweep_override():
        return
    there = sorted(path.stem for path in folder.glob("*.yaml"))
    if value not in there:
        raise InputError(
            f"`{group}` must be one of {', '.join(there)}; got '{value}'.{_near(str(value), there)}"
        )


def _better(error: ConfigCompositionException, overrides: Sequence[Override]) -> InputError:
    """An error of Hydra's in a sentence that names the key that was meant."""
    groups = [
        o.input_line for o in overrides if o.input_line and (conf_dir() / o.key_or_group).is_dir()
    ]
    keys = list(_keys(_compose(groups)))
    for override in overrides:
        key = override.key_or_group
        if (conf_dir() / key).is_dir() or override.is_add() or key.startswith("hydra"):
            continue
        if key not in keys:
            return InputError(
                f"`{key}` must be a key of the configuration; it is none.{_near(key, keys)}"
            )
    cause = error.__cause__ or error
    return InputError(" ".join(str(cause).split()))


def _keys(node: DictConfig, prefix: str = "") -> Iterable[str]:
    for key in map(str, node):
        yield f"{prefix}{key}"
        child = node._get_node(key)
        if isinstance(child, DictConfig) and not child._is_none():
            yield from _keys(child, f"{prefix}{key}.")


def _near(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f" Did you mean '{near[0]}'?" if near else ""
