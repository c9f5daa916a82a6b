"""One run, read from the config that Hydra composed and checked before any work starts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pydantic import BaseModel, ConfigDict, Field

from fcn_lightning.data import Augment, Mask
from fcn_lightning.models import Classifier, Network, build
from fcn_lightning.models.backbones import Backbone
from fcn_lightning.optim import Recipe, parameter_groups
from fcn_lightning.runs import start
from fcn_lightning.runs.compose import compose, missing_keys, plain, without_hydra
from fcn_lightning.runs.data import check_name
from fcn_lightning.runs.devices import Needs, needs
from fcn_lightning.runs.identity import variant_suffix
from fcn_lightning.runs.keys import unknown_key, unread_keys
from fcn_lightning.runs.own_backbones import description_of
from fcn_lightning.runs.trainer import check_trainer

NODES = (
    "paths", "backbone", "data", "head", "stage", "recipe", "augment", "mask", "trainer", "logger",
    "callbacks",
)  # fmt: skip
"""The nodes of conf/train.yaml; its other keys are Settings."""


class Settings(BaseModel):
    """The single values at the top of conf/train.yaml."""

    model_config = ConfigDict(strict=True)

    name: Annotated[str, Field(pattern=r"^[\w.-]+$")] | None
    seed: Annotated[int, Field(ge=0)]
    tags: list[str]
    normalize: str | dict[str, str]
    fusion: Literal["early", "late"] | None
    memory_format: Literal["auto", "contiguous", "channels_last"]
    matmul_precision: Literal["highest", "high"]
    activation_checkpointing: bool
    image_scale: Annotated[float, Field(gt=0)]
    num_workers: Annotated[int, Field(ge=0)]
    val_batch: Annotated[int, Field(ge=1)]
    init_from: str | dict[str, str] | None
    ckpt_path: str | None
    resume: bool | Literal["auto"]
    overwrite: bool
    traceback: bool


@dataclass(frozen=True)
class Run:
    """One training run.

    Attributes:
        config: The config that Hydra composed, without Hydra's own node.
        overrides: The overrides that were typed for it.
        head: The choice of the `head` group, which is a row's id in tables.
        debug: The choice of the `debug` group, None for a real run.
        experiment: The name of its folder's first part.
        variant: The name of its second part.
        folder: `runs/<experiment>/<variant>/seed<N>`; below `runs/debug` for a debug run.
        start: What its network starts from, by modality ("" where there is one); empty for
            nothing.
        needs: The processes and devices that it runs on.
    """

    config: DictConfig
    overrides: tuple[str, ...]
    settings: Settings
    recipe: Recipe
    augment: Augment
    mask: Mask
    head: str
    debug: str | None
    experiment: str
    variant: str
    folder: Path
    start: dict[str, Path]
    needs: Needs

    @property
    def name(self) -> str:
        """`<variant>/seed<N>`, the end of its folder."""
        return "/".join(self.folder.parts[-2:])

    @property
    def loggers(self) -> dict[str, DictConfig]:
        """The nodes of `logger`, by name."""
        return {str(name): node for name, node in (self.config.get("logger") or {}).items() if node}

    @property
    def callbacks(self) -> dict[str, DictConfig]:
        """The nodes of `callbacks`, by name."""
        return {str(n): node for n, node in (self.config.get("callbacks") or {}).items() if node}

    @property
    def plain_config(self) -> dict[str, Any]:
        """The resolved configuration as plain values."""
        values: dict[str, Any] = OmegaConf.to_container(self.config, resolve=True)  # type: ignore[assignment]
        return values

    @property
    def precision(self) -> str:
        """`32-true`, or `32-true, TF32`."""
        tf32 = self.settings.matmul_precision == "high"
        return f"{self.config.trainer.precision}{', TF32' if tf32 else ''}"

    def network(self, num_classes: int | dict[str, int]) -> Network:
        """Build the network, for a number of classes (or one for each head)."""
        return network_of(self.config, num_classes)


def network_of(config: DictConfig, num_classes: int | dict[str, int]) -> Network:
    """Build the network of a composed config, for a number of classes (or one for each head)."""
    network = build(
        backbone=description_of(config.backbone),
        head=plain(config.head),
        num_classes=num_classes,
        normalize=plain(config.normalize),
        fusion=config.fusion,
        image_scale=config.image_scale,
    )
    if config.activation_checkpointing:
        _checkpoint_activations(network)
    return network


def _checkpoint_activations(network: Network) -> None:
    backbones = [module for module in network.modules() if isinstance(module, Backbone)]
    if not backbones:
        raise ValueError("head=classifier has no activation_checkpointing. Set it to false.")
    for backbone in backbones:
        backbone.checkpoint_activations()


def read_run(
    composed: DictConfig,
    hydra: DictConfig,
    coming: Collection[Path] = (),
    needs_of: Callable[[DictConfig], Needs] = needs,
) -> Run:
    """Read the run that a composed config describes.

    Args:
        composed: The config of the run.
        hydra: Hydra's node for it, which has the choices and the overrides.
        coming: Folders of runs that will be finished before it starts: a sweep's earlier stages.
        needs_of: Counts the devices of a trainer's config, on this machine or as declared.

    Raises:
        ValueError: A value does not fit, or one is missing; the message names the key.
    """
    config = without_hydra(composed)
    overrides, choices = tuple(hydra.overrides.task), hydra.runtime.choices
    settings = Settings.model_validate({key: plain(config[key]) for key in Settings.model_fields})
    _refuse_unread(config, overrides)
    refuse_missing(config)
    check_name(config.data)
    recipe: Recipe = instantiate(config.recipe, _convert_="all")
    recipe = replace(recipe, fixed=(*recipe.fixed, *config.stage.fixed))
    augment: Augment = instantiate(config.augment, _convert_="all")
    mask: Mask = instantiate(config.mask, _convert_="all")
    place = start.Place(
        runs=Path(config.paths.runs),
        experiment=settings.name or choices.experiment or "default",
        debug=choices.get("debug"),
        seed=settings.seed,
    )
    suffix = variant_suffix(overrides)
    run = Run(
        config=config,
        overrides=overrides,
        settings=settings,
        recipe=recipe,
        augment=augment,
        mask=mask,
        head=choices.head,
        debug=place.debug,
        experiment=place.experiment,
        variant=choices.head + suffix,
        folder=place.folder(choices.head + suffix),
        start=start.starting_points(config, place, suffix, coming),
        needs=needs_of(config.trainer),
    )
    with torch.device("meta"):
        network = run.network(2)
    parameter_groups(network, recipe)
    if isinstance(network, Classifier):
        _refuse_settings_of_pixels(recipe, mask)
    if callable(recipe.loss) and recipe.class_weights is not None:
        raise ValueError(
            "`recipe.class_weights` applies to the softmax loss, but `recipe.loss` is your own "
            "function. Set `recipe.class_weights` to null and weight classes in the function."
        )
    _refuse_statistics_of_different_sizes(run)
    _refuse_without_gpu(run)
    check_trainer(config.trainer, recipe, run.needs)
    return run


def compose_run(
    overrides: Sequence[str], coming: Collection[Path] = (), config_dir: Path | None = None
) -> Run:
    """Compose and read the run of these overrides, for callers that Hydra did not start."""
    composed = compose(overrides, config_dir)
    return read_run(composed, composed.hydra, coming)


def _refuse_settings_of_pixels(recipe: Recipe, mask: Mask) -> None:
    """Refuse settings of single pixels, for a network that scores whole images.

    Raises:
        ValueError: There is one.
    """
    given = {
        "recipe.loss_sampling": recipe.loss_sampling,
        "mask.train": mask.train,
        "mask.test": mask.test,
    }
    for key, value in given.items():
        if value is not None:
            raise ValueError(
                f"`{key}` ({value}) needs label maps, but a classifier scores whole images. Set it "
                "to null."
            )


def _refuse_statistics_of_different_sizes(run: Run) -> None:
    """Refuse processes that would wait for statistics of images that others do not have.

    Raises:
        ValueError: Images of several sizes are normalized over several processes.
    """
    trained = run.config.backbone.get("batch_norm") == "trained"
    if trained and run.needs.num_processes > 1 and run.augment.crop is None:
        raise ValueError(
            "backbone.batch_norm=trained on several processes needs training images of one size. "
            "Set `augment.crop`, or use backbone.batch_norm=frozen."
        )


def _refuse_without_gpu(run: Run) -> None:
    """Refuse settings that only a GPU has.

    Raises:
        ValueError: There is one, and no GPU.
    """
    if run.settings.matmul_precision == "high" and not run.needs.num_gpus:
        raise ValueError(
            "matmul_precision=high is TF32, which only GPUs have. Set `matmul_precision` to "
            "highest."
        )


def refuse_missing(config: DictConfig) -> None:
    """Refuse a config that lacks a value.

    Raises:
        ValueError: The message names the first key.
    """
    if missing := missing_keys(config):
        key = min(missing)
        raise ValueError(f"`{key}` is not set. Add {key}=VALUE to the command.")


def _is_of_object(key: str, config: DictConfig) -> bool:
    """Tell whether a key is an argument of an object inside `trainer`, such as its strategy."""
    parent = key.rpartition(".")[0]
    node = OmegaConf.select(config, parent)
    return parent != "trainer" and isinstance(node, DictConfig) and "_target_" in node


def _refuse_unread(config: DictConfig, overrides: Collection[str]) -> None:
    """Refuse keys that were added on the command line or in a file, and that nothing reads."""
    read = {*Settings.model_fields, *NODES, "classifier"}
    own_trainer = config.trainer._target_ != "lightning.Trainer"
    for override in overrides:
        key, added = override.partition("=")[0].lstrip("+"), override.startswith("+")
        top, _, below = key.partition(".")
        unread = top.partition("/")[0] not in read
        of_trainer = top == "trainer" and below and not own_trainer
        if added and (unread or (of_trainer and not _is_of_object(key, config))):
            raise ValueError(unknown_key(key, config, excluded=key))
    for key in unread_keys(config, read):
        raise ValueError(unknown_key(key, config, excluded=key))
    for group in ("logger", "callbacks"):
        for name, node in (config.get(group) or {}).items():
            if not isinstance(node, Mapping | DictConfig) or "_target_" not in node:
                raise ValueError(unknown_key(f"{group}.{name}", config, excluded=f"{group}.{name}"))
