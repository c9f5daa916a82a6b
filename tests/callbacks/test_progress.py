"""The progress of a run in words and as a bar."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable, Iterator

import pytest
import rich
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.loggers import CSVLogger

from fcn_lightning.callbacks import Progress, ProgressBar, in_words

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's, on such a small training


@pytest.fixture
def screen() -> Iterator[io.StringIO]:
    """The terminal that a progress bar writes to."""
    yield io.StringIO()
    rich.reconfigure()  # Lightning's bar replaces rich's global console


def shown(
    kind: type[RichProgressBar], screen: io.StringIO, trainer: Callable[..., Trainer],
    module: LightningModule,
) -> tuple[set[str], str]:  # fmt: skip
    """The bars' descriptions in training, and the text on the screen after training and scoring."""
    console = {"file": screen, "force_terminal": True, "width": 120}
    bar = kind(refresh_rate=1, console_kwargs=console)
    logger = CSVLogger(".", version="seven")
    run = trainer(callbacks=[bar], logger=logger, enable_progress_bar=True)
    run.fit(module)
    assert bar.progress is not None
    descriptions = {task.description.strip() for task in bar.progress.tasks}
    run.test(module, verbose=False)
    return descriptions, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())


def test_the_bar_names_the_stage_and_no_epoch(
    screen: io.StringIO, trainer: Callable[..., Trainer], line: LightningModule
) -> None:
    descriptions, text = shown(ProgressBar, screen, trainer, line)
    assert descriptions == {"Training", "Validating"}
    assert re.search(r"\rTraining   ━+ 4/4 .* mean_iu: \d\.\d+", text)
    assert re.search(r"\rScoring ━+ 4/4 ", text)
    assert "Epoch" not in text
    assert "v_num" not in text


def test_lightnings_bar_counts_epochs(
    screen: io.StringIO, trainer: Callable[..., Trainer], line: LightningModule
) -> None:
    descriptions, text = shown(RichProgressBar, screen, trainer, line)
    assert descriptions == {"Epoch 0/-2", "Validation"}
    assert re.search(r"\rTesting ━+ 4/4 ", text)
    assert "v_num: even" in text


def test_scores_are_printed_in_percent() -> None:
    scores = {"pixel_acc": 0.9, "mean_acc": 0.8, "mean_iu": 0.62355, "fw_iu": 0.7, "loss": 1.25}
    assert in_words(scores) == (
        "pixel acc. 90.00, mean acc. 80.00, mean IU 62.36, f.w. IU 70.00, loss 1.25"
    )


def test_a_resumed_run_counts_the_seconds_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", iter((100.0, 130.0, 500.0, 512.0)).__next__)
    first = Progress()
    resumed_from = first.state_dict()
    second = Progress()
    second.load_state_dict(resumed_from)
    assert (second.earlier, second.state_dict()["seconds"]) == (30.0, 42.0)
