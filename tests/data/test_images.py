"""Every kind of image file, read or refused in one sentence that names it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fcn_lightning.data import voc
from fcn_lightning.data.images import (
    read_depth,
    read_image,
    read_orientation,
    read_size,
    read_stored_image,
)

SCENE = np.random.default_rng(0).integers(256, size=(4, 6, 3), dtype=np.uint8)
TURNED = {  # what a camera stores for each orientation; https://exiftool.org/TagNames/EXIF.html
    1: SCENE,
    2: SCENE[:, ::-1],
    3: SCENE[::-1, ::-1],
    4: SCENE[::-1],
    5: SCENE.swapaxes(0, 1),
    6: np.rot90(SCENE),
    7: np.rot90(SCENE.swapaxes(0, 1), 2),
    8: np.rot90(SCENE, -1),
}


def saved(
    pixels: np.ndarray, path: Path, orientation: int | None = None, **options: object
) -> Path:
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
        options["exif"] = exif
    Image.fromarray(np.ascontiguousarray(pixels)).save(path, **options)
    return path


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_images_are_turned_upright(orientation: int, suffix: str) -> None:
    stored, lossless = TURNED[orientation], {"lossless": True} if suffix == "webp" else {}
    path = saved(stored, Path(f"a.{suffix}"), orientation, **lossless)
    np.testing.assert_array_equal(read_image(path), SCENE)
    np.testing.assert_array_equal(read_stored_image(path), stored)
    assert (read_orientation(path), read_size(path)) == (orientation, stored.shape[:2])


def test_a_photo_of_a_phone_is_upright() -> None:
    half = np.zeros((16, 32, 3), np.uint8)
    half[:, 16:] = 255
    pixels = read_image(saved(half, Path("a.jpg"), 6))
    assert pixels.shape == (32, 16, 3)
    assert pixels[:12].max() < 20
    assert pixels[20:].min() > 235


def test_the_official_sets_keep_the_stored_raster() -> None:
    for folder in ("JPEGImages", "SegmentationClass"):
        Path("VOC2012", folder).mkdir(parents=True)
    path = saved(TURNED[6], Path("VOC2012/JPEGImages/a.jpg"), 6)
    file = dict(voc.tree(Path()).kinds)["image"].file("a")
    assert file.read(path).shape == (6, 4, 3)


@pytest.mark.parametrize("tag", [0, 9, 77])
def test_an_unknown_orientation_is_upright(tag: int) -> None:
    path = saved(SCENE, Path("a.png"), tag)
    np.testing.assert_array_equal(read_image(path), SCENE)
    assert read_orientation(path) == 1


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bits_keep_the_upper_8(suffix: str) -> None:
    values = np.array([[0, 255, 256, 65535, 257 * 100]], np.uint16)
    image = read_image(saved(values, Path(f"a.{suffix}")))
    assert image.tolist() == [[[v] * 3 for v in (0, 0, 1, 255, 100)]]


def test_a_16_bit_image_is_turned_upright() -> None:
    stored = TURNED[8][..., 0].astype(np.uint16) * 256
    image = read_image(saved(stored, Path("a.png"), 8))
    np.testing.assert_array_equal(image, np.repeat(SCENE[..., :1], 3, axis=2))


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [("int32", "32-bit integers (mode I)"), ("float32", "32-bit floats (mode F)")],
)
def test_values_without_a_range_are_refused(dtype: str, kind: str) -> None:
    path = saved(np.zeros((2, 2), dtype), Path("a.tif"))
    with pytest.raises(ValueError, match="range") as error:
        read_image(path)
    assert str(error.value) == (
        f"Cannot read the image a.tif: its values are {kind}, whose range is not defined. Convert "
        "it to 8 or 16 bits."
    )


def test_gray_images_become_rgb() -> None:
    path = saved(np.array([[0, 200]], np.uint8), Path("gray.png"))
    assert read_image(path).tolist() == [[[0] * 3, [200] * 3]]
    path = saved(np.array([[False, True]]), Path("bits.png"))
    assert read_image(path).tolist() == [[[0] * 3, [255] * 3]]


def test_gray_jpegs_become_rgb() -> None:
    image = read_image(saved(np.full((8, 8), 100, np.uint8), Path("gray.jpg")))
    assert image.shape == (8, 8, 3)
    assert abs(image.astype(int) - 100).max() <= 2


def test_cmyk_jpegs_become_rgb() -> None:
    Image.new("CMYK", (16, 8), (0, 255, 255, 0)).save("red.jpg", quality=95)
    image = read_image(Path("red.jpg"))
    assert image.shape == (8, 16, 3)
    assert abs(image.astype(int) - [255, 0, 0]).max() <= 6


def test_transparent_pixels_keep_their_stored_color() -> None:
    Image.new("RGBA", (1, 1), (10, 20, 30, 0)).save("a.png")
    assert read_image(Path("a.png")).tolist() == [[[10, 20, 30]]]
    Image.new("LA", (1, 1), (50, 0)).save("gray.png")
    assert read_image(Path("gray.png")).tolist() == [[[50] * 3]]
    palette = Image.new("P", (1, 1))
    palette.putpalette([1, 2, 3] * 256)
    palette.save("palette.png", transparency=bytes([0, 255]))
    assert read_image(Path("palette.png")).tolist() == [[[1, 2, 3]]]


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif"])
def test_the_first_image_of_several_is_read(suffix: str) -> None:
    red, blue = (Image.new("RGB", (3, 2), color) for color in ("#ff0000", "#0000ff"))
    red.save(f"a.{suffix}", save_all=True, append_images=[blue])
    assert abs(read_image(Path(f"a.{suffix}")).astype(int) - [255, 0, 0]).max() <= 2


@pytest.mark.parametrize("kept", [0.0, 0.02, 0.3, 0.9])
@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "tif", "webp", "gif", "ppm", "jp2"])
def test_a_truncated_file_is_named(suffix: str, kept: float) -> None:
    noise = np.random.default_rng(0).integers(256, size=(64, 80, 3), dtype=np.uint8)
    path = saved(noise, Path(f"a.{suffix}"))
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(ValueError, match=rf"^Cannot read the image a\.{suffix}: .*\.$"):
        read_image(path)


def test_a_text_file_is_no_image() -> None:
    Path("page.jpg").write_text("<html>")
    with pytest.raises(ValueError, match="page") as error:
        read_image(Path("page.jpg"))
    assert str(error.value) == (
        "Cannot read the image page.jpg: its format is unknown, or the file is damaged."
    )


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ValueError, match="a") as error:
        read_image(Path("a.png"))
    assert str(error.value) == "Cannot read the image a.png: No such file or directory."


def test_a_name_that_is_not_utf_8_is_named() -> None:
    path = Path(os.fsdecode(b"\xe4.png"))
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="Cannot read") as error:
        read_image(path)
    assert str(path) in str(error.value)


def test_a_decompression_bomb_names_the_limit_and_the_option(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = saved(SCENE, Path("a.png"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 11)
    with pytest.raises(ValueError, match="limit") as error:
        read_image(path)
    assert str(error.value) == (
        "Cannot read the image a.png: it claims 24 pixels, more than 22, and may be a "
        "decompression bomb. Raise the limit with `fcn predict --max-megapixels`; for training and "
        "scoring, cut the image into smaller ones."
    )


def test_an_image_that_does_not_fit_in_memory_is_named_with_its_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    path = saved(SCENE, Path("a.png"))
    monkeypatch.setattr(Image.Image, "load", full)
    with pytest.raises(ValueError, match="memory") as error:
        read_image(path)
    assert str(error.value) == (
        "Cannot read the image a.png: an image of 4 x 6 pixels does not fit in memory."
    )


def test_a_depth_has_no_colors() -> None:
    path = saved(np.array([[0, 3000]], np.uint16), Path("a.png"))
    assert read_depth(path).tolist() == [[0, 3000]]
    with pytest.raises(ValueError, match="gray") as error:
        read_depth(saved(SCENE, path))
    assert str(error.value) == (
        "Cannot read the image a.png: expected a gray image of depths, got one of mode RGB."
    )
