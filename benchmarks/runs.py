"""Runs: the cost of the framework beside the network's, of starting, and of validation."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import images
import torch
from lightning import Trainer
from networks import HEAVY, SIZE, our_step, ours
from timing import Row, timed
from torch.utils.data import DataLoader, Subset

from fcn_lightning import optim
from fcn_lightning.data.samplers import TrainingOrder
from fcn_lightning.data.transforms import Augmented
from fcn_lightning.datamodule import by_size
from fcn_lightning.labels import VOC
from fcn_lightning.losses import softmax_loss
from fcn_lightning.runs.data import read_data
from fcn_lightning.runs.run import compose_run
from fcn_lightning.task import SegmentationTask

TINY = (
    "experiment=shapes", "init_from=null", "backbone.widths=[4,4,4,4,4]",
    "backbone.fc_widths=[8,8]", "augment.crop=32", "num_workers=0", "trainer=cpu", "logger=csv",
    "callbacks=none", "trainer.limit_val_batches=1", "trainer.limit_test_batches=1",
)  # fmt: skip
STEPS = 400
SMALL = (
    "experiment=shapes", "init_from=null", "recipe.max_steps=20", "recipe.val_every=20",
    "num_workers=0", "trainer=cpu", "logger=csv",
)  # fmt: skip
NUM_JOBS = 8
NUM_VALIDATED, NUM_SEG11VALID = 16, 736


def overhead(repeats: int, device: str = "cpu") -> Iterator[Row]:
    """The cost of a step of `fcn-train` beyond a loop over the same network and loader."""
    with tempfile.TemporaryDirectory() as runs:
        steps = (1, STEPS + 1) * 2
        ran = [_trained(runs, n, number, device) for number, n in enumerate(steps)]
    trained = [(min(ran[1][i], ran[3][i]) - min(ran[0][i], ran[2][i])) / STEPS for i in (0, 1)]
    bare = min((_bare_step(device) for _ in range(2)), key=sum)
    of_loop, of_run = ([1000 * seconds for seconds in times] for times in (bare, trained))
    beyond, note = [own - loop for own, loop in zip(of_run, of_loop)], ""
    if device == "cpu":
        share = beyond[0] / (1000 * timed(our_step(SIZE))[0] + beyond[0])
        note = f"{100 * share:.2f} % of a step of FCN-8s on VGG-16, 375 x 500"
    what = "tiny network, a step"
    yield Row("overhead", what, "bare loop", *of_loop, "ms", 1)
    yield Row("overhead", what, "fcn-train", *of_run, "ms", of_loop[0] / of_run[0])
    yield Row("overhead", what, "difference", *beyond, "ms", note=note)


def _trained(runs: str, steps: int, number: int, device: str) -> tuple[float, float]:
    """CPU and wall seconds of a run of so many steps."""
    trainer = "trainer=cpu" if device == "cpu" else "trainer=gpu"
    more = [f"recipe.max_steps={steps}", f"recipe.val_every={steps}", f"paths.runs={runs}/{number}"]
    return _cpu([sys.executable, "-m", "fcn_lightning.cli.train", *TINY, trainer, *more])


def _bare_step(device: str) -> tuple[float, float]:
    """CPU and wall seconds of a step of a plain loop over what such a run trains with."""
    run = compose_run([*TINY, f"recipe.max_steps={STEPS}", f"recipe.val_every={STEPS}"])
    splits, recipe = read_data(run.config.data), run.recipe
    network = run.network(len(splits.labels)).train().to(memory_format=torch.channels_last)
    network.to(device)
    order = TrainingOrder(
        recipe.order, len(splits.train), seed=0, batch=recipe.batch, per_pass=recipe.batch,
        max_steps=STEPS, first_step=0, rank=0, num_processes=1,
    )  # fmt: skip
    data = Augmented(splits.train, run.augment, 0)
    loader = DataLoader(data, batch_sampler=order, collate_fn=by_size)
    optimizer, schedule = optim.configure(network, recipe)

    def loop() -> None:
        for batch in loader:
            optimizer.zero_grad()
            groups = [(g["image"].to(device), g["label"].to(device)) for g in batch]
            losses = [softmax_loss(network(image), label, recipe.loss) for image, label in groups]
            torch.cat(losses).mean().backward()
            optimizer.step()
            schedule.step()
        if device != "cpu":
            torch.cuda.synchronize()

    cpu, wall = timed(loop)
    return cpu / STEPS, wall / STEPS


def sweep(repeats: int) -> Iterator[Row]:
    """A sweep of small jobs, one at a time, beside as many commands. CPU time is not collected."""
    train, what = [sys.executable, "-m", "fcn_lightning.cli.train"], f"{NUM_JOBS} jobs of 20 steps"
    with tempfile.TemporaryDirectory() as runs:
        own = [*SMALL, f"paths.runs={runs}"]
        _cpu([*train, *own, "seed=100"])  # draws the images
        commands = NUM_JOBS * _cpu([*train, *own, "seed=101"])[1]
        jobs = _cpu([*train, "-m", *own, f"seed=range({NUM_JOBS})"])[1]
    yield Row("sweep", what, "a command for each", wall=commands, unit="s")
    yield Row("sweep", what, "a sweep", wall=jobs, unit="s", ratio=commands / jobs)


def startup(repeats: int) -> Iterator[Row]:
    """CPU and wall time of commands, the fastest of several, beside the imports that they need."""
    imports = "import torch, lightning, torchvision"
    train, fcn = ([sys.executable, "-m", f"fcn_lightning.cli.{name}"] for name in ("train", "fcn"))
    commands: dict[str, Sequence[str]] = {
        imports: [sys.executable, "-c", imports],
        "fcn-train --help": [*train, "--help"],
        "fcn --help": [*fcn, "--help"],
        "fcn-train recipe.lrr=1": [*train, "recipe.lrr=1"],
        "fcn table show table2": [*fcn, "table", "show", "table2"],
    }
    first = 0.0
    for name, command in commands.items():
        cpu, wall = min(_cpu(command) for _ in range(max(2, repeats)))
        first = first or cpu
        yield Row("startup", "a command", name, cpu, wall, "s", cpu / first)


def _cpu(command: Sequence[str]) -> tuple[float, float]:
    """CPU and wall seconds of a process."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    subprocess.run(command, env=environment, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, time.perf_counter() - begin


