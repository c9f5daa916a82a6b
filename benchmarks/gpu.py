"""How fast the networks are on a GPU, and how near that is to what the GPU can do.

    python benchmarks/gpu.py [--json FILE] [--autotune]

FCN-32s, 16s and 8s of full width label an image of 375 x 500; FCN-8s labels several images at a
time, larger and smaller ones, and under `torch.compile`, and takes training steps on one of
500 x 500, by the recipe of the reference. torchfcn is measured if benchmarks/cpu.py has installed
it. Times are medians, in IEEE float32, TF32 and bfloat16 autocast. The bound is the rate of one
large matrix product in the same precision; convolutions by an algorithm that multiplies less than
is counted, as Winograd's, may be above it. At the end: the cost of a step of `fcn-train` beyond a
plain loop, and how much of a validation is in the network.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import peers
import timing
import torch
from networks import HEAVY, NUM_CLASSES, SKIPS, VOID, exponent
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.flop_counter import FlopCounterMode

import runs
from fcn_lightning.losses import softmax_loss
from fcn_lightning.models import build
from fcn_lightning.optim import configure

PRECISIONS = ("float32", "TF32", "bfloat16")
LAYOUTS = {"first": torch.contiguous_format, "last": torch.channels_last}

Scorer = Callable[[Tensor], Tensor]
"""A network, compiled or not."""

Work = Callable[[str], object]
"""What is measured, in the precision of that name."""


@dataclass(frozen=True)
class Row:
    """One measurement: the median time of a pass or a step, and what it did and took."""

    what: str
    h: int
    w: int
    precision: str
    channels: str
    images: int
    ms: float
    spread: float
    tflop: float
    percent: float
    peak_gb: float

    def __str__(self) -> str:
        what = f"{self.what}, {self.images} images" if self.images > 1 else self.what
        cells = (
            what, f"{self.h} x {self.w}", self.precision, self.channels, f"{self.ms:.2f}",
            f"{self.spread:.2f}", f"{1000 * self.images / self.ms:.1f}", f"{self.tflop:.3f}",
            f"{1000 * self.tflop / self.ms:.1f}", f"{self.percent:.0f} %", f"{self.peak_gb:.2f}",
        )  # fmt: skip
        return f"| {' | '.join(cells)} |"


HEADER = """\
| what | size | precision | channels | ms | spread, ms | images/s | TFLOP | TFLOP/s | of the bound | peak, GB |
|---|---|---|---|---:|---:|---:|---:|---:|---:|---:|"""  # noqa: E501


class Bench:
    """Measures on one device, against the rates of matrix products there."""

    def __init__(self, device: str, repeats: int, side: int) -> None:
        self.device, self.repeats = torch.device(device), repeats
        self.rates = {precision: self._matrix_rate(precision, side) for precision in PRECISIONS}

    def forward(
        self,
        name: str,
        h: int,
        w: int,
        *,
        images: int = 1,
        compiled: bool = False,
        layouts: Sequence[str] = tuple(LAYOUTS),
    ) -> Iterator[Row]:
        """The scores of images of one size, without gradients."""
        for channels in layouts:
            network = self._network(name).eval().to(memory_format=LAYOUTS[channels])
            image = self._image(h, w, images).contiguous(memory_format=LAYOUTS[channels])
            flop = operations(partial(scores, network, image))
            work = partial(scores, torch.compile(network) if compiled else network, image)
            what = f"{name}, compiled" if compiled else name
            yield from self._rows(what, h, w, channels, work, flop, images)

    def torchfcn(self, h: int, w: int) -> Iterator[Row]:
        """The same by torchfcn's FCN-8s."""
        network, image = peers.torchfcn("FCN8s").eval().to(self.device), self._image(h, w).float()
        work = partial(scores, network, image)
        yield from self._rows("torchfcn FCN-8s", h, w, "first", work, operations(work))

    def step(self, name: str, h: int, w: int) -> Iterator[Row]:
        """An update on one image: forward, loss, backward, SGD with momentum."""
        for channels, layout in LAYOUTS.items():
            network = self._network(name).train().to(memory_format=layout)
            image = self._image(h, w).contiguous(memory_format=layout)
            label = torch.randint(NUM_CLASSES, (1, h, w), dtype=torch.uint8, device=self.device)
            label[:, : h // 8] = VOID
            optimizer, _ = configure(network, HEAVY)
            work = partial(update, network, optimizer, image, label)
            yield from self._rows(f"{name}, step", h, w, channels, work, operations(work))

    def _network(self, name: str) -> nn.Module:
        head = {"skips": SKIPS[name]}
        with self.device:
            return build(backbone={"name": "vgg16"}, head=head, num_classes=NUM_CLASSES)

    def _image(self, h: int, w: int, images: int = 1) -> Tensor:
        return torch.randint(256, (images, 3, h, w), dtype=torch.uint8, device=self.device)

    def _rows(
        self, what: str, h: int, w: int, channels: str, work: Work, flop: int, images: int = 1
    ) -> Iterator[Row]:
        """The same work in each precision."""
        for precision in PRECISIONS:
            torch.compiler.reset()  # what was compiled was for another precision
            use(precision)
            times, peak = self._timed(partial(work, precision))
            ms = statistics.median(times)
            low, _, high = statistics.quantiles(times, n=4)
            percent = 100 * flop / self.rates[precision] / (ms / 1000)
            yield Row(
                what, h, w, precision, channels, images, ms, high - low, flop / 1e12, percent,
                peak / 1e9,
            )  # fmt: skip

    def _matrix_rate(self, precision: str, side: int) -> float:
        """Operations a second of a product of two square matrices of random numbers."""
        dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        a, b = (torch.randn(side, side, device=self.device, dtype=dtype) for _ in range(2))
        use(precision)
        times, _ = self._timed(lambda: a @ b)
        return 2 * side**3 / (statistics.median(times) / 1000)

    def _timed(self, work: Callable[[], object]) -> tuple[list[float], int]:
        """Milliseconds of each repetition after a warm-up, and the most bytes allocated."""
        for _ in range(max(2, self.repeats // 3)):
            work()
        if self.device.type != "cuda":
            return [timing.timed(work)[1] * 1000 for _ in range(self.repeats)], 0
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        marks = [torch.cuda.Event(enable_timing=True) for _ in range(self.repeats + 1)]
        marks[0].record()
        for mark in marks[1:]:
            work()
            mark.record()
        torch.cuda.synchronize()
        times = [begin.elapsed_time(end) for begin, end in zip(marks, marks[1:])]
        return times, torch.cuda.max_memory_allocated()


def operations(work: Work) -> int:
    """The floating-point operations of convolutions and products; multiply and add are two."""
    with FlopCounterMode(display=False) as counter:
        work("float32")
    return counter.get_total_flops()


def use(precision: str) -> None:
    """Make float32's convolutions and products TF32's, or float32's own."""
    torch.backends.cudnn.allow_tf32 = precision == "TF32"
    torch.set_float32_matmul_precision("high" if precision == "TF32" else "highest")


def autocast(image: Tensor, precision: str) -> torch.autocast:
    """For one pass, as Lightning has it: weights become bfloat16 in each."""
    return torch.autocast(image.device.type, torch.bfloat16, enabled=precision == "bfloat16")


@torch.inference_mode()
def scores(network: Scorer, image: Tensor, precision: str) -> Tensor:
    """A pass without gradients."""
    with autocast(image, precision):
        return network(image)


def update(
    network: nn.Module, optimizer: Optimizer, image: Tensor, label: Tensor, precision: str
) -> None:
    """A step of training."""
    optimizer.zero_grad()
    with autocast(image, precision):
        loss = softmax_loss(network(image), label, HEAVY.loss).mean()
    loss.backward()
    optimizer.step()


def machine(device: str) -> str:
    """The card, its driver and what computes on it."""
    if not device.startswith("cuda"):
        return f"{device}, torch {torch.__version__}"
    driver = "unknown"
    if shutil.which("nvidia-smi"):
        query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", "--id=0"]
        driver = subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    return (
        f"{torch.cuda.get_device_name()}, driver {driver}, torch {torch.__version__}, "
        f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
    )


def main() -> None:
    """Print a Markdown table, a row as soon as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=None, help="a file for the same as JSON")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--matrix", type=int, default=8192, help="side of the bound's matrices")
    parser.add_argument(
        "--sizes", type=int, nargs=4, default=(375, 500, 500, 500), metavar="PIXELS",
        help="height and width of the image to label, and of the one to train on",
    )  # fmt: skip
    parser.add_argument("--autotune", action="store_true", help="cuDNN tries its algorithms first")
    given = parser.parse_args()

    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = given.autotune
    bench = Bench(given.device, given.repeats, given.matrix)
    rates = {precision: rate / 1e12 for precision, rate in bench.rates.items()}
    bound = ", ".join(f"{precision} {rate:.1f}" for precision, rate in rates.items())
    print(machine(given.device) + (", cuDNN autotuned" if given.autotune else "") + "\n")
    print(f"Product of {given.matrix} x {given.matrix} matrices, TFLOP/s: {bound}\n\n{HEADER}")
    rows: list[Row] = []
    for row in measured(bench, *given.sizes):
        print(row, flush=True)
        rows.append(row)
    for line in growth(rows, *given.sizes[:2]):
        print(line)
    print(f"\n{timing.HEADER}")
    of_runs = [*runs.overhead(2, given.device), *runs.validation(1, given.device)]
    print(*of_runs, sep="\n")
    if given.json is not None:
        found = {
            "machine": machine(given.device),
            "autotune": given.autotune,
            "matrix_tflops": rates,
            "rows": [asdict(row) for row in (*rows, *of_runs)],
        }
        given.json.write_text(json.dumps(found, indent=1) + "\n")


def measured(bench: Bench, h: int, w: int, train_h: int, train_w: int) -> Iterator[Row]:
    """The measurements of networks, one after the other."""
    for name in SKIPS:
        yield from bench.forward(name, h, w)
    if peers.FOLDER.exists():
        peers.install()
        yield from bench.torchfcn(h, w)
    yield from bench.step("FCN-8s", train_h, train_w)
    for images in (2, 4, 8):
        yield from bench.forward("FCN-8s", h, w, images=images, layouts=["last"])
    for factor in (0.5, 2):
        size = round(h * factor), round(w * factor)
        yield from bench.forward("FCN-8s", *size, layouts=["last"])
    for images in (1, 8):
        yield from bench.forward("FCN-8s", h, w, images=images, compiled=True, layouts=["last"])


def growth(rows: Sequence[Row], h: int, w: int) -> Iterator[str]:
    """The exponents of FCN-8s's time against pixels and against images, with channels last."""
    for precision in PRECISIONS:
        kind = "FCN-8s", precision, "last"
        own = [row for row in rows if (row.what, row.precision, row.channels) == kind]
        pixels = [(row.h * row.w, row.ms) for row in own if row.images == 1]
        images = [(row.images, row.ms) for row in own if (row.h, row.w) == (h, w)]
        powers = f"pixels {exponent(pixels):.2f}, images {exponent(images):.2f}"
        yield f"\nTime grows in {precision} with these powers: {powers}"


if __name__ == "__main__":
    main()
