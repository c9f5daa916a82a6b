"""A file is complete or absent."""

import errno
import os
from pathlib import Path

import pytest

from fcn_lightning.cli.errors import sentence
from fcn_lightning.files import check_target, replacing


def test_a_file_appears_when_it_is_complete():
    path = Path("scores.json")
    with replacing(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        assert temporary.parent == path.parent
        temporary.write_text("whole")
    assert [entry.name for entry in Path().iterdir()] == ["scores.json"]
    assert path.read_text() == "whole"


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_a_failure_keeps_the_previous_file(error):
    path = Path("scores.json")
    path.write_text("previous")

    def write():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(type(error)):
        write()
    assert [entry.name for entry in Path().iterdir()] == ["scores.json"]
    assert path.read_text() == "previous"


def test_what_a_killed_process_left_is_replaced():
    path = Path("scores.json")
    with replacing(path) as left:
        left.write_text("done")
    left.write_text("left by a killed process")
    with replacing(path) as temporary:
        temporary.write_text("new")
    assert [entry.name for entry in Path().iterdir()] == ["scores.json"]
    assert path.read_text() == "new"


def test_existing_targets_and_missing_folders_are_refused():
    Path("there.ckpt").touch()
    with pytest.raises(ValueError, match="exists") as error:
        check_target(Path("there.ckpt"), overwrite=False)
    assert str(error.value) == "there.ckpt already exists. Replace it with --overwrite."
    check_target(Path("there.ckpt"), overwrite=True)
    check_target(Path("new.ckpt"), overwrite=False)
    with pytest.raises(ValueError, match="folder") as error:
        check_target(Path("no/new.ckpt"), overwrite=True)
    assert str(error.value) == "The folder of no/new.ckpt does not exist. Create no first."


def test_folders_are_never_replaced():
    Path("there").mkdir()
    with pytest.raises(ValueError, match="file") as error:
        check_target(Path("there"), overwrite=True)
    assert str(error.value) == "there is not a file. Choose another name."
    with pytest.raises(ValueError, match="there is not a file"), replacing(Path("there")):
        pass


def test_a_full_disk_names_the_file(monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space") as error, replacing(Path("a.json")) as temporary:
        temporary.write_text("a")
    assert sentence(error.value) == (
        "a.json: No space left on device. Free some space, or write to another disk."
    )
    assert list(Path().iterdir()) == []
