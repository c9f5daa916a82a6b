"""Exports and submissions."""

from pathlib import Path

from catalogue.case import Case
from catalogue.prepared import all_of, checkpoint, text
from submission.archives import tree

TITLE = "Exports and submissions"
net = checkpoint()


def few_images() -> None:
    """Draw one of VOC's 1,456 test images."""
    tree(Path("data"), {"2008_000006": (5, 7)})


CASES = [
    Case(
        "no format",
        "fcn export net.ckpt",
        "No export format was given. Add --caffe STEM, --onnx FILE or --torch-export FILE.",
        files=net,
    ),
    Case(
        "--argmax for Caffe",
        "fcn export net.ckpt --caffe net --argmax",
        "--argmax is of --onnx and --torch-export; Caffe's files have scores.",
        files=net,
    ),
    Case(
        "an ONNX file that exists",
        "fcn export net.ckpt --onnx net.onnx",
        "net.onnx already exists. Replace it with --overwrite.",
        files=all_of(net, text("net.onnx", "")),
    ),
    Case(
        "a folder that is not there",
        "fcn export net.ckpt --onnx there/net.onnx",
        "The folder of there/net.onnx does not exist. Create there first.",
        files=net,
    ),
    Case(
        "no checkpoint",
        "fcn submission",
        "Name a checkpoint and --data-root DIR, or the archive to check with --check FILE.",
    ),
    Case(
        "an archive of another kind",
        "fcn submission net.ckpt --data-root data --out a.zip",
        "The archive must end in .tgz or .tar.gz; got a.zip.",
        files=net,
    ),
    Case(
        "no test images",
        "fcn submission net.ckpt --data-root data",
        (
            "VOC is not in data, data/VOC2012, data/VOCdevkit/VOC2012, "
            "data/TrainVal/VOCdevkit/VOC2012, data/TrainVal/VOC2012: none of these has a folder "
            "JPEGImages. Unpack VOCtrainval_11-May-2012.tar there, set `data.root` or "
            "`data.voc_root`, or download VOC with `data.download=true`."
        ),
        files=net,
    ),
    Case(
        "a test list of another length",
        "fcn submission net.ckpt --data-root data",
        (
            "data/VOCdevkit/VOC2012/ImageSets/Segmentation/test.txt has 1 ids; that of VOC2012 "
            "has 1456. Unpack the archive of the test server there."
        ),
        files=all_of(net, few_images),
    ),
    Case(
        "an archive that is not there",
        "fcn submission --check a.tgz",
        "a.tgz: No such file or directory.",
    ),
    Case(
        "no archive",
        "fcn submission --check a.tgz",
        "a.tgz is neither a .tgz nor a .zip archive.",
        status=1,
        files=text("a.tgz", "hello"),
    ),
]
