"""Dense evaluation of a classifier against evaluation patch by patch.

    python benchmarks/dense_against_patch.py [--device cuda] [--trials 20] [--batch 10]

A classifier of 1,000 classes with random weights scores a 10 x 10 grid of a 500 x 500 image: as one
convolutional network, and by running on a patch for each output, 227 x 227 for AlexNet (CaffeNet)
and 224 x 224 for VGG-16, the sizes for which the classifiers were made. Only the fully connected
layers and conv1 of AlexNet are unpadded, as there. "naive" is the time of one patch times their
number, as the paper has it; "batched" is that of one batch of patches times the number of batches.
Backward is the gradient of
weights and biases, after a forward pass that is not counted.

CVPR 2015, 3.1, for AlexNet: a patch 1.2 ms, dense 22 ms; backward 2.4 and 37 ms; the dense
evaluation is more than 5 times faster than the naive one.

Source: Long et al. 2015, 3.1.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from fcn_lightning.models.backbones import BACKBONES
from fcn_lightning.runs.trainer import configure_torch

SIDE, GRID, NUM_CLASSES = 500, 10, 1000
PATCH = {"caffenet": 227, "vgg16": 224}
HEADER = """\
| network | pass | one patch, ms | 100 patches, naive, ms | batched, ms | dense, ms | naive / dense | batched / dense |
|---|---|---:|---:|---:|---:|---:|---:|"""  # noqa: E501


def classifier(name: str) -> nn.Sequential:
    """The classifier of a backbone, convolutional, with its own padding."""
    layers = nn.Sequential()
    for layer_name, layer in BACKBONES[name](padding="same", dropout=0.0).named_children():
        if layer_name in ("fc6", "conv1"):
            layer.padding = (0, 0)
        layers.add_module(layer_name, layer)
    layers.add_module("fc8", nn.Conv2d(4096, NUM_CLASSES, 1))
    return layers


class Bench:
    """Times passes on one device, as means over trials after a first pass."""

    def __init__(self, device: str, trials: int, batch: int) -> None:
        self.device, self.trials, self.batch = torch.device(device), trials, batch

    def rows(self, name: str) -> list[str]:
        """Time a network: a row for forward, and one for backward."""
        torch.manual_seed(0)
        network = classifier(name).to(self.device)
        image = torch.randn(1, 3, SIDE, SIDE, device=self.device)
        patches = torch.randn(self.batch, 3, PATCH[name], PATCH[name], device=self.device)
        with torch.no_grad():
            assert network(image).shape[2:] == (GRID, GRID)
            assert network(patches[:1]).shape[2:] == (1, 1)
        rows = []
        for what, timed in (("forward", self.forward), ("backward", self.backward)):
            one, dense = timed(network, patches[:1]), timed(network, image)
            naive = GRID**2 * one
            batched = GRID**2 * timed(network, patches) / len(patches)
            times = f"{one:.1f} | {naive:.0f} | {batched:.0f} | {dense:.1f}"
            rows.append(
                f"| {name} | {what} | {times} | {naive / dense:.1f} | {batched / dense:.1f} |"
            )
        return rows

    def forward(self, network: nn.Module, images: Tensor) -> float:
        """Milliseconds of a forward pass, without gradients."""
        with torch.no_grad():
            return self._mean(lambda: self._ms(lambda: network(images)))

    def backward(self, network: nn.Module, images: Tensor) -> float:
        """Milliseconds of a backward pass."""

        def once() -> float:
            network.zero_grad()
            return self._ms(network(images).sum().backward)

        return self._mean(once)

    def _mean(self, once: Callable[[], float]) -> float:
        once()
        return sum(once() for _ in range(self.trials)) / self.trials

    def _ms(self, work: Callable[[], object]) -> float:
        self._wait()
        began = time.perf_counter()
        work()
        self._wait()
        return 1000 * (time.perf_counter() - began)

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def main() -> None:
    """Print a Markdown table, the rows of a network as soon as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--trials", type=int, default=None, help="20 on a GPU, 2 on CPUs")
    parser.add_argument("--batch", type=int, default=10, help="patches in one pass")
    given = parser.parse_args()
    configure_torch()
    trials = given.trials or (2 if given.device == "cpu" else 20)
    threads = f", {torch.get_num_threads()} threads" if given.device == "cpu" else ""
    print(f"{given.device}{threads}, torch {torch.__version__}, {trials} trials\n\n{HEADER}")
    for name in PATCH:
        for row in Bench(given.device, trials, given.batch).rows(name):
            print(row, flush=True)


if __name__ == "__main__":
    main()
