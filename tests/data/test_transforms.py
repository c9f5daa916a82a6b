import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from fcn_lightning.data import Augment
from fcn_lightning.data.samplers import Draw
from fcn_lightning.data.transforms import Augmented

FILL = torch.tensor([123, 117, 104], dtype=torch.uint8)[:, None]
H, W = 20, 30


class Pictures(Dataset):
    """The image is its label three times: they differ where they were not moved alike."""

    def __init__(self, label=None):
        self.label = torch.arange(H * W).view(H, W) % 200 if label is None else label

    def __getitem__(self, index):
        label = self.label.to(torch.uint8)
        return {"image": label.expand(3, -1, -1).clone(), "label": label, "name": str(index)}


def samples(augment, draws=32, seed=5):
    data = Augmented(Pictures(), augment, seed)
    return [data[Draw(0, step, step % 4)] for step in range(draws)]


def test_no_augmentation_changes_nothing():
    for sample in samples(Augment(), 4):
        assert torch.equal(sample["image"], Pictures()[0]["image"])
        assert torch.equal(sample["label"], Pictures()[0]["label"])
        assert type(sample["image"]) is type(sample["label"]) is torch.Tensor
        assert sample["name"] == "0"


EVERYTHING = Augment(mirror=True, jitter=4, scale=(0.5, 2.0), crop=17)


def test_a_draw_depends_on_seed_step_and_place_alone():
    data = Augmented(Pictures(), EVERYTHING, 5)
    first = data[Draw(0, 7, 2)]["image"]
    data[Draw(0, 8, 2)], torch.rand(3), np.random.default_rng().random()
    torch.manual_seed(99)
    again = Augmented(Pictures(), EVERYTHING, 5)[Draw(1, 7, 2)]["image"]
    assert torch.equal(first, again)


@pytest.mark.parametrize(("seed", "step", "place"), [(6, 7, 2), (5, 8, 2), (5, 7, 3)])
def test_another_seed_step_or_place_is_another_draw(seed, step, place):
    data, other = (Augmented(Pictures(), EVERYTHING, s) for s in (5, seed))
    pairs = [(data[Draw(0, 7 + 9 * i, 2)], other[Draw(0, step + 9 * i, place)]) for i in range(4)]
    assert not all(torch.equal(a["image"], b["image"]) for a, b in pairs)


def test_the_state_of_the_process_is_left_alone():
    state = torch.get_rng_state()
    samples(EVERYTHING, 3)
    assert torch.equal(torch.get_rng_state(), state)


def test_mirror_turns_image_and_label_half_of_the_time():
    plain, mirrored = Pictures()[0]["label"], Pictures()[0]["label"].flip(1)
    turned = 0
    for sample in samples(Augment(mirror=True), 200):
        assert torch.equal(sample["image"][0], sample["label"])
        is_turned = torch.equal(sample["label"], mirrored)
        assert is_turned or torch.equal(sample["label"], plain)
        turned += is_turned
    assert 70 < turned < 130


def test_jitter_shifts_both_by_whole_pixels_and_fills_with_void():
    shifts = set()
    for sample in samples(Augment(jitter=3), 200):
        image, label = sample["image"], sample["label"]
        outside = label == 255
        assert (image[:, outside] == FILL).all()
        assert torch.equal(image[0][~outside], label[~outside])
        rows, columns = (~outside).any(1).nonzero().flatten(), (~outside).any(0).nonzero().flatten()
        down = int(rows[0]) if rows[0] > 0 else len(rows) - H
        right = int(columns[0]) if columns[0] > 0 else len(columns) - W
        source = Pictures()[0]["label"][max(-down, 0) : H - max(down, 0)]
        source = source[:, max(-right, 0) : W - max(right, 0)]
        assert torch.equal(label[rows][:, columns], source)
        shifts.add((down, right))
    assert {down for down, _ in shifts} == {right for _, right in shifts} == set(range(-3, 4))


def test_crop_cuts_the_same_square_from_both():
    corners = set()
    for sample in samples(Augment(crop=8)):
        assert sample["label"].shape == (8, 8)
        assert torch.equal(sample["image"], sample["label"].expand(3, -1, -1))
        corners.add(int(sample["label"][0, 0]))
    assert len(corners) > 5


