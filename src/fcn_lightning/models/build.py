"""Builds a network from the plain values that describe it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from fcn_lightning.labels import by_name
from fcn_lightning.models.backbones import BACKBONES
from fcn_lightning.models.fcn import FCN, Classifier
from fcn_lightning.models.fusion import EarlyFusion, Heads, LateFusion
from fcn_lightning.models.normalize import NORMALIZATIONS, Normalize
from fcn_lightning.models.skip import SkipHead

Network = FCN | LateFusion | Classifier

T = TypeVar("T")


def build(
    *,
    backbone: Mapping[str, Any],
    head: Mapping[str, Any],
    num_classes: int | Mapping[str, int],
    normalize: str | Mapping[str, str] = "caffe",
    fusion: str | None = None,
    image_scale: float = 1.0,
) -> Network:
    """Build a network with newly initialized weights.

    The arguments are kept as `network.description`, so that `build(**network.description)` makes
    the same network again.

    Args:
        backbone: `name`, one of BACKBONES, and the arguments of that function.
        head: `name`, "skip" (the default) or "classifier", and for "skip" the arguments of
            SkipHead.
        num_classes: Number of classes. A mapping makes one head per entry, each with its own
            number of classes.
        normalize: One of NORMALIZATIONS, the one that the backbone's weights were trained with. A
            mapping names one for each modality.
        fusion: How several modalities are combined: "early" concatenates them as the channels of
            one image; "late" builds one network per modality and averages their scores.
        image_scale: Factor by which an FCN scales the image before its backbone sees it.

    Raises:
        ValueError: A name or value is wrong; the message lists the allowed ones.
    """
    _check_parts(num_classes, normalize, fusion, image_scale)
    normalizes = {
        modality: Normalize(NORMALIZATIONS[_one_of(NORMALIZATIONS, name, "normalize")])
        for modality, name in by_name(normalize).items()
    }
    network: Network
    if _one_of(("skip", "classifier"), head.get("name", "skip"), "head.name") == "classifier":
        network = _classifier(normalizes[""], backbone, head, num_classes)
    elif fusion == "late":
        network = LateFusion(
            {
                modality: _fcn(own, backbone, head, num_classes, suffix=modality)
                for modality, own in normalizes.items()
            }
        )
    else:
        first = EarlyFusion(normalizes) if fusion == "early" else normalizes[""]
        network = _fcn(first, backbone, head, num_classes, image_scale=image_scale)
    network.description = {
        "backbone": dict(backbone),
        "head": dict(head),
        "num_classes": num_classes if isinstance(num_classes, int) else dict(num_classes),
        "normalize": normalize if isinstance(normalize, str) else dict(normalize),
        "fusion": fusion,
        "image_scale": image_scale,
    }
    return network


def _check_parts(
    num_classes: int | Mapping[str, int],
    normalize: str | Mapping[str, str],
    fusion: str | None,
    image_scale: float,
) -> None:
    several = not isinstance(normalize, str)
    if several != (fusion in ("early", "late")):
        raise ValueError(
            "`fusion` must be early or late if `normalize` names several modalities, and null if "
            f"it names one; got {fusion!r} and {normalize!r}."
        )
    if image_scale != 1 and (fusion == "late" or not isinstance(num_classes, int)):
        raise ValueError(
            f"`image_scale` must be 1 with several networks or heads; got {image_scale}."
        )


def _classifier(
    normalize: Normalize,
    backbone: Mapping[str, Any],
    head: Mapping[str, Any],
    num_classes: int | Mapping[str, int],
) -> Classifier:
    chain = _construct(BACKBONES, backbone, "backbone")
    arguments = {"normalize": normalize, "backbone": chain, "num_classes": num_classes, **head}
    return _construct({"classifier": Classifier}, arguments, "head")


def _fcn(
    normalize: Normalize | EarlyFusion,
    backbone: Mapping[str, Any],
    head: Mapping[str, Any],
    num_classes: int | Mapping[str, int],
    *,
    suffix: str = "",
    image_scale: float = 1.0,
) -> FCN:
    arguments = {**backbone, **({"suffix": suffix} if suffix else {})}
    if normalize.channels != 3:
        arguments["in_channels"] = normalize.channels
    chain = _construct(BACKBONES, arguments, "backbone")

    def skip_head(classes: int, suffix: str) -> SkipHead:
        own = {"name": "skip", **head, "num_classes": classes, "suffix": suffix}
        return _construct({"skip": SkipHead}, {**own, "endpoints": chain.endpoints}, "head")

    if isinstance(num_classes, int):
        heads = {"": skip_head(num_classes, suffix)}
    else:
        heads = {name: skip_head(classes, f"_{name}") for name, classes in num_classes.items()}
    one = next(iter(heads.values()))  # all read the same endpoints
    if one.last != list(chain.endpoints)[-1]:
        chain.until(one.last)
    chain.needed = (one.last, *one.skips)
    return FCN(normalize, chain, heads[""] if "" in heads else Heads(heads), image_scale)


def _construct(
    constructors: Mapping[str, Callable[..., T]], part: Mapping[str, Any], what: str
) -> T:
    arguments = dict(part)
    name = _one_of(constructors, arguments.pop("name", None), f"{what}.name")
    try:
        return constructors[name](**arguments)
    except TypeError as error:
        raise ValueError(f"Wrong arguments of '{name}' in `{what}`: {error}.") from error


def _one_of(choices: Collection[str], name: object, what: str) -> str:
    if isinstance(name, str) and name in choices:
        return name
    near = difflib.get_close_matches(str(name), choices, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    raise ValueError(f"`{what}` must be one of {', '.join(choices)}; got {name!r}.{hint}")
