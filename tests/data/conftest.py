"""Tiny data sets in the official layouts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from fcn_lightning.data import SegmentationDataset, Splits
from fcn_lightning.labels import by_name, voc_palette
from fcn_lightning.models.normalize import NORMALIZATIONS, Normalize
from trees import Values

SIZE = (8, 12)


def save_png(path: Path, label: np.ndarray) -> None:
    picture = Image.fromarray(label.astype(np.uint8))
    picture.putpalette(voc_palette().tobytes())
    picture.save(path)


@pytest.fixture
def make_voc() -> Callable[..., Path]:
    """Makes a VOC folder: images, labels of class 1, and lists."""

    def make(folder: Path, names: Sequence[str], **lists: Sequence[str]) -> Path:
        own = folder / "ImageSets" / "Segmentation"
        for part in (folder / "JPEGImages", folder / "SegmentationClass", own):
            part.mkdir(parents=True)
        for name in names:
            Image.new("RGB", SIZE[::-1]).save(folder / "JPEGImages" / f"{name}.jpg")
            save_png(folder / "SegmentationClass" / f"{name}.png", np.ones(SIZE))
        for split, members in lists.items():
            (own / f"{split}.txt").write_text("".join(f"{member}\n" for member in members))
        return folder

    return make


@pytest.fixture
def make_sbd() -> Callable[..., Path]:
    """Makes an SBD folder: images, labels of class 2, and lists."""

    def make(folder: Path, names: Sequence[str], **lists: Sequence[str]) -> Path:
        for part in (folder / "img", folder / "cls"):
            part.mkdir(parents=True)
        for name in names:
            Image.new("RGB", SIZE[::-1]).save(folder / "img" / f"{name}.jpg")
            content = {"GTcls": {"Segmentation": np.full(SIZE, 2, np.uint8)}}
            scipy.io.savemat(folder / "cls" / f"{name}.mat", content)
        for split, members in lists.items():
            (folder / f"{split}.txt").write_text("".join(f"{member}\n" for member in members))
        return folder

    return make


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def same() -> Callable[..., None]:
    """Compares samples with the values of the reference: labels, and images after `Normalize`."""

    def same(splits: Splits, values: Values, normal: Mapping[str, str], every: bool = True) -> None:
        samples = [*splits.train, *splits.val]
        assert not every or {sample["name"] for sample in samples} == set(values)
        for sample in samples:
            golden = values[sample["name"]]
            images, labels = by_name(sample["image"]), by_name(sample["label"])
            assert len(images) + len(labels) == len(golden) or "" in images | labels
            for head, label in labels.items():
                expected = golden[f"label_{head}" if head else "label"]
                np.testing.assert_array_equal(label.numpy()[None], expected)
            for modality, image in images.items():
                normalization = NORMALIZATIONS[normal[modality]]
                key = modality or normal.get("key", "image")
                ours = Normalize(normalization)(image[None])[0].numpy()
                np.testing.assert_allclose(ours, golden[key], rtol=0, atol=2e-5)

    return same


@pytest.fixture
def damaged() -> Callable[[SegmentationDataset], str]:
    """The sentences about a data set's samples that cannot be read."""

    def damaged(dataset: SegmentationDataset) -> str:
        sentences = []
        for index in range(len(dataset)):
            try:
                dataset[index]
            except ValueError as error:
                sentences.append(str(error))
        return "\n".join(sentences)

    return damaged
