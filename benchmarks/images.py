"""Images and labels: how fast they are read, augmented and scored."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import scipy.io
import torch
import torchvision
from PIL import Image
from timing import Row, compared, timed
from torch.utils.data import DataLoader, Dataset
from torchmetrics.classification import MulticlassJaccardIndex
from torchvision import tv_tensors
from torchvision.transforms import v2

from fcn_lightning.data import Augment, Sample
from fcn_lightning.data.samplers import Draw
from fcn_lightning.data.transforms import Augmented
from fcn_lightning.data.voc import voc_and_sbd
from fcn_lightning.datamodule import by_size
from fcn_lightning.labels import voc_palette
from fcn_lightning.metrics import SegmentationScores

NUM_IMAGES = 60
WORKERS, PASSES = (0, 1, 2, 4), 20
SIZE = (375, 500)
NUM_CLASSES, VOID = 21, 255
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def pipeline(repeats: int) -> Iterator[Row]:
    """Images a second of one core, from JPEG and label to tensors."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        names = draw(root)
        voc = torchvision.datasets.VOCSegmentation(str(root / "voc"), "2012", "train")
        read_voc = torchvision.datasets.VOCSegmentation(
            str(root / "voc"), "2012", "train", transforms=_tensors
        )
        read_sbd = torchvision.datasets.SBDataset(
            str(root / "sbd"), "train", "segmentation", transforms=_tensors
        )
        own_voc, own_sbd = own(root), own(root, "sbd/train")
        augmented = Augmented(own_voc, Augment(mirror=True, jitter=32), 0)
        draws = [Draw(i, step=i, place=0) for i in range(NUM_IMAGES)]
        yield from compared(
            "pipeline", "VOC, read",
            {
                "plain Dataset": lambda: read(Plain(root / "voc", names)),
                "torchvision VOCSegmentation": lambda: read(read_voc),
                "ours": lambda: read(own_voc),
            },
            repeats, items=NUM_IMAGES,
        )  # fmt: skip
        yield from compared(
            "pipeline", "SBD, read",
            {"torchvision SBDataset": lambda: read(read_sbd), "ours": lambda: read(own_sbd)},
            repeats, items=NUM_IMAGES,
        )  # fmt: skip
        yield from compared(
            "pipeline", "VOC, read and augmented",
            {
                "torchvision's reference": lambda: read(Transformed(voc)),
                "ours, mirror and jitter": lambda: [augmented[draw] for draw in draws],
            },
            repeats, items=NUM_IMAGES,
        )  # fmt: skip
        rates = {n: _loaded(augmented, [[draw] for draw in PASSES * draws], n) for n in WORKERS}
        for n, rate in rates.items():
            what = "VOC, read and augmented, processes that read"
            ratio = rate / rates[WORKERS[0]]
            yield Row("pipeline", what, str(n), wall=rate, unit="1/s", ratio=ratio)


def _loaded(data: Dataset[Sample], batches: list[list[Draw]], workers: int) -> float:
    """Images a second of a loader, its processes' start included."""
    loader = DataLoader(data, batch_sampler=batches, num_workers=workers, collate_fn=by_size)
    _, wall = timed(lambda: sum(1 for _ in loader))
    return len(batches) / wall


def scoring(repeats: int) -> Iterator[Row]:
    """Adding one image's predictions to the scores."""
    prediction = torch.randint(NUM_CLASSES, (1, *SIZE))
    label = torch.randint(NUM_CLASSES, (1, *SIZE), dtype=torch.uint8).index_fill(
        1, torch.arange(40), VOID
    )
    theirs = MulticlassJaccardIndex(NUM_CLASSES, average=None, ignore_index=VOID)
    unchecked = MulticlassJaccardIndex(
        NUM_CLASSES, average=None, ignore_index=VOID, validate_args=False
    )
    own, long = SegmentationScores(NUM_CLASSES), label.long()
    contenders = {
        "torchmetrics": lambda: theirs.update(prediction, long),
        "torchmetrics, validate_args=False": lambda: unchecked.update(prediction, long),
        "ours": lambda: own.update(prediction, label),
    }
    yield from compared("scoring", "375 x 500, 21 classes", contenders, 5 * repeats)


