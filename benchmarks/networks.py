"""Networks: a pass, a training step, memory, and how the cost grows."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import peers
import torch
import torchvision
from timing import Row, compared, timed
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from fcn_lightning.export import write_onnx
from fcn_lightning.losses import softmax_loss
from fcn_lightning.models import build
from fcn_lightning.models.backbones.cpu import ordinary
from fcn_lightning.optim import Recipe, configure

SKIPS = {"FCN-32s": (), "FCN-16s": ("pool4",), "FCN-8s": ("pool4", "pool3")}
THEIRS = {"FCN-32s": "FCN32s", "FCN-16s": "FCN16s", "FCN-8s": "FCN8s"}
SIZE = (375, 500)
NUM_CLASSES, VOID = 21, 255
HEAVY = Recipe(
    loss="sum", optimizer="sgd", lr=1e-10, momentum=0.99, weight_decay=5e-4,
    batch=1, max_steps=100_000, val_every=4000,
)  # fmt: skip
MATRIX = 2048


def ours(
    name: str = "FCN-8s",
    memory_format: torch.memory_format = torch.channels_last,
    *,
    num_classes: int = NUM_CLASSES,
    padding: int | str = 100,
) -> nn.Module:
    """A network of this project, of full width."""
    backbone = {"name": "vgg16", "padding": padding}
    network = build(backbone=backbone, head={"skips": SKIPS[name]}, num_classes=num_classes)
    return network.to(memory_format=memory_format)


def image(n: int = 1, size: tuple[int, int] = SIZE) -> Tensor:
    """A batch of noise."""
    return torch.randint(256, (n, 3, *size), dtype=torch.uint8)


@torch.inference_mode()
def scores(network: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """A pass without gradients."""
    return network(x)


def in_bfloat16(network: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """The same by autocast, as with `trainer.precision=bf16-mixed`."""
    with torch.autocast("cpu", torch.bfloat16):
        return scores(network, x)


def forward(repeats: int) -> Iterator[Row]:
    """The scores of one image: ours eager, contiguous and channels last, and compiled."""
    x, floats = image(), image().float()
    for name in SKIPS:
        network, theirs = ours(name).eval(), peers.torchfcn(THEIRS[name]).eval()
        contenders = {
            "torchfcn": partial(scores, theirs, floats),
            "ONNX Runtime, torchfcn exported": _torchfcn_exported(theirs, floats),
            **_exported(network, x),
            "ours, contiguous": partial(scores, ours(name, torch.contiguous_format).eval(), x),
        }
        if name == "FCN-8s":
            compiled = torch.compile(ours(name).eval(), dynamic=True)
            contenders["ours, compiled"] = partial(scores, compiled, x)
            if torch.backends.cpu.get_cpu_capability() == "AVX512":  # emulated by others
                contenders["ours, bfloat16"] = partial(in_bfloat16, network, x)
            whole = ours(name).eval()
            whole.backbone.narrow_border = False
            contenders["ours, whole border"] = partial(scores, whole, x)
        contenders["ours"] = partial(scores, network, x)
        yield from compared("forward", f"{name}, 375 x 500", contenders, repeats)
    resnet = torchvision.models.segmentation.fcn_resnet50(weights=None, weights_backbone=None)
    contenders = {
        "torchfcn FCN-8s": partial(scores, peers.torchfcn("FCN8s").eval(), floats),
        "torchvision fcn_resnet50": lambda: scores(lambda i: resnet.eval()(i)["out"], floats),
        "ours FCN-8s, padding=same": partial(scores, ours(padding="same").eval(), x),
    }
    yield from compared("forward", "other networks, 375 x 500", contenders, repeats)


def _torchfcn_exported(network: nn.Module, x: Tensor) -> Callable[[], object]:
    """The network of torchfcn, for images of this size, by ONNX Runtime."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "network.onnx")
        torch.onnx.export(network, (x,), path, dynamo=False)
        return _by_onnxruntime(path, x)


def _by_onnxruntime(path: Path, x: Tensor) -> Callable[[], object]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    inputs = {session.get_inputs()[0].name: x.numpy()}
    return lambda: session.run(None, inputs)


def _exported(network: nn.Module, x: Tensor) -> dict[str, Callable[[], object]]:
    """Our export by ONNX Runtime, and by OpenCV."""
    import cv2

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "network.onnx")
        write_onnx(network, path)
        by_onnxruntime = _by_onnxruntime(path, x)
        cv2.setNumThreads(torch.get_num_threads())
        try:
            dnn = cv2.dnn.readNetFromONNX(str(path))
        except cv2.error as error:
            dnn, reason = None, str(error)

    def by_opencv() -> object:
        if dnn is None:
            raise RuntimeError(reason)
        dnn.setInput(x.float().numpy())
        return dnn.forward()

    return {"ONNX Runtime": by_onnxruntime, "OpenCV": by_opencv}


