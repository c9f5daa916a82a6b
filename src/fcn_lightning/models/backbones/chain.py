"""A backbone as a chain of named layers, some of them endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from fcn_lightning.models import geometry
from fcn_lightning.models.backbones.backbone import Backbone, Endpoint
from fcn_lightning.models.backbones.border import Border, convolved, narrow_borders
from fcn_lightning.models.backbones.cpu import fits_strips, in_strips
from fcn_lightning.models.geometry import Grid, Window


class Chain(Backbone):
    """A sequence of layers, each a child module with Caffe's name.

    The endpoints are the output of each pooling layer (`pool4`, also of a layer `pool4/3x3_s2`)
    and that of the last layer, which is called `last`. Their channels and geometry are derived from
    the layers. `suffix` is appended to layer names, not to endpoint names: the reference tells
    apart the backbones of several modalities that way. `discarded` are the windows of the layers
    that the classifier has after the last one, and the FCN has not.

    Weights are initialized as in He et al. 2015, biases with zeros.

    Attributes:
        narrow_border: Compute the border of a padded image once where it is constant, and repeat
            it; on a CPU without gradients, also compute the first layers in strips of rows. Only
            roundings change. If False, each layer makes its whole map.
    """

    narrow_border = True
    _recomputes = False

    def __init__(
        self,
        layers: Iterable[tuple[str, nn.Module]],
        last: str,
        suffix: str = "",
        discarded: Sequence[Window] = (),
    ) -> None:
        super().__init__()
        self.discarded = tuple(discarded)
        self.suffix = suffix
        self.endpoints: dict[str, Endpoint] = {}
        self._taps: dict[str, str] = {}
        windows, grid, channels = [], Grid(), 3
        for own_name, layer in layers:
            name = own_name + suffix
            self.add_module(name, layer)
            if (window := geometry.window_of(layer)) is not None:
                windows.append(window)
                grid = grid.after(window)
            channels = getattr(layer, "out_channels", channels)
            if isinstance(layer, nn.MaxPool2d):
                self._taps[name] = own_name.partition("/")[0]
                self.endpoints[self._taps[name]] = Endpoint(channels, grid)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d) and not layer.weight.is_meta:  # slow there
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(cast(Tensor, layer.bias))
        self._taps[name] = last
        self.endpoints[last] = Endpoint(channels, grid)
        self.smallest_input = geometry.smallest_input(windows)
        self._borders = self._find_borders()
        self._padding = getattr(next(self.children()), "padding", None)

    def until(self, endpoint: str) -> None:
        *_, last = (layer for layer, name in self._taps.items() if name == endpoint)
        names = list(self.endpoints)
        for name in names[names.index(endpoint) + 1 :]:
            del self.endpoints[name]
        layers = [name for name, _ in self.named_children()]
        for layer in layers[layers.index(last) + 1 :]:
            delattr(self, layer)
        windows = [geometry.window_of(layer) for layer in self.children()]
        self.smallest_input = geometry.smallest_input([w for w in windows if w is not None])
        self._borders = self._find_borders()

    def checkpoint_activations(self) -> None:
        self._recomputes = True

    def forward(self, image: Float[Tensor, "n c h w"]) -> dict[str, Float[Tensor, "n _ _ _"]]:
        """Compute the endpoints of a normalized image that are needed, from fine to coarse."""
        maps: dict[str, Tensor] = {}
        borders, x = self._borders_left_out(), image
        for endpoint, layers in self._stages():
            first = borders[0] if borders and x is image else None
            if x is image and self._is_narrow and fits_strips(layers, x):
                x = in_strips(layers, (first or Border()).padded(cast(nn.Conv2d, layers[0]), x))
            elif self._recomputes and torch.is_grad_enabled() and endpoint != [*self.endpoints][-1]:
                x = checkpoint(_through, layers, x, first, use_reentrant=False)
            else:
                x = _through(layers, x, first)
            border = borders.pop(0) if borders else Border()
            is_needed = self.needed is None or endpoint in self.needed
            if is_needed or not borders:
                whole = border.completed(x)
            if is_needed:
                maps[endpoint] = whole
            x = border.completed(x, borders[0].cut) if borders else whole
        return maps

    def _stages(self) -> list[tuple[str, list[nn.Module]]]:
        """Each endpoint, and the layers after the one before it."""
        stages: list[tuple[str, list[nn.Module]]] = []
        layers: list[nn.Module] = []
        for name, layer in self.named_children():
            layers.append(layer)
            if name in self._taps:
                stages.append((self._taps[name], layers))
                layers = []
        return stages

    @property
    def _is_narrow(self) -> bool:
        """False also if the padding of the first layer was changed."""
        return self.narrow_border and self._padding == getattr(
            next(self.children()), "padding", None
        )

    def _borders_left_out(self) -> list[Border]:
        """The part of the border that each stage leaves out in this pass.

        None in torch.export, which would fix the image's size.
        """
        may_leave_out = self._is_narrow and not torch.compiler.is_exporting()
        return list(self._borders) if may_leave_out else []

    def _find_borders(self) -> tuple[Border, ...]:
        if not isinstance(next(self.children()), nn.Conv2d):
            return ()
        windows = [[geometry.window_of(layer) for layer in layers] for _, layers in self._stages()]
        stages = [tuple(w for w in stage if w is not None) for stage in windows]
        return narrow_borders(tuple(stage for stage in stages if stage))


def _through(layers: Sequence[nn.Module], x: Tensor, first: Border | None) -> Tensor:
    """The output of a stage, whose first convolution pads by what this border leaves."""
    if first is not None:
        convolution, layers = cast(nn.Conv2d, layers[0]), layers[1:]
        x = convolved(convolution, first.padded(convolution, x), (0, 0))
    for layer in layers:
        x = layer(x)
    return x


def check_sizes(
    name: str, widths: Sequence[int], fc_widths: Sequence[int], padding: int | str, dropout: float
) -> None:
    """Check the arguments of a backbone with five blocks, fc6 and fc7.

    Raises:
        ValueError: One of them is wrong.
    """
    if len(widths) != 5 or len(fc_widths) != 2 or min(*widths, *fc_widths) < 1:
        raise ValueError(
            f"{name} needs five `widths` and two `fc_widths`, each 1 or more; "
            f"got {list(widths)} and {list(fc_widths)}."
        )
    if padding not in (100, "same"):
        raise ValueError(f"`padding` must be 100 or 'same'; got {padding!r}.")
    if not 0 <= dropout < 1:
        raise ValueError(f"`dropout` must be 0 or more and below 1; got {dropout}.")