def own(root: Path, train: str = "voc/train") -> Dataset[Sample]:
    """This project's data set of the images that `draw` draws."""
    roots = str(root), str(root / "voc"), str(root / "sbd")
    return voc_and_sbd("voc", roots[0], [train], "voc/val", *roots[1:]).train


def read(data: Dataset[object]) -> list[object]:
    """All images and labels."""
    return [data[i] for i in range(NUM_IMAGES)]


def _tensors(image: Image.Image, label: Image.Image) -> tuple[torch.Tensor, torch.Tensor]:
    return v2.functional.pil_to_tensor(image), v2.functional.pil_to_tensor(label)


class Plain(Dataset[object]):
    """The shortest data set: PIL, NumPy, torch."""

    def __init__(self, root: Path, names: Sequence[str]) -> None:
        tree = root / "VOCdevkit" / "VOC2012"
        self.files = [
            (tree / "JPEGImages" / f"{n}.jpg", tree / "SegmentationClass" / f"{n}.png")
            for n in names
        ]

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        image, label = (np.array(Image.open(path)) for path in self.files[index])
        return torch.from_numpy(image).permute(2, 0, 1), torch.from_numpy(label)


class Transformed(Dataset[object]):
    """VOC with the training transforms of torchvision's references for segmentation."""

    def __init__(self, data: Dataset[object]) -> None:
        self.data = data
        self.transforms = v2.Compose(
            [
                v2.RandomResize(min_size=260, max_size=1040),
                v2.RandomHorizontalFlip(0.5),
                v2.RandomCrop(480, pad_if_needed=True, fill={tv_tensors.Mask: VOID, "others": 0}),
                v2.PILToTensor(),
                v2.ToDtype({tv_tensors.Image: torch.float32, "others": None}, scale=True),
                v2.Normalize(MEAN, STD),
            ]
        )

    def __getitem__(self, index: int) -> object:
        image, label = self.data[index]
        return self.transforms(v2.functional.to_image(image), tv_tensors.Mask(np.array(label)))


def draw(root: Path) -> list[str]:
    """Draw images of 375 x 500 with smooth content into the layouts of VOC and SBD."""
    random = np.random.default_rng(0)
    voc, sbd = root / "voc" / "VOCdevkit" / "VOC2012", root / "sbd"
    lists = voc / "ImageSets" / "Segmentation"
    folders = [voc / "JPEGImages", voc / "SegmentationClass", lists, sbd / "img", sbd / "cls"]
    for folder in folders:
        folder.mkdir(parents=True)
    names = [f"2012_{i:06d}" for i in range(NUM_IMAGES)]
    palette = voc_palette().flatten().tolist()
    for name in [*names, "2012_100000"]:
        rough = Image.fromarray(random.integers(256, size=(24, 32, 3), dtype=np.uint8))
        image = np.asarray(rough.resize(SIZE[::-1], Image.Resampling.BICUBIC), dtype=np.int16)
        image = (image + random.integers(-8, 9, size=image.shape)).clip(0, 255).astype(np.uint8)
        coarse = random.integers(NUM_CLASSES, size=(8, 10), dtype=np.uint8)
        label = np.kron(coarse, np.ones((48, 50), np.uint8))[: SIZE[0], : SIZE[1]]
        for folder in (voc / "JPEGImages", sbd / "img"):
            Image.fromarray(image).save(folder / f"{name}.jpg", quality=90)
        png = Image.fromarray(label, "P")
        png.putpalette(palette)
        png.save(voc / "SegmentationClass" / f"{name}.png")
        masked = {
            "Segmentation": label,
            "Boundaries": np.zeros(1),
            "CategoriesPresent": np.unique(label),
        }
        scipy.io.savemat(sbd / "cls" / f"{name}.mat", {"GTcls": masked}, do_compression=True)
    listed = "\n".join(names) + "\n"
    for file in (lists / "train.txt", lists / "trainval.txt", sbd / "train.txt"):
        file.write_text(listed)
    (lists / "val.txt").write_text("2012_100000\n")
    (sbd / "val.txt").write_text("2012_100000\n")
    return names
