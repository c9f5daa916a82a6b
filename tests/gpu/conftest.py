"""GPUs for the tests of this folder: each needs one, or as many as `@pytest.mark.gpu(n)` says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from fcn_lightning.runs.trainer import configure_torch


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker(pytest.mark.filterwarnings("default"))  # cards and drivers have their own


def pytest_runtest_setup(item: pytest.Item) -> None:
    marker = item.get_closest_marker("gpu")
    needed, there = marker.args[0] if marker else 1, torch.cuda.device_count()
    if there < needed:
        pytest.skip(f"needs {needed} GPU{'s' if needed > 1 else ''}; torch sees {there}")


@pytest.fixture(autouse=True)
def ieee() -> Iterator[None]:
    """Float32 as the project's commands have it: no TF32."""
    tf32, precision = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    configure_torch()
    yield
    torch.backends.cudnn.allow_tf32 = tf32
    torch.set_float32_matmul_precision(precision)
