"""A network as layers of Caffe in deploy form, under the reference's names.

Source: shelhamer/fcn.berkeleyvision.org net.py of each network and voc-fcn8s/deploy.prototxt.
"""

from __future__ import annotations

from torch import nn

from fcn_lightning.formats.caffe import heads
from fcn_lightning.formats.caffe.layers import Deploy, add_concat, add_module
from fcn_lightning.formats.caffe.sizes import check_crops
from fcn_lightning.models import FCN, LateFusion, Network
from fcn_lightning.models.backbones import Backbone, Chain
from fcn_lightning.models.fusion import EarlyFusion
from fcn_lightning.models.normalize import Normalize

PERIOD = 32
"""The largest stride: an image that is larger by it has maps that are larger by whole pixels."""


def deploy(network: Network, size: tuple[int, int]) -> Deploy:
    """The layers of a network for one normalized image of `size` (h, w).

    Raises:
        ValueError: Caffe cannot express the network: it scales its images, is a classifier, has a
            pooling layer that rounds down, or has a crop that does not fit at some size.
    """
    net = layers_of(network, size)
    check_crops((layer for layer, _ in net.layers), range(size[0], size[0] + PERIOD))
    return net


def layers_of(network: Network, size: tuple[int, int]) -> Deploy:
    """Same as `deploy`, without the check of crops.

    Raises:
        ValueError: Caffe cannot express the network.
    """
    net = Deploy()
    if isinstance(network, LateFusion):
        _late_fusion(net, network, size)
    elif not isinstance(network, FCN):
        raise ValueError(
            "Only fully convolutional networks can be exported to Caffe; this is a classifier. "
            "Export an FCN that starts from it."
        )
    elif network.image_scale != 1:
        raise ValueError(
            "Only networks with `image_scale` 1 can be exported to Caffe, which does not scale "
            f"images; this one has {network.image_scale}."
        )
    else:
        _fcn(net, network, size)
    return net


def _fcn(net: Deploy, network: FCN, size: tuple[int, int]) -> None:
    data = _input(net, network.normalize, size)
    maps = _backbone(net, network.backbone, data)
    for head in heads.each(network.head):
        heads.add_upscored(net, head, heads.add_fused(net, head, maps), data)


def _late_fusion(net: Deploy, network: LateFusion, size: tuple[int, int]) -> None:
    inputs, scores, last = [], [], []
    for modality, branch in network.branches.items():
        assert isinstance(branch, FCN)
        inputs.append(_one_input(net, modality, branch.normalize, size))
        maps = _backbone(net, branch.backbone, inputs[-1])
        for head in heads.each(branch.head):
            scores.append(heads.add_fused(net, head, maps))
            last.append(head)
    mean = {"operation": "SUM", "coeff": [1 / len(scores)] * len(scores)}
    fused = net.add("Eltwise", "score_fused", scores, eltwise_param=mean)
    heads.add_upscored(net, last[0], fused, inputs[0], suffix="")


def _input(net: Deploy, normalize: nn.Module, size: tuple[int, int]) -> str:
    if not isinstance(normalize, EarlyFusion):
        return _one_input(net, "data", normalize, size)
    inputs = [_one_input(net, name, part, size) for name, part in normalize.modalities.items()]
    return add_concat(net, "data", inputs)


def _one_input(net: Deploy, name: str, normalize: nn.Module, size: tuple[int, int]) -> str:
    assert isinstance(normalize, Normalize)
    shape = {"dim": [1, normalize.channels, *size]}
    return net.add("Input", name, input_param={"shape": [shape]})


def _backbone(net: Deploy, chain: Backbone, data: str) -> dict[str, str]:
    """Add the backbone's layers; return the name of each endpoint's map."""
    if not isinstance(chain, Chain):
        raise ValueError(
            "Only networks on VGG-16, VGG-19, AlexNet, CaffeNet and GoogLeNet can be exported to "
            f"Caffe; this one has a {type(chain).__name__}."
        )
    maps, top = {}, data
    *_, last = chain.endpoints
    for name, layer in chain.named_children():
        top = add_module(net, layer, name, top)
        if isinstance(layer, nn.MaxPool2d):
            maps[next(pool for pool in chain.endpoints if name.startswith(pool))] = top
    return maps | {last: top}
