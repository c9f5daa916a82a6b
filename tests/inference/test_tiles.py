"""Tiles equal the whole image, at its borders too."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from fcn_lightning.inference import Averaging, Predictor
from fcn_lightning.inference.tiles import Span, Tiling
from fcn_lightning.models import Network, build
from fcn_lightning.models.backbones.cpu import winograd

SAME = {"padding": "same", "fc6_kernel": 3}
NOISE = np.random.default_rng(0).integers(256, size=(60, 1100, 3), dtype=np.uint8)


def scores(predictor: Predictor, image: np.ndarray) -> tuple[np.ndarray, int]:
    """The scores (classes, h, w), and the number of pieces that they came in."""
    pieces = list(predictor.pieces([{"": image}]))
    classes = pieces[0].scores[""].shape[1]
    whole = np.full((classes, *image.shape[:2]), np.nan, np.float32)
    for piece in pieces:
        whole[:, piece.rows, piece.columns] = piece.scores[""][0].numpy()
    return whole, len(pieces)


def tiled(monkeypatch: pytest.MonkeyPatch, predictor: Predictor, side: int) -> Predictor:
    monkeypatch.setattr(predictor, "fits", lambda *_: False)
    monkeypatch.setattr(predictor, "_tile_side", lambda *_: side)
    return predictor


@pytest.mark.parametrize(
    ("arguments", "averaging", "side"),
    [
        ({"skips": ("pool4", "pool3")}, Averaging(), 700),
        ({"skips": ("pool4", "pool3"), **SAME}, Averaging(mirror=True), 600),
        ({"skips": ("pool4",), **SAME}, Averaging(scales=(1.25,)), 800),
        ({"backbone": "alexnet"}, Averaging(), 600),
    ],
)
def test_tiles_equal_the_whole_image(
    narrow: Callable[..., Network],
    monkeypatch: pytest.MonkeyPatch,
    arguments: dict[str, object],
    averaging: Averaging,
    side: int,
) -> None:
    network = narrow(num_classes=3, **arguments)
    expected, one = scores(Predictor(network, averaging=averaging), NOISE)
    again, several = scores(
        tiled(monkeypatch, Predictor(network, averaging=averaging), side), NOISE
    )
    assert one == 1 < several
    assert abs(again - expected).max() < 1e-4 * abs(expected).max()


def test_a_network_that_scales_the_image_is_tiled_where_sizes_are_whole(
    narrow: Callable[..., Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    description = narrow(("pool4",), num_classes=3, **SAME).description
    network = build(**{**description, "image_scale": 0.64}).eval()
    torch.nn.init.normal_(network.head.score_fr.weight)
    image = NOISE[:50]
    expected, _ = scores(Predictor(network), image)
    again, several = scores(tiled(monkeypatch, Predictor(network), 900), image)
    assert several > 1
    assert abs(again - expected).max() < 1e-4 * abs(expected).max()


def test_tiles_start_and_end_on_the_grid() -> None:
    spans = Tiling(alignment=32, margin=50).spans(1001, 300)
    assert spans[0] == Span(0, 1001 - 25 * 32, 0, 128)
    assert [span.first for span in spans] == list(range(0, 1001, 128))
    assert spans[-1].last == spans[-1].stop == 1001
    for span in spans:
        assert span.start % 32 == (1001 - span.stop) % 32 == 0
        assert span.start in (0, span.first - 64)
        assert span.stop == 1001 or span.stop >= span.last + 50
        assert span.stop - span.start <= 300
    for before, after in zip(spans, spans[1:]):
        assert before.last == after.first


def test_alignment_and_margin_follow_from_the_endpoints(narrow: Callable[..., Network]) -> None:
    network = narrow(("pool4",))  # fc7: stride 32, receptive field 404
    assert Tiling.of(network) == Tiling(alignment=32, margin=268)
    half = Tiling.of(network, [Fraction(1, 2), Fraction(3, 4)])
    assert half.alignment == 128  # 128 / 2 = 2 * 32, 128 * 3 / 4 = 3 * 32
    assert half.margin >= 2 * 265


def test_memory_decides_over_tiles(narrow: Callable[..., Network]) -> None:
    network = narrow(("pool4",), num_classes=3, **SAME)
    image = np.tile(NOISE, (10, 1, 1))
    expected, one = scores(Predictor(network), image)
    predictor = Predictor(network)
    predictor.memory = (predictor.base + 60e6) / 1e9 * 8 / 7
    again, several = scores(predictor, image)
    assert one == 1 < several
    assert abs(again - expected).max() < 1e-4 * abs(expected).max()

    predictor.memory = predictor.base / 1e9
    with pytest.raises(ValueError, match="even in tiles") as error:
        predictor.predict(image)
    assert "600 x 1100 pixels take more than --memory" in str(error.value)


def test_memory_that_does_not_grow_with_the_image_is_not_extrapolated(
    narrow: Callable[..., Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Winograd's convolutions need some for their kernels, and only in large maps."""
    network = narrow(("pool4",), num_classes=3, **SAME)
    expected = Predictor(network)._demand.bytes(1500, 2000)
    monkeypatch.setattr(winograd, "FEWEST_KERNELS", 1)
    monkeypatch.setattr(winograd, "FEWEST_POSITIONS", 100)
    products = Mock(side_effect=winograd._convolved)
    monkeypatch.setattr(winograd, "_convolved", products)
    predictor = Predictor(network)
    assert predictor._demand.bytes(1500, 2000) == pytest.approx(expected, rel=0.02)
    assert products.call_count == 0
    predictor.predict(NOISE)
    assert products.call_count > 0


def test_global_gates_need_leave_for_tiles(
    narrow: Callable[..., Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = narrow(num_classes=3, **SAME)
    network.backbone.has_global_gates = True
    predictor = Predictor(network)
    assert predictor.predict(NOISE).shape == (60, 1100)
    monkeypatch.setattr(predictor, "fits", lambda *_: False)
    with pytest.raises(ValueError, match="global gates") as error:
        predictor.predict(NOISE)
    assert str(error.value) == (
        "60 x 1100 pixels take more than --memory 4 GB, and tiles would change the scores, as this "
        "network scores each pixel by the whole image (global gates). Raise --memory, or allow "
        "that with --approximate."
    )
    predictor.approximate = True
    assert predictor.predict(NOISE).shape == (60, 1100)
