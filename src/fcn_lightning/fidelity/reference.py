"""The reference's networks by the names of its folders.

Two of the paper's that it has no folder of are named alike: FCN-GoogLeNet, and the 16s of NYUD's
color-hha.

Source: shelhamer/fcn.berkeleyvision.org, the folders' net.py; Long et al. 2015, Tables 1 and 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fcn_lightning.losses import Reduction


@dataclass(frozen=True)
class Model:
    """What the name of a model stands for; widths and classes are read off its weights."""

    normalize: str | Mapping[str, str]
    skips: tuple[str, ...] = ()
    backbone: str = "vgg16"
    heads: tuple[str, ...] = ()
    fusion: str | None = None
    at_once: bool = False

    @property
    def loss(self) -> Reduction:
        """Caffe's `normalize: true` for AlexNet, and for GoogLeNet, which learns by CVPR 2015."""
        return "sum" if self.backbone == "vgg16" else "mean"

    @property
    def plain_biases(self) -> tuple[str, ...]:
        """AlexNet's trunk has no multipliers: its biases learn as its weights do."""
        return ("conv", "fc") if self.backbone == "caffenet" else ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """The modalities; "data" where there is one."""
        return ("data",) if isinstance(self.normalize, str) else tuple(self.normalize)

    def normalization(self, modality: str) -> str:
        """The name of the normalization of one of `inputs`."""
        return self.normalize if isinstance(self.normalize, str) else self.normalize[modality]

    @property
    def losses(self) -> dict[str, str]:
        """The score that each of Caffe's losses is of, by the losses' names."""
        if not self.heads:
            return {"loss": "score"}
        first, *others = self.heads
        return {"loss": f"score_{first}", **{f"loss_{head}": f"score_{head}" for head in others}}


SKIPS: dict[str, tuple[str, ...]] = {
    "fcn32s": (),
    "fcn16s": ("pool4",),
    "fcn8s": ("pool4", "pool3"),
}

MODELS = {
    **{f"voc-{name}": Model("caffe", skips) for name, skips in SKIPS.items()},
    "voc-fcn8s-atonce": Model("caffe", SKIPS["fcn8s"], at_once=True),
    "voc-fcn-alexnet": Model("caffe", backbone="caffenet"),
    "voc-fcn-googlenet": Model("caffe", backbone="googlenet"),
    **{f"pascalcontext-{name}": Model("pascal_context", skips) for name, skips in SKIPS.items()},
    **{
        f"siftflow-{name}": Model("siftflow", skips, heads=("sem", "geo"))
        for name, skips in SKIPS.items()
    },
    "nyud-fcn32s-color": Model("nyud_color"),
    "nyud-fcn32s-hha": Model("nyud_hha"),
    "nyud-fcn32s-color-d": Model({"color": "nyud_color", "depth": "nyud_depth"}, fusion="early"),
    **{
        f"nyud-{name}-color-hha": Model(
            {"color": "nyud_color", "hha": "nyud_hha"}, SKIPS[name], fusion="late"
        )
        for name in ("fcn32s", "fcn16s")
    },
}
"""By the names of the reference's folders, and of those two."""
