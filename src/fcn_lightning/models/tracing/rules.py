"""The effect of each operation of torch on the places of pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from fcn_lightning.models.geometry import Window
from fcn_lightning.models.tracing.places import Map, Place, UnplacedError, Whole, joined

POINTWISE = frozenset([
    "_native_batch_norm_legit", "_native_batch_norm_legit_no_training", "_prelu_kernel",
    "_to_copy", "abs", "add", "addcmul", "alias", "batch_norm_with_update", "ceil", "clamp",
    "clamp_max", "clamp_min", "clone", "copy", "cos", "detach", "div", "elu", "erf", "exp",
    "expand", "floor", "gelu", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu",
    "lift_fresh", "log", "maximum", "minimum", "mish", "mul", "native_batch_norm",
    "native_dropout", "neg", "pow", "reciprocal", "relu", "relu6", "rsqrt", "rsub", "sigmoid",
    "sign", "silu", "sin", "softplus", "sqrt", "sub", "tanh", "threshold", "where",
])  # fmt: skip
"""Operations on each value alone, or on values at one place of several maps."""

Rule = Callable[[Map, Sequence[Any], Any], Place]
"""From the map, the operation's arguments and its result to the place of the result."""


def convolution(place: Map, args: Sequence[Any], result: Tensor) -> Place:
    """A convolution; its kernel is the side of the weight."""
    _, weight, _, stride, padding, dilation, transposed = args[:7]
    if transposed or weight.ndim != 4:
        raise UnplacedError("upsamples")
    spans = [d * (k - 1) + 1 for d, k in zip(_two(dilation), weight.shape[2:])]
    return place.after(_windows(spans, _two(stride), _two(padding)), result.shape)


def pooling(place: Map, args: Sequence[Any], result: Any) -> Place:
    """Maximum or average pooling: (input, kernel, stride, padding, ...)."""
    output = result[0] if isinstance(result, tuple) else result
    kernel = _two(args[1])
    stride = _two(args[2]) if len(args) > 2 and args[2] else kernel
    padding = _two(args[3]) if len(args) > 3 else [0, 0]
    dilation = _two(args[4]) if isinstance(result, tuple) and len(args) > 4 else [1, 1]
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel)]
    return place.after(_windows(spans, stride, padding), output.shape)


def padding(place: Map, args: Sequence[Any], result: Tensor) -> Place:
    """Padding, in pairs from the last dimension on; only what stands before h and w moves them."""
    before = {axis: args[1][2 * i] for i, axis in enumerate(reversed(place.axes[-2:]))}
    if len(args[1]) > 4 or {*before} != {"h", "w"}:
        raise UnplacedError("pads other axes than h and w")
    shifts = [Window(1, pad=before[axis]) for axis in "hw"]
    return place.after(shifts, result.shape)


def reduction(place: Map, args: Sequence[Any], result: Tensor) -> Place:
    """A mean, sum or maximum over dimensions."""
    given = args[1] if len(args) > 1 and args[1] is not None else []
    dims = [d % len(place.axes) for d in ([given] if isinstance(given, int) else given)]
    return _without(place, dims or range(len(place.axes)), result.ndim)


def norm(place: Map, args: Sequence[Any], result: Tensor) -> Place:
    """A norm over dimensions, whose order comes before them."""
    return reduction(place, [args[0], *args[2:]], result)


def layer_norm(place: Map, args: Sequence[Any], result: Any) -> Place:
    """Layer normalization, over channels at each place, or over the whole map."""
    return replace(place, gated=place.gated or any(place.axes[-len(args[1]) :]))


def group_norm(place: Map, args: Sequence[Any], result: Any) -> Place:
    """Group normalization, whose statistics are of the whole map."""
    return replace(place, gated=True)


def softmax(place: Map, args: Sequence[Any], result: Tensor) -> Place:
    """A softmax over channels; one over pixels is attention."""
    if place.axes[args[1]]:
        raise UnplacedError("weighs pixels by attention")
    return place


def view(place: Map, args: Sequence[Any], result: Tensor) -> Place:
    """Another shape of the same values."""
    return place.reshaped(args[0].shape, result.shape)


def permute(place: Map, args: Sequence[Any], result: Tensor) -> Place:
    """Dimensions in another order."""
    return place.with_axes(place.axes[d] for d in args[1])


def transpose(place: Map, args: Sequence[Any], result: Tensor) -> Place:
    """Two dimensions exchanged."""
    axes = list(place.axes)
    a, b = args[1:3] if len(args) > 2 else (0, 1)
    axes[a], axes[b] = axes[b], axes[a]
    return place.with_axes(axes)


