"""Data: folders, lists, class files and labels."""

from collections.abc import Callable

import numpy as np
from PIL import Image

from catalogue.case import Case
from catalogue.prepared import SCENE, TREE, all_of, cells, checkpoint, data, image, text

TITLE = "Data"

OWN = "folder data.images=images data.labels=labels data.classes=classes.txt"


def without_label() -> None:
    """Write the embedded set without one of its labels."""
    data()
    (TREE / "SegmentationClass" / f"{SCENE}.png").unlink()


def listed_outside() -> None:
    """Write the embedded set with a list that leads out of it."""
    data()
    (TREE / "ImageSets/Segmentation/val.txt").write_text("../../../secret\n")


def cut_off() -> None:
    """Write the embedded set with an image that is cut off."""
    data()
    path = TREE / "JPEGImages" / f"{SCENE}.jpg"
    path.write_bytes(path.read_bytes()[:800])


def label(pixels: np.ndarray, **options: str) -> Callable[[], object]:
    """Write a folder of images, of which one has this label."""

    def write() -> None:
        cells()
        Image.fromarray(pixels).save("labels/a.png", **options)

    return write


WITH = ("runs/*/*/*/*",)
CASES = [
    Case(
        "data that is not there",
        "fcn-train experiment=shapes data=voc data.root=photos",
        (
            "VOC is not in photos, photos/VOC2012, photos/VOCdevkit/VOC2012, "
            "photos/TrainVal/VOCdevkit/VOC2012, photos/TrainVal/VOC2012, photos/VOC2011, "
            "photos/VOCdevkit/VOC2011, photos/TrainVal/VOCdevkit/VOC2011, "
            "photos/TrainVal/VOC2011: none of these has a folder JPEGImages. Unpack "
            "VOCtrainval_11-May-2012.tar there, set `data.root` or `data.voc_root`, or download "
            "VOC with `data.download=true`."
        ),
    ),
    Case(
        "no folder of data",
        "fcn-train experiment=shapes data=voc data.root=???",
        "`data.root` is not set. Add data.root=VALUE to the command.",
    ),
    Case(
        "an image without a label",
        "fcn-train experiment=shapes",
        (
            "1 of 3 images of voc/val lack files in data/VOCdevkit/VOC2012: 1 label (the first is "
            "data/VOCdevkit/VOC2012/SegmentationClass/scene_000001.png). Complete the folder, or "
            "choose other lists with `data.train` and `data.val`."
        ),
        files=without_label,
    ),
    Case(
        "an id that leads out of the folder",
        "fcn-train experiment=shapes",
        (
            "1 of 1 images of voc/val lack files in data/VOCdevkit/VOC2012: 1 image (the first is "
            "data/VOCdevkit/VOC2012/JPEGImages/../../../secret.jpg), 1 label (the first is "
            "data/VOCdevkit/VOC2012/SegmentationClass/../../../secret.png). Complete the folder, "
            "or choose other lists with `data.train` and `data.val`."
        ),
        files=listed_outside,
    ),
    Case(
        "a label of another size",
        "fcn-train experiment=shapes",
        (
            "The label map data/VOCdevkit/VOC2012/SegmentationClass/scene_000001.png is 5 x 7, "
            "but its image is 123 x 137. They must have the same size."
        ),
        files=all_of(data, image(str(TREE / f"SegmentationClass/{SCENE}.png"), "P", (7, 5))),
        writes=WITH,
    ),
    Case(
        "an image that is cut off",
        "fcn-train experiment=shapes",
        (
            "Cannot read the image data/VOCdevkit/VOC2012/JPEGImages/scene_000001.jpg: image file "
            "is truncated (50 bytes not processed)."
        ),
        files=cut_off,
        writes=WITH,
    ),
    Case(
        "an official list whose images are elsewhere",
        "fcn-train experiment=shapes data=voc 'data.train=[sbd/train]'",
        (
            "736 of 736 images of seg11valid lack files in data/VOCdevkit/VOC2012: 736 images "
            "(the first is data/VOCdevkit/VOC2012/JPEGImages/2007_000033.jpg), 736 labels (the "
            "first is data/VOCdevkit/VOC2012/SegmentationClass/2007_000033.png). Complete the "
            "folder, or choose other lists with `data.train` and `data.val`."
        ),
        files=data,
    ),
    Case(
        "classes that are none of the data's",
        "fcn-train experiment=shapes 'data.average_over=[hexagon]'",
        (
            "Unknown classes of shapes: hexagon. Its classes are background, disk, square, "
            "triangle, star, cross, ring."
        ),
        files=data,
    ),
    Case(
        "an unknown data set",
        "fcn data check vocc",
        (
            "Unknown choice `data=vocc`. Choose from ade20k, cityscapes, folder, nyud, "
            "pascal_context, shapes, shapes_context, shapes_nyud, shapes_siftflow, siftflow, "
            "single_shapes, voc, voc2012, voc_aug, voc_trees. Did you mean `voc`?"
        ),
    ),
    Case(
        "no folder", "fcn data check nyud", "The place of nyud is not known. Add --data-root DIR."
    ),
    Case(
        "a key that is not of data",
        "fcn data check folder num_classes=2",
        (
            "`num_classes=2` does not configure data. Write data.KEY=VALUE, with a key of "
            "conf/data/folder.yaml."
        ),
    ),
    Case(
        "a key that is not set",
        "fcn data check folder data.images=x",
        "`data.classes` is not set. Add data.classes=VALUE.",
    ),
    Case(
        "an unknown key of data",
        f"fcn data check {OWN} +data.num_classes=2",
        (
            "Unknown key `data.num_classes`. Use `data`: a network has as many classes as its data "
            "set."
        ),
    ),
    Case(
        "a class file in Latin-1",
        f"fcn data check {OWN}",
        "classes.txt is not UTF-8: line 1 has the byte 0xdf. Save it as UTF-8.",
        files=all_of(cells, text("classes.txt", b"stra\xdfe\n")),
    ),
    Case(
        "an empty list",
        f"fcn data check {OWN} data.val=val.txt",
        "The list val.txt is empty. Put one id on each line.",
        files=all_of(cells, text("val.txt", "")),
    ),
    Case(
        "an id of no image",
        f"fcn data check {OWN} data.val=val.txt",
        (
            "1 of 2 ids of val.txt have no image in images with a label in labels; the first is "
            "'../a'. An id is a name such as 'a'."
        ),
        files=all_of(cells, text("val.txt", "../a\nb\n")),
    ),
    Case(
        "a value that is no class",
        f"fcn data check {OWN} --sheet s.png",
        (
            "training: The label map labels/a.png has the value 7. Use 0, 1 for the 2 classes, "
            "and 255 for void."
        ),
        status=1,
        files=label(np.full((6, 8), 7, np.uint8)),
        shown="stdout",
        writes=("s.png",),
    ),
    Case(
        "JPEG in a label's name",
        f"fcn data check {OWN} --sheet s.png",
        (
            "training: Cannot read the label map labels/a.png: JPEG compression changes labels. "
            "Save it as PNG."
        ),
        status=1,
        files=label(np.zeros((6, 8), np.uint8), format="JPEG"),
        shown="stdout",
        writes=("s.png",),
    ),
    Case("a folder that is not there", "fcn data init photos", "photos is not a folder."),
    Case(
        "test images that are not there",
        "fcn evaluate net.ckpt --data shapes --data-root data --split test",
        "shapes has no test images. Set `data.test`, or score `val`.",
        files=all_of(data, checkpoint(num_classes=7)),
    ),
    Case(
        "a split of no name",
        "fcn evaluate net.ckpt --split train",
        (
            "Invalid value for '--split': 'train' is not one of 'val', 'test'. `fcn evaluate "
            "--help` lists the options."
        ),
    ),
    Case(
        "other classes than the network's",
        "fcn evaluate net.ckpt --data shapes --data-root data",
        (
            "net.ckpt scores 21 classes; shapes has 7 classes. Evaluate it on data with the same "
            "classes."
        ),
        files=all_of(data, checkpoint()),
    ),
    Case(
        "a checkpoint without data",
        "fcn evaluate net.ckpt",
        "The checkpoint names no data. Add --data NAME --data-root DIR.",
        files=checkpoint(),
    ),
]
