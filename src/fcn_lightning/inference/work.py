"""Labels many image files: reads them ahead, in batches of one size, and survives bad ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from numpy import ndarray

from fcn_lightning.data.images import read_size
from fcn_lightning.inference.memory import is_lack_of_memory
from fcn_lightning.inference.outputs import Outputs
from fcn_lightning.inference.predictor import Piece, Predictor
from fcn_lightning.inference.sources import Source

READING = 14
"""Bytes for each pixel of a color image while it is decoded: Pillow's copy and ours."""

Images = dict[str, ndarray]
"""The image of each modality."""

Paths = Mapping[Path, Mapping[str, Path]]
"""The file of each modality, for each image."""


@dataclass(frozen=True)
class Done:
    """An image that is labeled, or the sentence that says why it is not."""

    source: Source
    problem: str | None = None


def label_files(
    predictor: Predictor,
    sources: Sequence[Source],
    paths: Paths,
    outputs: Outputs,
    *,
    batch: int = 1,
    workers: int = 2,
) -> Iterator[Done]:
    """Label images and write what is wanted of each; yield each one when it is done.

    Args:
        predictor: The network.
        sources: The images.
        paths: The file of each modality of each image.
        outputs: What is written.
        batch: The images of one size that are scored together, if memory suffices.
        workers: The threads that read and write.
    """
    written: deque[tuple[Source, Future[None]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            reading = _read_ahead(pool, predictor, sources, paths, workers)
            for group in _batches(reading, predictor, batch):
                if isinstance(group, Done):
                    yield group
                    continue
                for source, work in _labeled(predictor, outputs, group):
                    if isinstance(work, str):
                        yield Done(source, work)
                    else:
                        written.append((source, pool.submit(work)))
                while len(written) > workers:
                    yield _finished(*written.popleft())
            while written:
                yield _finished(*written.popleft())
        finally:
            pool.shutdown(cancel_futures=True)


def _finished(source: Source, future: Future[None]) -> Done:
    future.result()
    return Done(source)


def _read_ahead(
    pool: ThreadPoolExecutor,
    predictor: Predictor,
    sources: Iterable[Source],
    paths: Paths,
    workers: int,
) -> Iterator[tuple[Source, Images] | Done]:
    """Read images in order, ahead of their use while what is being read takes little memory."""

    def read(source: Source) -> Images:
        files = paths[source.path]
        return {name: predictor.modalities[name](path) for name, path in files.items()}

    ahead: deque[tuple[Source, Future[Images], int]] = deque()
    for source in sources:
        try:
            need = _need(predictor, source.path)
        except ValueError as error:
            ahead.append((source, _failed(error), 0))
            continue
        limit = _share(predictor) - need
        while ahead and (len(ahead) > 2 * workers or sum(n for *_, n in ahead) > limit):
            yield _result(*ahead.popleft()[:2])
        ahead.append((source, pool.submit(read, source), need))
    while ahead:
        yield _result(*ahead.popleft()[:2])


def _failed(error: ValueError) -> Future[Images]:
    future: Future[Images] = Future()
    future.set_exception(error)
    return future


def _need(predictor: Predictor, path: Path) -> int:
    """The bytes that reading an image takes."""
    h, w = read_size(path)
    total = predictor.base + READING * h * w
    if total > predictor.memory * 1e9:
        raise ValueError(
            f"Cannot read the image {path}: {h} x {w} pixels take {total / 1e9:.1f} GB of memory; "
            f"--memory allows {predictor.memory:g}."
        )
    return READING * h * w


def _share(predictor: Predictor) -> int:
    """The bytes for images that are read ahead, or that wait for others of their size."""
    return int(predictor.memory * 1e9) // 8


def _result(source: Source, future: Future[Images]) -> tuple[Source, Images] | Done:
    try:
        return source, future.result()
    except ValueError as error:
        return Done(source, str(error))


Group = list[tuple[Source, Images]]


def _batches(
    reading: Iterable[tuple[Source, Images] | Done], predictor: Predictor, batch: int
) -> Iterator[Group | Done]:
    """Group images of one size; a group is passed on when it is full, or too much waits."""
    groups: dict[tuple[tuple[int, ...], ...], Group] = {}
    for item in reading:
        if isinstance(item, Done):
            yield item
            continue
        size = tuple(image.shape for image in item[1].values())
        group = groups.setdefault(size, [])
        group.append(item)
        if len(group) >= batch or not predictor.fits(size[0][0], size[0][1], len(group) + 1):
            yield groups.pop(size)
        while len(groups) > 2 * batch or _waiting(groups.values()) > _share(predictor):
            yield groups.pop(next(iter(groups)))
    yield from groups.values()


def _waiting(groups: Iterable[Group]) -> int:
    return sum(each.nbytes for group in groups for _, images in group for each in images.values())


def _labeled(
    predictor: Predictor, outputs: Outputs, group: Group
) -> Iterator[tuple[Source, Callable[[], None] | str]]:
    """Label a group; yield for each image the function that writes it, or the problem."""
    h, w = next(iter(group[0][1].values())).shape[:2]
    try:
        with ExitStack() as stack:
            files = [
                stack.enter_context(outputs.score_files(source.name, h, w)) for source, _ in group
            ]

            def keep(piece: Piece) -> None:
                for index, own in enumerate(files):
                    for head, file in own.items():
                        file.add(piece, head, index)

            images = [images for _, images in group]
            maps = predictor.label(images, keep if outputs.wanted.scores else None)
    except (ValueError, MemoryError, RuntimeError) as error:
        problem = str(error)
        if is_lack_of_memory(error):
            problem = f"memory does not suffice for {h} x {w} pixels. Use a smaller --memory"
        elif not isinstance(error, ValueError):
            raise
        for source, _ in group:
            yield source, f"Cannot label {source.path}: {problem.rstrip('.')}."
        return
    for index, (source, own) in enumerate(group):
        image, labels = next(iter(own.values())), {head: m[index] for head, m in maps.items()}
        yield source, _writer(outputs, source, image, labels)


def _writer(
    outputs: Outputs, source: Source, image: ndarray, labels: Mapping[str, ndarray]
) -> Callable[[], None]:
    return lambda: outputs.write(source.name, source.path, image, labels)
