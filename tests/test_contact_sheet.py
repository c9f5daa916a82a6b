import numpy as np
from PIL import Image

from fcn_lightning.contact_sheet import CELL, Cell, cells_of, draw_sheet
from fcn_lightning.data.dataset import Example, File, SegmentationDataset
from fcn_lightning.data.images import read_image
from fcn_lightning.data.voc import read_label
from fcn_lightning.labels import LabelSet

LABELS = LabelSet("two", ("ground", "sky"), ((200, 0, 0), (0, 200, 0)))


def test_each_image_beside_its_labels_with_a_legend():
    image = np.full((90, 120, 3), 100, np.uint8)
    label = np.zeros((90, 120), np.uint8)
    label[:, 60:] = 1
    sheet = np.asarray(draw_sheet([Cell(image, label, "a")], LABELS))
    colors = {tuple(color) for color in sheet.reshape(-1, 3).tolist()}
    # 0.4 of the image's 100 and 0.6 of the color's 200
    assert {(100, 100, 100), (160, 40, 40), (40, 160, 40), (200, 0, 0), (0, 200, 0)} <= colors
    assert sheet.shape[0] < 2 * CELL[1]
    assert (sheet[8 : 8 + CELL[1], 8 : 8 + CELL[0]] == 100).all()


def test_images_at_equal_distances_without_broken_ones(tmp_path):
    examples = []
    for i in range(10):
        Image.new("L", (4, 3)).save(tmp_path / f"{i}.png")
        file = tmp_path / f"{i}.png"
        examples.append(Example(str(i), File(file, read_image), File(file, read_label)))
    (tmp_path / "4.png").write_text("")
    dataset = SegmentationDataset(examples, LABELS)
    cells = cells_of({"training": dataset, "validation": dataset}, most=10)
    captions = [cell.caption for cell in cells]
    assert captions == [f"{t}: {i}" for t in ("training", "validation") for i in (0, 2, 6, 8)]
