import numpy as np
import pytest

from fcn_lightning.labels import VOC, VOID, LabelSet, voc_palette


def test_palette_is_the_devkits(shared):
    golden = np.load(shared / "golden" / "palette21.npy")
    np.testing.assert_array_equal(voc_palette()[:21], golden)


@pytest.mark.parametrize(
    ("label", "color"),
    [
        (0, (0, 0, 0)),
        (1, (128, 0, 0)),
        (2, (0, 128, 0)),
        (4, (0, 0, 128)),
        (8, (64, 0, 0)),
        (12, (64, 0, 128)),
        (15, (192, 128, 128)),
        (20, (0, 64, 128)),
        (255, (224, 224, 192)),
    ],
)
def test_colors_by_label(label, color):
    assert tuple(voc_palette()[label].tolist()) == color


def test_colors_are_all_different():
    assert len(np.unique(voc_palette(), axis=0)) == 256


def test_vocs_classes_are_in_its_order():
    assert len(VOC) == 21
    assert [VOC.classes[i] for i in (0, 8, 12, 15, 20)] == [
        "background", "cat", "dog", "person", "tvmonitor"
    ]  # fmt: skip
    assert list(VOC.classes[1:]) == sorted(VOC.classes[1:])
    assert VOID == 255


def test_labels_are_drawn_in_vocs_colors():
    np.testing.assert_array_equal(VOC.palette, voc_palette())


def test_indices_by_name():
    assert VOC.indices(["dog", "background"]) == [12, 0]
    assert VOC.indices([]) == []


def test_indices_of_other_names_are_refused():
    with pytest.raises(ValueError, match="Unknown classes") as error:
        LabelSet("pets", ("cat", "dog")).indices(["cat", "cow", "cot"])
    assert str(error.value) == "Unknown classes of pets: cow, cot. Its classes are cat, dog."
