"""Programs of torch.export."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from fcn_lightning.export import write_torch_program
from fcn_lightning.models import Network

pytestmark = pytest.mark.usefixtures("unchecked")  # traced sizes are symbols

SIZES = [(1, 1, 1), (1, 29, 28), (3, 51, 46), (1, 9, 140)]


@pytest.mark.parametrize(
    ("backbone", "head"),
    [
        ("vgg16", {"last": "pool1"}),
        pytest.param("caffenet", {}, marks=pytest.mark.slow),
        pytest.param("vgg16", {"skips": ("pool4", "pool3")}, marks=pytest.mark.slow),
        pytest.param("googlenet", {"skips": ("pool3",)}, marks=pytest.mark.slow),
    ],
)
def test_a_program_scores_images_of_any_size(
    narrow: Callable[..., Network], backbone: str, head: dict[str, object]
) -> None:
    network = narrow((), backbone, head={"name": "skip", **head}, padding="same")
    exported, difference = write_torch_program(network, Path("net.pt2"))
    assert (exported.inputs, exported.outputs) == (["image"], ["score"])
    assert difference < 1e-2
    program = torch.export.load("net.pt2").module()
    for n, h, w in SIZES:
        image = torch.randint(256, (n, 3, h, w), dtype=torch.uint8)
        with torch.no_grad():
            (found,), score = program(image), network(image)
        torch.testing.assert_close(found, score, rtol=0, atol=1e-4 * float(score.abs().max()))


def test_another_suffix_is_refused(narrow: Callable[..., Network]) -> None:
    with pytest.raises(ValueError, match="pt2") as error:
        write_torch_program(narrow(), Path("net.pt"))
    assert str(error.value) == "A program of torch.export must end in .pt2; got net.pt."
