"""What the checker of submissions accepts, and the sentence for each thing that it refuses."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fcn_lightning.data import voc
from fcn_lightning.submission import archive
from fcn_lightning.submission.check import check
from fcn_lightning.submission.write import test_images as images_of
from submission.archives import COLORS, FOLDER, PALETTE, label, png, tgz, tree, zipped

SIZES = {"2008_000006": (5, 7), "2008_000011": (5, 7), "2009_000008": (6, 4)}


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    monkeypatch.setitem(voc.COUNTS["VOC2012"], "test", len(SIZES))
    return images_of(tree(tmp_path / "data", SIZES), "VOC2012")


def right() -> dict[str, bytes | None]:
    return {f"{FOLDER}/{name}.png": label(h, w) for name, (h, w) in SIZES.items()}


def changed(content: bytes | None, name: str = "2008_000011") -> dict[str, bytes | None]:
    return {**right(), f"{FOLDER}/{name}.png": content}


def test_right_archives_are_accepted(images: dict[str, Path]) -> None:
    assert check(tgz(Path("a.tgz"), right()), "VOC2012", images) == []
    assert check(zipped(Path("a.zip"), right()), "VOC2012", images) == []
    elsewhere = {f"./{n.replace('comp6', 'comp5')}": content for n, content in right().items()}
    assert check(tgz(Path("b.tgz"), elsewhere), "VOC2012", images) == []
    assert check(tgz(Path("c.tgz"), right()), "VOC2012") == []


def without(name: str) -> dict[str, bytes | None]:
    return {n: content for n, content in right().items() if name not in n}


def rgb() -> bytes:
    return png(Image.new("RGB", (7, 5), (128, 0, 0)))


def claimed(h: int, w: int) -> bytes:
    """A palette PNG of 5 x 7 pixels whose header claims others."""
    header = struct.pack(">4sIIBBBBB", b"IHDR", w, h, 8, 3, 0, 0, 0)
    content = label()
    return content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:]


REFUSED = {
    "missing": (without("000011"), "1 listed id is missing: 2008_000011."),
    "all missing": ({}, "3 listed ids are missing; the first is 2008_000006."),
    "unknown": (
        {**right(), f"{FOLDER}/2007_000001.png": label()},
        "1 label map is not in the test list: 2007_000001.",
    ),
    "folder": (
        {n.removeprefix("results/"): c for n, c in right().items()},
        "2008_000006.png lies at VOC2012/Segmentation/comp6_test_cls/2008_000006.png, not in "
        f"{FOLDER} (or comp5_test_cls) (and 2 more files).",
    ),
    "year": (
        {n.replace("2012", "2011"): c for n, c in right().items()},
        "2008_000006.png lies at results/VOC2011/Segmentation/comp6_test_cls/2008_000006.png, not "
        f"in {FOLDER} (or comp5_test_cls) (and 2 more files).",
    ),
    "rgb": (
        changed(rgb()),
        "2008_000011.png is an RGB image; it must be a palette image whose values are class "
        "indices.",
    ),
    "gray": (
        changed(png(Image.new("L", (7, 5), 3))),
        "2008_000011.png is a gray image; it must be a palette image whose values are class "
        "indices.",
    ),
    "palette": (
        changed(label(palette=[COLORS[0], COLORS[2], COLORS[1], *PALETTE[3:]])),
        "2008_000011.png has another palette than VOC: the color of 1 is (0, 128, 0), not (128, 0, "
        "0); a palette that was made for the image reorders the classes.",
    ),
    "void": (
        changed(label(value=255)),
        "2008_000011.png has the void value 255; values are class indices from 0 to 20.",
    ),
    "class": (
        changed(label(value=21)),
        "2008_000011.png has the value 21; values are class indices from 0 to 20.",
    ),
    "size": (
        changed(label(7, 5)),
        "2008_000011.png has 7 x 5 pixels; its image has 5 x 7.",
    ),
    "bits": (
        changed(label(value=1, palette=PALETTE[:16])),
        "2008_000011.png has a bit depth of 4; it must be 8.",
    ),
    "jpeg": (changed(b"\xff\xd8\xff\xe0" + bytes(60)), "2008_000011.png is not a PNG file."),
    "truncated": (
        changed(label()[:-30]),
        "2008_000011.png is damaged: ",
    ),
    "path": (
        {**right(), "../../.bashrc": b"rm"},
        ".bashrc would be unpacked outside the folder, at ../../.bashrc.",
    ),
    "absolute": (
        {**right(), "/etc/cron.d/x": b"rm"},
        "x would be unpacked outside the folder, at /etc/cron.d/x.",
    ),
    "link": (
        changed(None),
        "2008_000011.png is a link or a device, not a file.",
    ),
    "large": (
        changed(bytes(archive.LARGEST_FILE + 1)),
        "2008_000011.png has 16777217 bytes; a label map has at most 16777216.",
    ),
    "several": (
        {n.replace("comp6", "comp5") if "2009" in n else n: c for n, c in right().items()},
        "The label maps lie in several folders: results/VOC2012/Segmentation/comp5_test_cls, "
        f"{FOLDER}.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_each_fault_has_its_sentence(images: dict[str, Path], kind: str) -> None:
    files, sentence = REFUSED[kind]
    faults = check(tgz(Path("a.tgz"), files), "VOC2012", images)
    assert faults[0].startswith(sentence)
    assert len(faults) == (2 if kind == "folder" else 1)


def test_every_fault_is_reported(images: dict[str, Path]) -> None:
    files = {**without("2008_000006"), f"{FOLDER}/2008_000011.png": rgb(), "a.txt": b"hello"}
    assert [fault.split()[:3] for fault in check(tgz(Path("a.tgz"), files), "VOC2012", images)] == [
        ["2008_000011.png", "is", "an"], ["a.txt", "lies", "at"], ["1", "listed", "id"],
    ]  # fmt: skip


def test_a_file_twice(images: dict[str, Path]) -> None:
    files = {**right(), f"./{FOLDER}/2008_000011.png": label()}
    assert check(tgz(Path("a.tgz"), files), "VOC2012", images) == [
        "1 label map is in the archive more than once: 2008_000011."
    ]


def test_without_the_test_list_label_maps_are_counted() -> None:
    assert check(tgz(Path("a.tgz"), right()), "VOC2012") == [
        "The archive has 3 label maps; the test list of VOC2012 has 1456 ids."
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"hello", "is neither a .tgz nor a .zip archive."),
        (b"", "is neither a .tgz nor a .zip archive."),
        (gzip.compress(b"hello" * 300), "is damaged: invalid header."),
        (b"PK\x03\x04" + bytes(100), "is damaged: File is not a zip file."),
    ],
    ids=["text", "empty", "gzip of text", "damaged zip"],  # gzip's content has the time in it
)
def test_other_files(content: bytes, sentence: str) -> None:
    path = Path("a.tgz")
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^a.tgz") as error:
        check(path, "VOC2012")
    assert str(error.value) == f"a.tgz {sentence}"


def test_a_tar_archive_without_compression() -> None:
    with pytest.raises(ValueError, match="compression") as error:
        check(tgz(Path("a.tar"), right(), "w"), "VOC2012")
    assert str(error.value) == "a.tar is a tar archive without compression. Compress it with gzip."


def test_a_truncated_archive() -> None:
    path = tgz(Path("a.tgz"), right())
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(ValueError, match=r"^a.tgz is damaged: "):
        check(path, "VOC2012")


def test_archives_that_unpack_to_gigabytes_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "LARGEST_FILE", 2**16)
    monkeypatch.setattr(archive, "LARGEST_TOTAL", 2**20)
    zeros = {f"{FOLDER}/{i}.png": bytes(2**15) for i in range(200)}
    # A header of PAX is read before its file is seen.
    member = b"".join((b"x".ljust(100, b"\0"), b"0000644\0", b"0000000\0" * 2, b"77777777777\0"))
    pax = member.ljust(148, b"\0") + b"        x" + bytes(355)
    pax = pax[:148] + f"{sum(pax):06o}\0 ".encode() + pax[156:]
    Path("pax.tgz").write_bytes(gzip.compress(pax + bytes(2**24)))
    tracemalloc.start()
    for path in (tgz(Path("a.tgz"), zeros), zipped(Path("a.zip"), zeros), Path("pax.tgz")):
        tracemalloc.reset_peak()
        with pytest.raises(ValueError, match="more than 1048576 bytes"):
            check(path, "VOC2012")
        assert tracemalloc.get_traced_memory()[1] < 2**23
    tracemalloc.stop()


def test_an_image_that_claims_gigapixels_is_not_decoded(images: dict[str, Path]) -> None:
    tracemalloc.start()
    faults = check(tgz(Path("a.tgz"), changed(claimed(60_000, 60_000))), "VOC2012", images)
    assert tracemalloc.get_traced_memory()[1] < 2**23
    tracemalloc.stop()
    assert faults == [
        "2008_000011.png has 60000 x 60000 pixels; its image has 5 x 7.",
        "2008_000011.png claims 60000 x 60000 pixels.",
    ]


def test_a_zip_with_another_checksum(images: dict[str, Path]) -> None:
    path = zipped(Path("a.zip"), right())
    data = bytearray(path.read_bytes())
    place = data.index(b"PK\x01\x02")
    data[place + 16] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"^a.zip is damaged: Bad CRC-32"):
        check(path, "VOC2012", images)


@pytest.mark.parametrize("write", [tgz, zipped])
def test_archives_of_too_many_files(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_FILES", 20)
    path = write(Path("a"), {f"{FOLDER}/{i}.png": b"" for i in range(41)})
    with pytest.raises(ValueError, match=r"^a is damaged: it has more than 20 files\.$"):
        check(path, "VOC2012")
