"""One run on two hosts, started by torchrun on each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from cluster.hosts import Host

pytestmark = pytest.mark.slow

Tiny = Callable[..., list[str]]


@pytest.fixture
def start(
    two_hosts: tuple[Host, Host],
) -> Iterator[Callable[[list[str]], list[subprocess.Popen[str]]]]:
    """Starts `fcn-train` with overrides on both hosts, one process each."""
    with ExitStack() as stack:

        def started(overrides: list[str]) -> list[subprocess.Popen[str]]:
            both = [torchrun(two_hosts, rank, overrides) for rank in (0, 1)]
            for each in both:
                stack.enter_context(each)
                stack.callback(each.kill)
            return both

        yield started


def torchrun(hosts: tuple[Host, Host], rank: int, overrides: list[str]) -> subprocess.Popen[str]:
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nnodes=2", f"--node-rank={rank}",
        f"--master-addr={hosts[0].address}", "--master-port=29400",
        "-m", "fcn_lightning.cli.train", *overrides,
    ]  # fmt: skip
    variables = {"GLOO_SOCKET_IFNAME": hosts[rank].interface, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        hosts[rank].command(command),
        env={**os.environ, **variables},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


TWO_NODES = ("experiment=shapes", "trainer=ddp_cpu", "trainer.devices=1", "trainer.num_nodes=2")


def test_two_hosts_do_one_run(
    start: Callable[[list[str]], list[subprocess.Popen[str]]], tiny: Tiny, tmp_path: Path
) -> None:
    both = start(tiny(*TWO_NODES))
    printed = [each.communicate(timeout=120)[0] for each in both]
    assert [each.returncode for each in both] == [0, 0], printed
    (folder,) = tmp_path.glob("runs/shapes/*/seed0")
    record = json.loads((folder / "scores.json").read_text())
    assert (record["num_processes"], record["num_images"], record["step"]) == (2, 5, 2)
    assert "step 2, pixel acc." in printed[0]
    assert "pixel acc." not in printed[1]


def test_a_host_that_is_cut_off_ends_both_and_the_run_goes_on_elsewhere(
    start: Callable[[list[str]], list[subprocess.Popen[str]]],
    two_hosts: tuple[Host, Host],
    tiny: Tiny,
    tmp_path: Path,
) -> None:
    own = tiny(*TWO_NODES, "recipe.max_steps=1000", "recipe.val_every=100", "augment.crop=64")
    both = start(
        [*own, "trainer.strategy.timeout.minutes=0", "+trainer.strategy.timeout.seconds=5"]
    )
    assert both[0].stdout is not None
    for line in both[0].stdout:
        if "step 200 of" in line:
            break
    else:
        pytest.fail("The run ended before the host was cut off.")
    two_hosts[1].cut_off()
    cut = time.monotonic()
    printed = [each.communicate(timeout=60)[0] for each in both]
    assert time.monotonic() - cut < 40
    assert [each.returncode for each in both] == [1, 1]
    assert "Another process of this run is gone" in printed[0]

    alone = [o for o in own if not o.startswith("trainer")]
    done = subprocess.run(
        [sys.executable, "-m", "fcn_lightning.cli.train", *alone, "trainer=cpu", "resume=true"],
        capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (folder,) = tmp_path.glob("runs/shapes/*/seed0")
    assert json.loads((folder / "scores.json").read_text())["step"] == 1000