def unsqueeze(place: Map, args: Sequence[Any], result: Tensor) -> Place:
    """A new dimension of size 1."""
    axes, dim = list(place.axes), args[1] % result.ndim
    return place.with_axes([*axes[:dim], "", *axes[dim:]])


def squeeze(place: Map, args: Sequence[Any], result: Tensor) -> Place:
    """Dimensions of size 1 removed; those of pixels are larger."""
    given = args[1] if len(args) > 1 else range(args[0].ndim)
    dims = [d % args[0].ndim for d in ([given] if isinstance(given, int) else given)]
    gone = [d for d in dims if args[0].shape[d] == 1]
    return place.with_axes(axis for d, axis in enumerate(place.axes) if d not in gone)


def channels(place: Map, args: Sequence[Any], result: Any) -> Place:
    """Some of the channels: (input, ..., dimension) by position of the operation's arguments."""
    dim = next((a for a in reversed(args[1:]) if isinstance(a, int)), 0)
    return _of_channels(place, dim)


def part(place: Map, args: Sequence[Any], result: Tensor) -> Place:
    """A slice of channels: (input, dimension, start, end)."""
    dim = args[1] if len(args) > 1 else 0
    return place if result.shape == args[0].shape else _of_channels(place, dim)


def select(place: Map, args: Sequence[Any], result: Tensor) -> Place:
    """One entry of a dimension, which is removed."""
    _of_channels(place, args[1])
    dim = args[1] % len(place.axes)
    return place.with_axes(place.axes[:dim] + place.axes[dim + 1 :])


def product(place: Map, args: Sequence[Any], result: Tensor) -> Place:
    """A product of a map's rows of channels with weights: (input, weight) or (bias, input, weight).

    Each row belongs to one pixel.
    """
    if place.axes[-1]:
        raise UnplacedError("sums over pixels")
    return place


RULES: dict[str, Rule] = {
    "convolution": convolution,
    "max_pool2d_with_indices": pooling,
    "avg_pool2d": pooling,
    "constant_pad_nd": padding,
    "reflection_pad2d": padding,
    "replication_pad2d": padding,
    **dict.fromkeys(["mean", "sum", "amax", "amin", "var", "var_mean", "std", "max"], reduction),
    "linalg_vector_norm": norm,
    "norm": norm,
    "native_layer_norm": layer_norm,
    "native_group_norm": group_norm,
    "_softmax": softmax,
    **dict.fromkeys(["view", "_unsafe_view", "reshape", "_reshape_alias"], view),
    "permute": permute,
    "transpose": transpose,
    "t": transpose,
    "unsqueeze": unsqueeze,
    "squeeze": squeeze,
    **dict.fromkeys(["split", "split_with_sizes", "chunk"], channels),
    "slice": part,
    "select": select,
    **dict.fromkeys(["mm", "addmm", "bmm"], product),
}
"""By the name of the operation, as ATen has it."""


def join(name: str, places: Sequence[Place], args: Sequence[Any], rank: int) -> Place:
    """The place of the result of a pointwise operation, or of joining maps in channels.

    Raises:
        UnplacedError: Pixels of different places meet.
    """
    place = joined(places, rank)
    if name == "cat" and isinstance(place, Map):
        _of_channels(place, args[1] if len(args) > 1 else 0)
    return place


def _of_channels(place: Map, dim: int) -> Map:
    if place.axes[dim]:
        raise UnplacedError("takes pixels apart or joins them side by side")
    return place


def _without(place: Map, dims: Sequence[int], rank: int) -> Place:
    """The place after a reduction of dimensions, which stay with size 1 if `rank` is as before."""
    gone = "".join(place.axes[d] for d in dims)
    if {*gone} == {"h", "w"}:
        return Whole()
    if gone:
        raise UnplacedError(f"sums up {gone} alone")
    if rank == len(place.axes):
        return place
    return place.with_axes(axis for d, axis in enumerate(place.axes) if d not in dims)


def _windows(spans: Sequence[int], strides: Sequence[int], pads: Sequence[int]) -> list[Window]:
    return [Window(*of_axis) for of_axis in zip(spans, strides, pads, strict=True)]


def _two(value: int | Sequence[int]) -> list[int]:
    """The values for h and w; one value counts for both."""
    values = [value] if isinstance(value, int) else list(value)
    return values * 2 if len(values) == 1 else values
