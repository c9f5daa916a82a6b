from __future__ import annotations

from pathlib import Path

import pytest

from fcn_lightning.inference.sources import find_sources

FILES = ["photos/a.JPG", "photos/b.txt", "photos/.c.png", "photos/sub/d.webp", "photos/sub/e.tif"]


@pytest.fixture(autouse=True)
def files() -> None:
    for name in FILES:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def found(*given: str, out: str = "out", recursive: bool = False) -> dict[str, str]:
    sources = find_sources(given, Path(out), recursive=recursive)
    return {source.name: str(source.path) for source in sources}


def test_a_file_has_its_own_name() -> None:
    assert found("photos/sub/d.webp", "photos/a.JPG") == {
        "d": "photos/sub/d.webp", "a": "photos/a.JPG"
    }  # fmt: skip


def test_names_are_relative_to_a_folder() -> None:
    assert found("photos") == {"a": "photos/a.JPG"}
    everything = {"a": "photos/a.JPG", "sub/d": "photos/sub/d.webp", "sub/e": "photos/sub/e.tif"}
    assert found("photos", recursive=True) == everything


def test_results_inside_the_folder_are_no_images() -> None:
    assert found("photos", out="photos/sub", recursive=True) == {"a": "photos/a.JPG"}


def test_names_are_relative_to_the_fixed_part_of_a_pattern() -> None:
    assert found("photos/**/*.[jw]*") == {"sub/d": "photos/sub/d.webp"}
    assert found("photos/s*/e.tif") == {"sub/e": "photos/sub/e.tif"}


def test_names_are_relative_to_the_folder_that_a_list_shares() -> None:
    lines = ["\ufeffphotos/sub/d.webp\r", "", "photos/a b.png", f"{Path('photos').resolve()}/a.JPG"]
    Path("list.txt").write_bytes("\n".join(lines).encode())
    assert found("@list.txt") == {
        "sub/d": "photos/sub/d.webp",
        "a b": "photos/a b.png",  # a missing file is reported when it is read
        "a": str(Path("photos/a.JPG").resolve()),
    }


def test_an_image_that_is_named_twice_counts_once() -> None:
    assert found("photos", "photos/a.JPG") == {"a": "photos/a.JPG"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("a.png", "Image not found: a.png."),
        ("*.gif", "No file matches *.gif."),
        ("empty", "The folder empty has no images. Search its subfolders with --recursive."),
        ("@none.txt", "The list none.txt is empty. Put the path of one image on each line."),
    ],
)
def test_what_names_no_image_is_refused(given: str, message: str) -> None:
    Path("empty").mkdir()
    Path("none.txt").write_text("\n")
    with pytest.raises(ValueError, match=r"\.$") as error:
        found(given)
    assert str(error.value) == message


def test_two_images_of_one_name_are_refused() -> None:
    Path("photos/a.png").touch()
    with pytest.raises(ValueError, match="both") as error:
        found("photos")
    assert str(error.value) == (
        "photos/a.JPG and photos/a.png would both be written to a.png. Predict them into different "
        "folders."
    )
