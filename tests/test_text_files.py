import pytest

from fcn_lightning import text_files
from fcn_lightning.text_files import read_lines, read_yaml


@pytest.mark.parametrize(
    "content",
    [b"a b\nc\n", b"\xef\xbb\xbfa b\r\nc\r\n", b"a b \n\n c", b"\xef\xbb\xbf\n a b\nc"],
)
def test_lines_without_marks_ends_and_empty_lines(tmp_path, content):
    (tmp_path / "list.txt").write_bytes(content)
    assert read_lines(tmp_path / "list.txt") == ["a b", "c"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("a\nb\n".encode("utf-16"), "is UTF-16, not UTF-8. Save it as UTF-8."),
        ("a\nbü\n".encode("latin-1"), "is not UTF-8: line 2 has the byte 0xfc. Save it as UTF-8."),
    ],
)
def test_another_encoding_is_named_with_the_file(tmp_path, content, problem):
    path = tmp_path / "list.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="UTF-8") as error:
        read_lines(path)
    assert str(error.value) == f"{path} {problem}"


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi")
)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (BOMB, "has more than 1,000,000 values. Ask its author for another."),
        ("[a\n", "is not YAML: "),
        ("!!python/object/apply:os.system [touch pwned]", "is not YAML: could not determine"),
        ("!!int ''", "is not YAML: "),
        ("2026-13-45", "is not YAML: "),
    ],
)
def test_yaml_that_is_damaged_or_hostile(tmp_path, content, problem):
    path = tmp_path / "own.yaml"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"\.$") as error:
        read_yaml(path)
    assert str(error.value).startswith(f"{path} {problem}")
    assert "\n" not in str(error.value)
    assert [each.name for each in tmp_path.iterdir()] == ["own.yaml"]


def test_a_list_larger_than_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "LARGEST", 5)
    (tmp_path / "list.txt").write_text("a\nb\nc\n")
    with pytest.raises(ValueError, match="it has more than 5 bytes"):
        read_lines(tmp_path / "list.txt")
