"""Two hosts of the tests are joined, and torchrun runs over both."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from cluster import hosts as harness
from cluster.hosts import Host

pytestmark = pytest.mark.slow

SUM = """
import torch
from torch import distributed

distributed.init_process_group("gloo")
number = torch.tensor(10.0 ** distributed.get_rank())
distributed.all_reduce(number)
print("sum", int(number))
distributed.destroy_process_group()
"""

# Exchanges until it can no longer; an exchange may take 5 seconds.
EXCHANGE = """
import time
from datetime import timedelta
import torch
from torch import distributed

distributed.init_process_group("gloo", timeout=timedelta(seconds=5))
try:
    while True:
        distributed.all_reduce(torch.ones(1))
        print("exchanged", flush=True)
        last = time.monotonic()
        time.sleep(0.05)
except RuntimeError:
    raise SystemExit(f"noticed after {time.monotonic() - last:.0f} s")
"""


@pytest.fixture
def torchrun(
    two_hosts: tuple[Host, Host], tmp_path: Path
) -> Iterator[Callable[[str], list[subprocess.Popen[str]]]]:
    """Starts a script by torchrun on both hosts, as one types it there; the first is the master."""
    with ExitStack() as stack:

        def start(script: str) -> list[subprocess.Popen[str]]:
            path = tmp_path / "script.py"
            path.write_text(script)
            started = [open_torchrun(two_hosts, rank, path) for rank in (0, 1)]
            for each in started:
                stack.enter_context(each)
                stack.callback(each.kill)
            return started

        yield start


def open_torchrun(hosts: tuple[Host, Host], rank: int, script: Path) -> subprocess.Popen[str]:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", f"--node-rank={rank}"]
    master = [f"--master-addr={hosts[0].address}", "--master-port=29400"]
    # by the host's name gloo would find 127.0.0.1, or nothing
    variables = {"GLOO_SOCKET_IFNAME": hosts[rank].interface, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        hosts[rank].command([*torchrun, *master, str(script)]),
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def has_printed(process: subprocess.Popen[str], line: str) -> bool:
    assert process.stdout is not None
    return any(printed == f"{line}\n" for printed in process.stdout)


def test_each_host_reaches_the_other_and_nothing_else(two_hosts: tuple[Host, Host]) -> None:
    listen = (
        "import socket; s = socket.create_server(('', 5000)); print('up', flush=True); s.accept()"
    )
    connect = "import socket, sys; socket.create_connection((sys.argv[1], 5000), 5)"
    one, two = two_hosts
    with subprocess.Popen(
        two.command([sys.executable, "-c", listen]), stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "up\n"
        with pytest.raises(RuntimeError, match="Connection refused"):
            one.run(sys.executable, "-c", connect, one.address)
        with pytest.raises(RuntimeError, match="Network is unreachable"):
            one.run(sys.executable, "-c", connect, "198.51.100.1")
        one.run(sys.executable, "-c", connect, two.address)


def test_torchrun_sums_over_both(torchrun: Callable[..., list[subprocess.Popen[str]]]) -> None:
    for each in torchrun(SUM):
        assert has_printed(each, "sum 11")
        assert each.wait(60) == 0


def test_a_host_that_is_cut_off_is_noticed_after_the_timeout(
    torchrun: Callable[..., list[subprocess.Popen[str]]], two_hosts: tuple[Host, Host]
) -> None:
    both = torchrun(EXCHANGE)
    assert has_printed(both[0], "exchanged")
    two_hosts[1].cut_off()
    for each in both:
        assert re.search("noticed after [56] s", each.communicate(timeout=60)[0])
        assert each.returncode == 1


def test_what_runs_on_them_ends_with_them() -> None:
    if lacking := harness.missing():
        pytest.skip(lacking)
    with harness.two_hosts() as (one, _):
        sleeping = subprocess.Popen(one.command(["sleep", "60"]))
    assert sleeping.wait(5) == -9
    assert one.name not in subprocess.run(["ip", "netns"], capture_output=True, text=True).stdout


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert harness.missing() == "network namespaces need ip: apt-get install iproute2"
