"""Two hosts on one machine: network namespaces joined by a cable (a veth pair)."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from cluster.processes import kill

INTERFACE = "eth0"
ADDRESSES = ("192.0.2.1", "192.0.2.2")  # of the block for documentation (RFC 5737)


def missing() -> str | None:
    """What this machine lacks for two hosts, in a sentence; None where it has all."""
    if not shutil.which("ip"):
        return "network namespaces need ip: apt-get install iproute2"
    if os.geteuid() != 0:
        return "network namespaces need root"
    try:
        with two_hosts() as hosts:
            hosts[0].run("true")
    except RuntimeError as error:
        return f"network namespaces are not permitted here ({error})"
    return None


@dataclass(frozen=True)
class Host:
    """A host: what is run by its `command` sees its address and the other host alone."""

    name: str
    address: str
    interface: str = INTERFACE

    def command(self, arguments: Sequence[str]) -> list[str]:
        """The command line that runs `arguments` on this host."""
        return ["ip", "netns", "exec", self.name, *arguments]

    def run(self, *arguments: str) -> str:
        """What that prints, run on this host; RuntimeError where it fails."""
        return _run(*self.command(arguments))

    def cut_off(self) -> None:
        """Pull the cable: the other host hears nothing more, not even an end."""
        _run("ip", "-n", self.name, "link", "set", self.interface, "down")

    def processes(self) -> list[int]:
        """What runs on this host."""
        return [int(process) for process in _run("ip", "netns", "pids", self.name).split()]


@contextmanager
def two_hosts() -> Iterator[tuple[Host, Host]]:
    """Two hosts that reach each other, until the block ends; then what runs on them is killed."""
    token = secrets.token_hex(4)
    one, two = (Host(f"fcn-{token}-{i}", address) for i, address in enumerate(ADDRESSES))
    with ExitStack() as stack:
        for host in (one, two):
            _run("ip", "netns", "add", host.name)
            stack.callback(_remove, host)
        cable = ("type", "veth", "peer", "name", two.interface, "netns", two.name)
        _run("ip", "-n", one.name, "link", "add", one.interface, *cable)
        for host in (one, two):
            _bring_up(host)
        yield one, two


def _bring_up(host: Host) -> None:
    inside = ("ip", "-n", host.name)
    _run(*inside, "address", "add", f"{host.address}/24", "dev", host.interface)
    for interface in ("lo", host.interface):
        _run(*inside, "link", "set", interface, "up")


def _remove(host: Host) -> None:
    kill(host.processes)
    _run("ip", "netns", "delete", host.name)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        message = f"{' '.join(command)} exited with {done.returncode}: {done.stderr.strip()}"
        raise RuntimeError(message)
    return done.stdout
