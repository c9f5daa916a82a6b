"""Training by the function that the command calls: limits, debug runs, longer runs, logs."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from fcn_lightning import formats
from fcn_lightning.runs.machine import check_temporary_folder
from fcn_lightning.runs.record import read_record
from fcn_lightning.runs.run import compose_run
from fcn_lightning.runs.train import train

Tiny = Callable[..., list[str]]


def test_a_limited_run_has_its_own_folder_and_says_what_it_scored(tiny: Tiny) -> None:
    own = tiny("experiment=shapes")
    plain = compose_run(own)
    limited = compose_run([*own, "trainer.limit_test_batches=2", "trainer.limit_val_batches=1"])
    assert limited.folder != plain.folder
    record = train(limited)
    assert (record.num_images, record.split_size) == (2, 5)
    assert record.config["trainer"]["limit_test_batches"] == 2
    assert read_record(limited.folder) == record
    assert record.peak_memory is not None
    assert 2**27 < record.peak_memory < 2**37  # torch alone needs more than 128 MiB
    assert record.peak_gpu_memory is None


@pytest.mark.parametrize(("debug", "num_images", "step"), [("fdr", 1, 1), ("limit", 4, 3)])
def test_a_debug_run_is_marked_everywhere(
    debug: str, num_images: int, step: int, tiny: Tiny, tmp_path: Path
) -> None:
    run = compose_run(tiny("experiment=shapes", f"debug={debug}", "recipe.max_steps=3"))
    record = train(run)
    assert run.folder.is_relative_to(tmp_path / "runs" / "debug" / "shapes")
    assert (record.debug, record.num_images, record.step) == (debug, num_images, step)
    log = (run.folder / "train.log").read_text()
    assert f"debug={debug}: its scores are not a result, and no table reads them" in log
    assert f"debug={debug}: not a result" in log


def test_overfit_scores_the_images_that_it_trains_on(tiny: Tiny) -> None:
    own = tiny("experiment=shapes", "trainer.overfit_batches=1", "recipe.batch=2")
    record = train(compose_run([*own, "recipe.val_every=1"]))
    assert record.num_images == 2


def test_a_finished_run_can_be_trained_longer(tiny: Tiny) -> None:
    """Four steps at once equal two steps continued to four: optimizer and order included."""
    own = ("experiment=shapes", "recipe.schedule=fixed", "augment.crop=64", "recipe.val_every=2")
    whole = compose_run(tiny(*own, "recipe.max_steps=4"))
    train(whole)
    half = compose_run(tiny(*own))
    train(half)
    longer = compose_run(tiny(*own, "recipe.max_steps=4", f"ckpt_path={half.folder}"))
    assert longer.folder not in (whole.folder, half.folder)
    record = train(longer)
    assert record.step == 4
    expected = formats.read_checkpoint(whole.folder).weights
    for name, value in formats.read_checkpoint(longer.folder).weights.items():
        assert torch.equal(value, expected[name]), name
    assert formats.read_checkpoint(half.folder).step == 2


def test_early_stopping_is_a_callback(tiny: Tiny) -> None:
    own = ["callbacks=[default,early_stopping]", "callbacks.early_stopping.patience=1"]
    own += ["recipe.max_steps=8", "recipe.val_every=1", "recipe.lr=1e-30"]
    record = train(compose_run(tiny("experiment=shapes", *own)))
    assert record.step == 2, "the second validation is no better than the first"
    assert record.num_images == 5


def test_a_run_tells_its_network_and_keeps_it(tiny: Tiny) -> None:
    run = compose_run(tiny("experiment=shapes", "head=fcn16s", "init_from=null"))
    train(run)
    text = (run.folder / "network.txt").read_text()
    assert "upscore2" in text
    assert "upscore16" in text
    assert "receptive field" in text
    assert "0.001 " in text, "the rate of the backbone's weights"
    assert "0.01 " in text, "five times the rate for the scores, twice that for their biases"
    assert all(line in (run.folder / "train.log").read_text() for line in text.splitlines())


def test_the_report_of_a_profiler_is_in_the_log(tiny: Tiny) -> None:
    run = compose_run(tiny("experiment=shapes", "trainer.profiler=simple"))
    train(run)
    assert "run_training_batch" in (run.folder / "train.log").read_text()


def test_metrics_of_a_run_begin_anew_when_it_is_replaced(tiny: Tiny) -> None:
    own = tiny("experiment=shapes")
    train(compose_run(own))
    run = compose_run([*own, "overwrite=true"])
    train(run)
    with (run.folder / "metrics.csv").open() as file:
        assert sum(1 for row in csv.DictReader(file) if row["test/mean_iu"]) == 1


def test_image_workers_need_a_short_path_of_temporary_files(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", f"/tmp/{'x' * 66}")
    check_temporary_folder(1)
    monkeypatch.setattr(tempfile, "tempdir", f"/tmp/{'x' * 67}")
    check_temporary_folder(0)
    run = compose_run(tiny("experiment=shapes", "num_workers=1"))
    with pytest.raises(ValueError, match="has more than 71 characters, too many for the sockets"):
        train(run)
    assert not run.folder.exists()