def training(repeats: int) -> Iterator[Row]:
    """A step of heavy learning: forward, loss, backward, update."""
    contenders = {
        "torchfcn": their_step(SIZE),
        "ours, channels last": our_step(SIZE, torch.channels_last),
        "ours": our_step(SIZE, torch.contiguous_format),
    }
    yield from compared("training", "FCN-8s, 375 x 500", contenders, repeats)


def our_step(
    size: tuple[int, int], memory_format: torch.memory_format = torch.contiguous_format
) -> Callable[[], None]:
    """A step of FCN-8s by the heavy recipe."""
    network, x, y = ours(memory_format=memory_format).train(), image(size=size), _label(size)
    optimizer, _ = configure(network, HEAVY)

    def step() -> None:
        optimizer.zero_grad()
        softmax_loss(network(x), y, HEAVY.loss).mean().backward()
        optimizer.step()

    return step


def their_step(size: tuple[int, int]) -> Callable[[], None]:
    """The same with torchfcn's network, loss and groups of parameters."""
    network, x = peers.torchfcn("FCN8s").train(), image(size=size).float()
    y = _label(size).long().masked_fill(_label(size) == VOID, -1)
    optimizer = peers.torchfcn_optimizer(network)

    def step() -> None:
        optimizer.zero_grad()
        peers.torchfcn_loss(network(x), y).backward()
        optimizer.step()

    return step


def _label(size: tuple[int, int]) -> Tensor:
    label = torch.arange(size[1], dtype=torch.uint8).expand(1, *size) % NUM_CLASSES
    return label.contiguous().index_fill(1, torch.arange(size[0] // 8), VOID)


MEMORY: dict[str, Callable[[], Callable[[], object]]] = {
    "torchfcn pass": lambda: partial(scores, peers.torchfcn("FCN8s").eval(), image().float()),
    "ours pass": lambda: partial(scores, ours().eval(), image()),
    "torchfcn step": lambda: their_step((500, 500)),
    "ours step": lambda: our_step((500, 500)),
}
"""Work of which the peak memory is measured, each in a process of its own."""


def memory(repeats: int) -> Iterator[Row]:
    """The largest resident set of two passes, or of two steps, without what Python had before."""
    for work, size in (("pass", "375 x 500"), ("step", "500 x 500")):
        peaks = {name: _peak(f"{name} {work}") for name in ("torchfcn", "ours")}
        for name, peak in peaks.items():
            ratio = peaks["torchfcn"] / peak
            what = f"FCN-8s, {work}, {size}"
            yield Row("memory", what, name, ratio=ratio, note=f"{peak:.2f} GB")


def _peak(name: str) -> float:
    """The peak of a process that does this work twice, in GB."""
    command = [sys.executable, __file__, name, str(torch.get_num_threads())]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def growth(repeats: int) -> Iterator[Row]:
    """Time against area, batch and classes, with the exponent of the best power law."""
    network = ours().eval()
    areas = {
        side * side: partial(scores, network, image(size=(side, side))) for side in (125, 250, 500)
    }
    batches = {n: partial(scores, network, image(n, (125, 125))) for n in (1, 2, 4)}
    classes = {
        n: partial(scores, ours(num_classes=n).eval(), image(size=(250, 250)))
        for n in (21, 60, 150)
    }
    for what, works in (("pixels", areas), ("images of a batch", batches), ("classes", classes)):
        rows = compared("growth", f"FCN-8s, {what}", {str(n): w for n, w in works.items()}, repeats)
        times = [(n, row.cpu or 1) for n, row in zip(works, rows)]
        yield from rows
        yield Row("growth", f"FCN-8s, {what}", "exponent", note=f"{exponent(times):.2f}")


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """Of the power law with the least squares of logarithms."""
    x, y = (torch.tensor([math.log(value) for value in values]) for values in zip(*points))
    return float(((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum())


def bound(repeats: int) -> Iterator[Row]:
    """Multiplications and additions of a pass over the rate of a matrix product."""
    a, b = torch.randn(2, MATRIX, MATRIX).unbind()
    rate = 2 * MATRIX**3 / min(timed(lambda: a @ b)[0] for _ in range(repeats + 3))
    with ordinary(), FlopCounterMode(display=False) as counter:
        scores(ours().eval(), image())
    seconds = counter.get_total_flops() / rate
    what = f"FCN-8s, 375 x 500: {counter.get_total_flops() / 1e9:.0f} GFLOP"
    note = f"{rate / 1e9:.0f} GFLOP/s of CPU time"
    yield Row("bound", what, f"product of {MATRIX} x {MATRIX}", cpu=seconds, unit="s", note=note)


def main() -> None:
    """Do one work of MEMORY twice, and print its peak."""
    _, name, threads = sys.argv
    torch.set_num_threads(int(threads))
    peers.install()
    before = _largest_resident()
    work = MEMORY[name]()
    work()
    work()
    print(json.dumps(_largest_resident() - before))


def _largest_resident() -> float:
    """The largest resident set of this process so far, in GB."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+)", status)[1]) / 1e6  # type: ignore[index]


if __name__ == "__main__":
    main()