def validation(repeats: int, device: str = "cpu") -> Iterator[Row]:
    """Validating images of 375 x 500 by FCN-8s: all of it, and the share of the network."""
    network, spent = ours().eval(), 0.0
    clock = time.process_time if device == "cpu" else time.perf_counter

    def counted(image: torch.Tensor) -> torch.Tensor:
        nonlocal spent
        before = clock()
        score = type(network).forward(network, image)
        if device != "cpu":
            torch.cuda.synchronize()
        spent += clock() - before
        return score

    network.forward = counted  # type: ignore[method-assign]
    task = SegmentationTask(network, VOC, HEAVY)
    trainer = Trainer(
        accelerator="cpu" if device == "cpu" else "gpu",
        devices=1,
        logger=False,
        enable_progress_bar=False,
        enable_checkpointing=False,
    )
    with tempfile.TemporaryDirectory() as folder:
        images.draw(Path(folder))
        data = Subset(images.own(Path(folder)), range(NUM_VALIDATED))
        loader = DataLoader(data, batch_size=1, collate_fn=by_size)
        cpu, wall = timed(lambda: trainer.validate(task, loader, verbose=False))
    cpu, wall, spent = (NUM_SEG11VALID / NUM_VALIDATED * seconds for seconds in (cpu, wall, spent))
    share = spent / (cpu if device == "cpu" else wall)
    what = f"{NUM_SEG11VALID} images, from {NUM_VALIDATED}"
    yield Row("validation", what, "all", cpu, wall, "s")
    yield Row("validation", what, "network", cpu=spent, unit="s", note=f"{100 * share:.1f} %")
