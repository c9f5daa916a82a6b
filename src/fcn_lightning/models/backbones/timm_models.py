"""Any model of timm whose feature maps come from convolutions and pooling.

Where the pixels of its maps lie is found by `fcn_lightning.models.tracing`, so that crops are
computed as for VGG-16. There is no fc6 and fc7: `score_fr` scores the model's last map.

Source: Wightman, PyTorch Image Models, https://github.com/huggingface/pytorch-image-models.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fcn_lightning.models.backbones.backbone import Backbone
from fcn_lightning.models.batch_norm import set_batch_norm
from fcn_lightning.models.tracing import Traced, trace

NORMALIZATIONS = {
    ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)): "torchvision",
    ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)): "inception",
    ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)): "clip",
    ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)): "unit",
}
"""The project's name for a mean and standard deviation of timm, which are of images from 0 to 1."""


FILES = frozenset(
    ("cache_dir", "checkpoint_path", "pretrained", "pretrained_cfg", "pretrained_cfg_overlay")
)
"""Arguments of timm that read or fetch files; a checkpoint may not name any."""


class TimmBackbone(Backbone):
    """The feature maps of a timm model as endpoints.

    Endpoints have VGG-16's names for the same strides, `pool1` (2) to `pool5` (32), so that heads
    name the same skips; of several maps of a stride it is the deepest. Images are padded at the
    bottom and on the right to a multiple of the largest stride, so that the maps cover them.
    """

    def __init__(self, model: str, batch_norm: str, arguments: Mapping[str, Any]) -> None:
        super().__init__()
        self.model, self.arguments, self._batch_norm = model, dict(arguments), batch_norm
        traced = _traced(model, json.dumps(arguments, sort_keys=True))
        self.has_global_gates = traced.has_global_gates
        names = {
            f"pool{int(e.grid.stride).bit_length() - 1}": i for i, e in traced.endpoints.items()
        }
        self.endpoints = {name: traced.endpoints[i] for name, i in names.items()}
        self._indices = {name: int(i) for name, i in names.items()}
        self._build()

    @property
    def outputs(self) -> list[int]:
        """Timm's numbers of the feature maps that are endpoints."""
        return list(self._indices.values())

    def until(self, endpoint: str) -> None:
        names = list(self.endpoints)
        for name in names[names.index(endpoint) + 1 :]:
            del self.endpoints[name], self._indices[name]
        whole = self.body.state_dict()
        self._build()
        self.body.load_state_dict({name: whole[name] for name in self.body.state_dict()})

    def forward(self, image: Float[Tensor, "n c h w"]) -> dict[str, Float[Tensor, "n _ _ _"]]:
        """Compute all endpoints of a normalized image, from fine to coarse."""
        stride = max(int(endpoint.grid.stride) for endpoint in self.endpoints.values())
        h, w = image.shape[2:]
        maps = self.body(F.pad(image, (0, -w % stride, 0, -h % stride)))
        return dict(zip(self.endpoints, maps, strict=True))

    def _build(self) -> None:
        self.body = create(self.model, self.arguments, self.outputs)
        set_batch_norm(self.body, self._batch_norm)


def timm_backbone(
    model: str,
    batch_norm: str = "frozen",
    output_stride: int = 32,
    options: Mapping[str, Any] | None = None,
    in_channels: int = 3,
    suffix: str = "",
) -> TimmBackbone:
    """Build the feature maps of a timm model, with newly initialized weights.

    Args:
        model: timm's name, such as `resnet50` or `resnet50.a1_in1k`.
        batch_norm: Statistics of batch normalization in training: "frozen", those of the start, or
            "trained", those of each pass. A network that starts from nothing needs "trained".
        output_stride: The largest stride: 32, or 16 or 8 by dilation where the model supports it.
        options: Further arguments of the model, such as `drop_path_rate`.
        in_channels: Channels of the image.
        suffix: Must be empty; late fusion has one.

    Raises:
        ValueError: The model is unknown, or the places of its pixels in the image are not fixed.
    """
    if suffix:
        raise ValueError("fusion=late does not support timm's models. Use fusion=early.")
    arguments = {**(options or {}), **({"in_chans": in_channels} if in_channels != 3 else {})}
    if output_stride != 32:
        arguments["output_stride"] = output_stride
    return TimmBackbone(model, batch_norm, arguments)


def create(
    model: str,
    arguments: Mapping[str, Any] = {},
    out_indices: Sequence[int] | None = None,
    *,
    pretrained: bool = False,
) -> nn.Module:
    """Create a timm model that returns its feature maps, all or those with these indices.

    Raises:
        ValueError: timm is not installed, does not know the model, or it has no feature maps.
    """
    timm = library()
    if not timm.is_model(model):
        near = difflib.get_close_matches(model, timm.list_models(), n=3)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(f"timm {timm.__version__} has no model {model!r}.{hint}")
    if own := sorted({*arguments} & FILES):
        raise ValueError(f"`options` of {model} cannot have `{own[0]}`. Use classifier=FILE.")
    given = {**arguments, **({} if out_indices is None else {"out_indices": tuple(out_indices)})}
    try:
        body: nn.Module = timm.create_model(
            model, pretrained=pretrained, features_only=True, **given
        )
    except (RuntimeError, TypeError, AssertionError, NotImplementedError) as error:
        raise ValueError(f"timm cannot build feature maps of {model}: {error}") from error
    return body


def library() -> ModuleType:
    """Import timm.

    Raises:
        ValueError: It is not installed.
    """
    try:
        import timm  # takes seconds, and most runs do not need it
    except ImportError as error:
        raise ValueError(
            "backbone=timm needs the package timm: pip install 'fcn-lightning[timm]'."
        ) from error
    return timm


def normalization_of(model: str) -> str:
    """The name of the normalization that the model's pretrained weights expect.

    Raises:
        ValueError: The model is unknown, or its normalization has no name here.
    """
    config = library().models.get_pretrained_cfg(model)
    key = (tuple(config.mean), tuple(config.std)) if config else next(iter(NORMALIZATIONS))
    if key not in NORMALIZATIONS:
        raise ValueError(
            f"{model} expects images normalized by the mean {key[0]} and the standard deviation "
            f"{key[1]}, which has no name. Set `normalize` to one of the named normalizations."
        )
    return NORMALIZATIONS[key]


@cache
def _traced(model: str, arguments: str) -> Traced:
    with torch.device("meta"):
        given = json.loads(arguments)
        body = create(model, given)
    for name, layer in body.named_modules():
        if "Same" in type(layer).__name__:
            raise ValueError(
                f"`{name}` ({type(layer).__name__}) of {model} pads as TensorFlow's 'same' does: "
                "where its pixels lie depends on the size of the image. Use a model with fixed "
                "padding; those without `tf_` in their name have it."
            )
    try:
        traced = trace(body, given.get("in_chans", 3))
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"{model} does not take images of any size ({error or type(error).__name__}), as "
            "models with attention do. Use a model of convolutions and pooling."
        ) from error
    except ValueError as error:
        raise ValueError(f"{model}: {error}") from error
    strides = [int(endpoint.grid.stride) for endpoint in traced.endpoints.values()]
    if any(stride & (stride - 1) for stride in strides):
        raise ValueError(f"{model} has maps of strides {strides}; they must be powers of two.")
    return traced
