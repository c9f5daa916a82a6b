"""The reference's networks by the names of its folders, and two of the papers that it lacks.

Those two are FCN-GoogLeNet and the 16s of NYUD's color-hha.

Source: shelhamer/fcn.berkeleyvision.org, the folders' net.py; Long et al. 2015, Tables 1 and 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fcn_lightning.losses import Reduction


@dataclass(frozen=True)
class Model:
    """A network without its widths and classes, which its weights show.

    `inputs` holds the normalization of each modality; a single one is called "data".
    """

    inputs: Mapping[str, str]
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
    def targets(self) -> list[tuple[str, str, str]]:
        """The names of each head's label, score and loss."""
        if not self.heads:
            return [("label", "score", "loss")]
        losses = ["loss", *(f"loss_{head}" for head in self.heads[1:])]
        return [(head, f"score_{head}", loss) for head, loss in zip(self.heads, losses)]


SKIPS: dict[str, tuple[str, ...]] = {
    "fcn32s": (),
    "fcn16s": ("pool4",),
    "fcn8s": ("pool4", "pool3"),
}
VOC, CONTEXT, SIFTFLOW = {"data": "caffe"}, {"data": "pascal_context"}, {"data": "siftflow"}
COLOR_D = {"color": "nyud_color", "depth": "nyud_depth"}
COLOR_HHA = {"color": "nyud_color", "hha": "nyud_hha"}

MODELS = {
    **{f"voc-{name}": Model(VOC, skips) for name, skips in SKIPS.items()},
    "voc-fcn8s-atonce": Model(VOC, SKIPS["fcn8s"], at_once=True),
    "voc-fcn-alexnet": Model(VOC, backbone="caffenet"),
    "voc-fcn-googlenet": Model(VOC, backbone="googlenet"),
    **{f"pascalcontext-{name}": Model(CONTEXT, skips) for name, skips in SKIPS.items()},
    **{f"siftflow-{n}": Model(SIFTFLOW, s, heads=("sem", "geo")) for n, s in SKIPS.items()},
    "nyud-fcn32s-color": Model({"data": "nyud_color"}),
    "nyud-fcn32s-hha": Model({"data": "nyud_hha"}),
    "nyud-fcn32s-color-d": Model(COLOR_D, fusion="early"),
    "nyud-fcn32s-color-hha": Model(COLOR_HHA, fusion="late"),
    "nyud-fcn16s-color-hha": Model(COLOR_HHA, SKIPS["fcn16s"], fusion="late"),
}
