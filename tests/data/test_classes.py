import pytest

from fcn_lightning.data.classes import read_classes


def test_names_of_a_text_file_with_and_without_colors(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("\ufeffback ground\r\n\nroad 128 64 128\n", encoding="utf-8")
    with pytest.raises(ValueError, match="has no `color` for back ground"):
        read_classes(str(path))
    path.write_text("floor mat\t0 0 0\nroad 128 64 128\n")
    classes = read_classes(str(path))
    assert classes.names == ("floor mat", "road")
    assert classes.colors == ((0, 0, 0), (128, 64, 128))
    assert classes.values is None


def test_yaml_with_values_and_colors_of_void(tmp_path):
    path = tmp_path / "classes.yaml"
    path.write_text(
        "classes: [{name: sky, color: [1, 2, 3], values: [0, 7]}, "
        "{name: sea, color: [4, 5, 6], values: [255]}]\nvoid_colors: [[9, 9, 9]]\n"
    )
    classes = read_classes(str(path))
    assert (classes.names, classes.values) == (("sky", "sea"), ((0, 7), (255,)))
    assert (classes.colors, classes.void_colors) == (((1, 2, 3), (4, 5, 6)), ((9, 9, 9),))


@pytest.mark.parametrize(
    ("void", "values"), [((255,), [(0,), (1,)]), ((0,), [(1,), (2,)]), ((1,), [(0,), (2,)])]
)
def test_without_a_map_the_values_are_those_that_are_not_void(void, values):
    assert read_classes(["a", "b"]).values_in_files(void) == values


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ([], "is no class file: it names no class."),
        (["a", "a"], "has the name a twice, for a."),
        ([{"name": "a", "values": [1]}, {"name": "b", "values": [1]}], "the value 1 twice, for a "),
        ([{"name": "a", "color": [1, 2]}], "`classes.0.color` is [1, 2] ("),
        (["a", False], "`classes.1` is False ("),
        ([{"name": "a", "colour": [1, 2, 3]}], "`classes.0.colour` is [1, 2, 3] ("),
        ({"names": ["a"]}, "is no class file: "),
        ([f"c{i}" for i in range(256)], "has 256 classes; at most 255 are supported."),
    ],
)
def test_wrong_classes_are_refused(content, problem):
    with pytest.raises(ValueError, match="data") as error:
        read_classes(content)
    assert problem in str(error.value)


def test_a_missing_file_and_wrong_yaml(tmp_path):
    with pytest.raises(FileNotFoundError, match="must be a file with names; nowhere"):
        read_classes("nowhere.txt")
    (tmp_path / "c.yaml").write_text("classes: [a\n")
    with pytest.raises(ValueError, match=r"c\.yaml is not YAML: "):
        read_classes(str(tmp_path / "c.yaml"))
