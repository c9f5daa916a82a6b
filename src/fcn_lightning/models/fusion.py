"""Networks with several modalities as input, and networks with several heads.

Source: Long et al. 2015, 5, NYUDv2 and SIFT Flow; shelhamer/fcn.berkeleyvision.org
nyud-fcn32s-color-d, nyud-fcn32s-color-hha and siftflow-fcn32s net.py.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fcn_lightning.models.fcn import FCN, Description
from fcn_lightning.models.normalize import Normalize
from fcn_lightning.models.skip import SkipHead


class EarlyFusion(nn.Module):
    """Normalizes each modality and concatenates their channels, as input of one backbone."""

    def __init__(self, modalities: Mapping[str, Normalize]) -> None:
        super().__init__()
        self.modalities = nn.ModuleDict(modalities)
        self.channels = sum(part.channels for part in modalities.values())

    def forward(self, image: Mapping[str, Tensor]) -> Float[Tensor, "n _ h w"]:
        check_modalities(self.modalities, image)
        return torch.cat([part(image[name]) for name, part in self.modalities.items()], dim=1)


class LateFusion(nn.Module):
    """One network per modality; their fused scores are averaged, then upscored once."""

    description: Description

    def __init__(self, branches: Mapping[str, FCN]) -> None:
        super().__init__()
        self.branches = nn.ModuleDict(branches)

    def forward(self, image: Mapping[str, Tensor]) -> Float[Tensor, "n classes h w"]:
        """The scores of a batch; the images of all modalities are aligned and of one size."""
        check_modalities(self.branches, image)
        h, w = next(iter(image.values())).shape[2:]
        upscore = next(iter(self.branches.values())).get_submodule("head")
        assert isinstance(upscore, SkipHead)
        return upscore.upscored(self.fused(image), (h, w))

    @property
    def coarsest_stride(self) -> int:
        """The stride of the coarsest map that is scored, in pixels of the image."""
        branch = next(iter(self.branches.values()))
        assert isinstance(branch, FCN)
        return branch.coarsest_stride

    @property
    def has_global_gates(self) -> bool:
        """True if the scores of a pixel depend on the whole image; see `FCN.has_global_gates`."""
        return any(getattr(branch, "has_global_gates", False) for branch in self.branches.values())

    def fused(self, image: Mapping[str, Tensor]) -> Float[Tensor, "n classes _ _"]:
        """The mean of the modalities' scores, `score_fused`."""
        scores = []
        for name, branch in self.branches.items():
            assert isinstance(branch, FCN)
            scores.append(branch.fused(image[name]))
        return torch.stack(scores).mean(0)


class Heads(nn.Module):
    """Several heads on one backbone, for several label maps of the same image."""

    def __init__(self, heads: Mapping[str, SkipHead]) -> None:
        super().__init__()
        self.heads = nn.ModuleDict(heads)

    def forward(
        self, maps: Mapping[str, Tensor], size: tuple[int, int]
    ) -> dict[str, Float[Tensor, "n _ h w"]]:
        return {name: head(maps, size) for name, head in self.heads.items()}


def check_modalities(expected: nn.ModuleDict, image: object) -> None:
    """Check that `image` is a mapping with exactly the modalities of the network.

    Raises:
        ValueError: It is not.
    """
    given = sorted(image) if isinstance(image, Mapping) else None
    if given != sorted(expected):
        raise ValueError(
            f"The network needs an image for each of {', '.join(expected)}; got "
            f"{', '.join(given) if given is not None else 'a single one'}."
        )
