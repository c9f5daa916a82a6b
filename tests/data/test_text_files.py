import pytest

from fcn_lightning.data.text_files import read_lines


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
