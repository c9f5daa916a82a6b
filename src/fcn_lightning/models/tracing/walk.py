"""Follows the places of pixels through one forward pass of a module.

The pass runs on tensors without memory (`meta`), operation by operation as torch carries it out.
Each one keeps the places, moves them as a window does, or sums up the whole image. What does
anything else, such as attention, is refused by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from fcn_lightning.models.backbones.backbone import Endpoint
from fcn_lightning.models.geometry import Grid
from fcn_lightning.models.tracing.places import Map, Place, UnplacedError, Whole
from fcn_lightning.models.tracing.rules import POINTWISE, RULES, join

SIZES = {"h": 256, "w": 320}
"""Of the image of the pass: multiples of the usual strides, and not equal."""

AXES = ("", "", "h", "w")
"""The dimensions of images and endpoints."""


@dataclass(frozen=True)
class Traced:
    """The maps that a module returns, and whether their values depend on the whole image."""

    endpoints: dict[str, Endpoint]
    has_global_gates: bool


def trace(module: nn.Module, channels: int = 3) -> Traced:
    """Find channels and grids of the maps (n, channels, h, w) that a module returns.

    Where branches meet, their pixels must lie at the same places; the largest receptive field
    counts. Gates that are the same for all pixels of a map, such as squeeze and excitation, are
    left out of it. Padding counts by what is added above and on the left.

    Args:
        module: Returns its maps as a mapping, or as a sequence, whose names are then 0, 1, ...
        channels: Those of its input.

    Raises:
        ValueError: An operation places pixels in another way; the message names its module.
    """
    was_training = module.training
    image = torch.empty(1, channels, *SIZES.values(), device="meta")
    named = [*module.named_parameters(), *module.named_buffers()]
    on_meta = {name: value.to("meta") for name, value in named}
    try:
        with torch.no_grad(), Walk(module.eval(), image) as walk:
            maps = functional_call(module, on_meta, (image,))
    finally:
        module.train(was_training)
    if not isinstance(maps, Mapping):
        maps = {str(i): each for i, each in enumerate(maps)}
    places = {name: walk.place(name, each) for name, each in maps.items()}
    return Traced(
        {name: Endpoint(maps[name].shape[1], _grid(name, of)) for name, of in places.items()},
        any(place.gated for place in places.values()),
    )


class Walk(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's are untyped
    """Knows the place of every tensor that is computed from the image while it is entered."""

    def __init__(self, module: nn.Module, image: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        start = dict.fromkeys(SIZES, Grid())
        self._places: dict[int, Place] = {id(image): Map(AXES, start, SIZES)}
        self._kept: list[Any] = [image]  # an id is that of one tensor as long as it is kept
        self._names = {each: name for name, each in module.named_modules()}
        self._inside: list[nn.Module] = []
        self._hooks = ExitStack()

    def __enter__(self) -> Walk:
        entered = register_module_forward_pre_hook(lambda inner, _: self._inside.append(inner))
        left = register_module_forward_hook(lambda *_: self._leave(), always_call=True)
        for hook in (entered, left):
            self._hooks.callback(hook.remove)
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        self._hooks.close()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        inputs = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        places = [self._places[id(each)] for each in inputs if id(each) in self._places]
        if places:
            name = func.overloadpacket.__name__.rstrip("_")
            outputs = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
            try:
                found = _follow(name, places, args, result, outputs[0].ndim)
            except UnplacedError as error:
                raise ValueError(self._refusal(name, str(error))) from None
            self._kept += outputs
            self._places.update((id(each), found) for each in outputs)
        return result

    def place(self, name: str, tensor: Tensor) -> Map:
        """The place of a map that the module returned."""
        place = self._places.get(id(tensor), Whole())
        if not isinstance(place, Map) or place.axes != AXES:
            raise ValueError(
                f"The map {name} has the dimensions {tuple(tensor.shape)}, which are not those of "
                "(n, channels, h, w). Return maps of pixels in this order."
            )
        return place

    def _leave(self) -> None:
        self._inside.pop()

    def _refusal(self, operation: str, what: str) -> str:
        inner = self._inside[-1] if self._inside else None
        name = self._names.get(inner, "") if inner is not None else ""
        where = f"`{name}` ({type(inner).__name__})" if name else type(inner).__name__
        return (
            f"{where} {what} (operation {operation}), so pixels have no fixed place in the image. "
            "Use a backbone of convolutions and pooling."
        )


def _follow(name: str, places: list[Place], args: tuple[Any, ...], result: Any, rank: int) -> Place:
    """The place of an operation's result, from those of its inputs."""
    maps = [place for place in places if isinstance(place, Map)]
    if not maps:
        return Whole()
    if name in POINTWISE or name in ("cat", "stack"):
        return join(name, places, args, rank)
    if name not in RULES:
        raise UnplacedError("moves pixels in an unknown way")
    if len(places) > 1:
        raise UnplacedError("relates the pixels of two maps, as attention does")
    return RULES[name](maps[0], args, result)


def _grid(name: str, place: Map) -> Grid:
    h, w = place.grids["h"], place.grids["w"]
    if (h.offset, h.stride) != (w.offset, w.stride):
        raise ValueError(
            f"The map {name} has the offset {h.offset} and the stride {h.stride} in h, and "
            f"{w.offset} and {w.stride} in w. Use a backbone that treats both alike."
        )
    return max(h, w, key=lambda grid: grid.receptive_field)
