"""A SLURM cluster and two hosts; what the machine lacks for them skips the test, by name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cluster import hosts
from cluster.hosts import Host
from cluster.slurm import Cluster, cluster, missing


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One cluster for all tests of the session."""
    if lacking := missing():
        pytest.skip(lacking)
    with cluster(tmp_path_factory.mktemp("slurm")) as started:
        yield started


@pytest.fixture
def slurm(running: Cluster) -> Iterator[Cluster]:
    """The cluster with an empty queue; `slurm.environment` holds what its commands need."""
    yield running
    running.clear()


@pytest.fixture
def two_hosts() -> Iterator[tuple[Host, Host]]:
    """Two hosts that see nothing but each other."""
    if lacking := hosts.missing():
        pytest.skip(lacking)
    with hosts.two_hosts() as both:
        yield both
