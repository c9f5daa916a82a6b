"""Disk and permissions."""

from catalogue.case import Case
from catalogue.prepared import all_of, cells, checkpoint, data, image, text, weights
from catalogue.weights import layers

TITLE = "Disk and permissions"
net = checkpoint()
vgg = weights("vgg.pth", layers())
CASES = [
    Case(
        "a file in place of the folder of runs",
        "fcn-train experiment=shapes paths.runs=file",
        "{here}/file is not a writable folder. Choose another with paths.runs=DIR.",
        files=all_of(data, text("file", "")),
    ),
    Case(
        "a file in place of the folder of label maps",
        "fcn predict net.ckpt photo.png --out file",
        "file: File exists. Choose another name.",
        files=all_of(net, image("photo.png"), text("file", "")),
    ),
    Case(
        "a folder below a file",
        "fcn predict net.ckpt photo.png --out file/masks",
        "file/masks: Not a directory. Name a folder.",
        files=all_of(net, image("photo.png"), text("file", "")),
    ),
    Case(
        "a folder in place of a label map",
        "fcn predict net.ckpt photo.png --out masks --overwrite",
        "masks/photo.png is not a file. Choose another name.",
        files=all_of(net, image("photo.png"), text("masks/photo.png/a", "")),
        writes=("masks/predict.json",),
    ),
    Case(
        "a folder in place of the checkpoint",
        "fcn import vgg.pth --out there --overwrite",
        "there is not a file. Choose another name.",
        files=all_of(vgg, text("there/a", "")),
    ),
    Case(
        "a checkpoint in a folder that is not there",
        "fcn import vgg.pth --out there/vgg.ckpt",
        "The folder of there/vgg.ckpt does not exist. Create there first.",
        files=vgg,
    ),
    Case(
        "a file in place of the folder of configs",
        "fcn data init cells --config-dir file",
        "file/data: Not a directory. Name a folder.",
        files=all_of(lambda: cells(folder="cells"), text("file", "")),
    ),
    Case(
        "a contact sheet in a folder that is not there",
        (
            "fcn data check folder data.images=images data.labels=labels data.classes=classes.txt "
            "--sheet there/s.png"
        ),
        "The folder of there/s.png does not exist. Create there first.",
        files=cells,
    ),
    Case(
        "a folder of configs that is not there",
        "fcn data check shapes --data-root data --config-dir mine",
        "The folder of configs mine does not exist. Name another with --config-dir.",
        files=data,
    ),
]
