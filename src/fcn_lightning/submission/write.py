"""A network's label maps of VOC's test images, as the archive that the test server takes."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path

from fcn_lightning.data import voc
from fcn_lightning.files import replacing
from fcn_lightning.inference import Predictor
from fcn_lightning.inference.outputs import Wanted
from fcn_lightning.inference.plan import Plan, plan
from fcn_lightning.labels import VOC, LabelSet
from fcn_lightning.submission.check import COMPETITION, FOLDER, check


def test_images(root: Path, year: str) -> dict[str, Path]:
    """The image of each id of the test list.

    Args:
        root: The folder with `VOCdevkit`.
        year: `VOC2012`.

    Raises:
        FileNotFoundError: The data set of this year is missing.
        ValueError: It has no test list, one of another length, or not all of its images.
    """
    tree = voc.tree(root, years=(year,))
    tree.require()
    ids, files = tree.ids("test"), tree.images[""]
    count = tree.counts.get("test", len(ids))
    if len(ids) != count:
        raise ValueError(
            f"{tree.list_of('test')} has {len(ids)} ids; that of {year} has {count}. Unpack the "
            "archive of the test server there."
        )
    if lacking := [name for name in ids if not files.has(name)]:
        raise ValueError(
            f"{len(lacking)} of {len(ids)} test images are missing; the first is "
            f"{files.file(lacking[0]).path}. Unpack the archive of the test server there."
        )
    return {name: files.file(name).path for name in ids}


def predictions(
    predictor: Predictor, checkpoint: Path, images: Iterable[Path], folder: Path
) -> Plan:
    """The work of labeling the test images into a folder; what is done there already is kept.

    Raises:
        ValueError: The network does not label photographs with VOC's classes.
    """
    if list(predictor.modalities) != [""] or list(predictor.labels) != [""]:
        raise ValueError("Only networks of one image and one head label VOC's test images.")
    labels = predictor.labels[""]
    if len(labels) != len(VOC) or not _are_vocs(labels):
        raise ValueError(
            f"The network's classes are not VOC's: it has {len(labels)} "
            f"({', '.join(labels.classes[:3])}, ...); VOC has {len(VOC)} "
            f"({', '.join(VOC.classes[:3])}, ...)."
        )
    predictor.labels = {"": VOC}
    return plan(predictor, checkpoint, list(map(str, images)), folder, Wanted())


def _are_vocs(labels: LabelSet) -> bool:
    """Return whether the classes are VOC's, by name or, if a checkpoint has no names, by number."""
    return labels.classes in (VOC.classes, tuple(map(str, range(len(VOC)))))


def pack(folder: Path, out: Path, year: str, images: Mapping[str, Path]) -> None:
    """Write the label maps in a folder as an archive, and check it before it is put in place.

    Raises:
        OSError: A label map is missing, or the archive cannot be written.
        ValueError: The archive would be rejected.
    """
    inside = FOLDER.format(year=year, competition=COMPETITION)
    with replacing(out) as temporary:
        with tarfile.open(temporary, "w:gz") as archive:
            for name in images:
                content = (folder / f"{name}.png").read_bytes()
                member = tarfile.TarInfo(f"{inside}/{name}.png")
                member.size = len(content)
                archive.addfile(member, BytesIO(content))
        if faults := check(temporary, year, images):
            raise ValueError(f"{out} would be rejected, and was not written. {' '.join(faults)}")
