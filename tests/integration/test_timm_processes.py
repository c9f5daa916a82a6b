"""A network on timm, its statistics trained: two processes do what one does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import warm

COMMON = (
    "experiment=shapes", "backbone=timm", "backbone.model=resnet18",
    "backbone.options={channels:[4,4,8,8],layers:[1,1,1,1]}", "backbone.batch_norm=trained",
    "classifier=null", "init_from=null", "head=fcn8s", "head.score_init=random",
    "recipe.optimizer=sgd", "recipe.schedule=fixed", "recipe.warmup=0", "recipe.lr=0.1",
    "recipe.batch=4", "recipe.max_steps=3", "recipe.val_every=3", "augment.crop=64",
    "trainer.precision=64-true", "num_workers=0", "logger=csv",
)  # fmt: skip


@pytest.fixture(scope="module")
def trained(
    tiny_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, torch.Tensor]]:
    """The weights and statistics that one and two processes end with."""
    found = []
    for trainer, ranks in (("cpu", 1), ("ddp_cpu", 2)):
        runs = tmp_path_factory.mktemp("timm") / "runs"
        own = [*COMMON, f"trainer={trainer}", f"paths.data={tiny_data}", f"paths.runs={runs}"]
        done = warm.run("train", *own, folder=runs.parent, ranks=ranks)
        assert done.returncode == 0, done.stderr
        (last,) = runs.glob("shapes/*/seed0/checkpoints/last.ckpt")
        found.append(torch.load(last, weights_only=True)["state_dict"])
    return found


def test_weights_and_statistics_are_those_of_one_process(
    trained: list[dict[str, torch.Tensor]],
) -> None:
    one, two = trained
    assert one["network.backbone.body.bn1.running_mean"].abs().max() > 0.01
    assert one.keys() == two.keys()
    for name, value in one.items():
        if name.endswith("num_batches_tracked"):
            continue
        assert value.dtype == torch.float64
        torch.testing.assert_close(two[name], value, rtol=1e-9, atol=1e-10, msg=name)