def test_crop_of_a_smaller_image_is_filled_with_void():
    for sample in samples(Augment(crop=40), 8):
        inside = sample["label"] != 255
        assert sample["label"].shape == (40, 40)
        assert int(inside.sum()) == H * W
        assert (sample["image"][:, ~inside] == FILL).all()
        assert torch.equal(sample["image"][0][inside], sample["label"][inside])


def test_scale_covers_its_range_evenly_in_the_logarithm():
    heights = [sample["label"].shape[0] for sample in samples(Augment(scale=(0.5, 2.0)), 300)]
    assert (min(heights), max(heights)) == (10, 40)
    assert 110 < sum(height < H for height in heights) < 190


def test_scale_keeps_labels_and_sizes_alike():
    checked = Augmented(Pictures(torch.full((H, W), 7)), Augment(scale=(0.3, 3.0)), 0)
    for step in range(20):
        sample = checked[Draw(0, step, 0)]
        h, w = sample["label"].shape
        assert sample["image"].shape == (3, h, w)
        assert abs(w * H - h * W) <= (H + W) / 2, "the same factor, to rounding"
        assert sample["label"].unique().tolist() == [7]
        assert sample["image"].unique().tolist() == [7]


def test_a_scaled_label_lies_over_its_image():
    label = torch.zeros(40, 60)
    label[12:28, 18:42] = 200
    data = Augmented(Pictures(label), Augment(scale=(0.4, 2.5)), 0)
    for step in range(30):
        sample = data[Draw(0, step, 0)]
        by_image = (sample["image"][0] > 100).double()
        by_label = (sample["label"] == 200).double()
        for axis in (0, 1):
            assert middle(by_label, axis) == pytest.approx(middle(by_image, axis), abs=0.51)


def test_a_scaled_image_has_a_pixel_at_least():
    data = Augmented(Pictures(torch.ones(1, 1)), Augment(scale=(0.1, 0.1)), 0)
    assert data[Draw(0, 0, 0)]["image"].shape == (3, 1, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"jitter": -1},
            "`augment.jitter` must be 0 or more and `augment.crop` 1 or more; got -1 and None.",
        ),
        (
            {"crop": 0},
            "`augment.jitter` must be 0 or more and `augment.crop` 1 or more; got 0 and 0.",
        ),
        (
            {"scale": (0.0, 1.0)},
            "`augment.scale` must be two positive factors, the smaller one first; got (0.0, 1.0).",
        ),
        (
            {"scale": (0.5, 1.0, 2.0)},
            "`augment.scale` must be two positive factors, the smaller one first; got "
            "(0.5, 1.0, 2.0).",
        ),
        (
            {"scale": (2.0, 1.0)},
            "`augment.scale` must be two positive factors, the smaller one first; got (2.0, 1.0).",
        ),
    ],
)
def test_augment_refuses(arguments, message):
    with pytest.raises(ValueError, match=r".") as error:
        Augment(**arguments)
    assert str(error.value) == message


def middle(mask, axis):
    weights = mask.sum(1 - axis)
    return float((weights * torch.arange(len(weights))).sum() / weights.sum())


class Scenes(Dataset):
    """Two modalities and two heads, all of the same values."""

    def __getitem__(self, index):
        label = (torch.arange(H * W).view(H, W) % 200).to(torch.uint8)
        images = {"color": label.expand(3, -1, -1).clone(), "depth": label[None].float() + 1000}
        return {"image": images, "label": {"sem": label, "geo": label.clone()}, "name": "a"}


@pytest.mark.parametrize("augment", [Augment(mirror=True, jitter=4), Augment(crop=17)])
def test_modalities_and_heads_are_moved_together(augment):
    data, moved = Augmented(Scenes(), augment, 5), 0
    for step in range(12):
        sample = data[Draw(0, step, 0)]
        images, labels = sample["image"], sample["label"]
        assert torch.equal(labels["sem"], labels["geo"])
        inside = labels["sem"] != 255
        assert torch.equal(images["color"][0][inside], labels["sem"][inside])
        assert torch.equal(images["depth"][0][inside] - 1000, labels["sem"][inside].float())
        assert (images["depth"][0][~inside] == 2550).all()
        assert {type(value) for value in (*images.values(), *labels.values())} == {torch.Tensor}
        moved += not torch.equal(labels["sem"], Scenes()[0]["label"]["sem"])
    assert moved > 3
