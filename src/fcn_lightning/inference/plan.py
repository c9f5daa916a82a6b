"""The work of one `fcn predict`: which images are to be labeled, and what has been done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fcn_lightning.formats import find
from fcn_lightning.inference.job import Job, missing
from fcn_lightning.inference.outputs import Outputs, Wanted
from fcn_lightning.inference.predictor import Predictor
from fcn_lightning.inference.shards import Shard
from fcn_lightning.inference.sources import Source, find_sources, modality_paths
from fcn_lightning.inference.work import Done, Paths, label_files


@dataclass(frozen=True)
class Plan:
    """Images to label.

    Attributes:
        sources: The images.
        paths: The file of each modality of each image.
        num_done: The images that were done already.
    """

    predictor: Predictor
    outputs: Outputs
    sources: list[Source]
    paths: Paths
    num_done: int

    def run(self, batch: int, workers: int) -> Iterator[Done]:
        """Label the images; yield each one when it is done."""
        return label_files(
            self.predictor, self.sources, self.paths, self.outputs, batch=batch, workers=workers
        )


def plan(
    predictor: Predictor,
    checkpoint: Path,
    images: Sequence[str],
    out: Path,
    wanted: Wanted,
    *,
    recursive: bool = False,
    modality: Sequence[str] = (),
    shard: str | None = None,
    overwrite: bool = False,
) -> Plan:
    """Find the images of a shard that are not done, and prepare the folder of the results.

    Args:
        predictor: The network.
        checkpoint: Its run or file.
        images: What the command names, as of `find_sources`.
        out: The folder of the results.
        wanted: What is written.
        recursive: Search the subfolders of folders.
        modality: `NAME=FOLDER` for each modality but the first.
        shard: `K/N`, or None for all.
        overwrite: Replace existing results.

    Raises:
        OSError: A file or folder cannot be read or written.
        ValueError: Names do not fit together, or the folder has other results.
    """
    part = Shard.parse(shard)
    sources = find_sources(images, out, recursive=recursive)[part.items]
    paths = modality_paths(
        [source.path for source in sources], list(predictor.modalities), modality
    )
    outputs = Outputs(out, predictor.labels, wanted)
    files = [outputs.paths(source.name) for source in sources]
    _check_apart(sources, files)
    averaging = predictor.averaging
    options = {
        "scales": list(averaging.scales),
        "mirror": averaging.mirror,
        "modality": list(modality),
        # Tiles that change scores depend on the memory.
        "approximate": predictor.memory if predictor.approximate else None,
        **outputs.options(),
    }
    job = Job.of(find(checkpoint), options)
    left = missing(out, job, files, overwrite=overwrite)
    return Plan(predictor, outputs, [sources[i] for i in left], paths, len(sources) - len(left))


def _check_apart(sources: Sequence[Source], files: Sequence[Sequence[Path]]) -> None:
    """Check that no result is one of the images."""
    resolved = cache(lambda folder: folder.resolve())
    images = {resolved(source.path.parent) / source.path.name for source in sources}
    for path in (path for own in files for path in own):
        if resolved(path.parent) / path.name in images:
            raise ValueError(f"{path} is one of the images. Choose another folder with --out.")
