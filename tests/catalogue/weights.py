"""Weights: files of other programs, from which a run starts or which are imported."""

import pickle
import zipfile
from pathlib import Path

import torch

from catalogue.case import Case
from catalogue.prepared import all_of, checkpoint, content_of, data, text, weights

TITLE = "Weights of other programs"


class Opens:
    """A pickle that opens a file when it is read."""

    def __reduce__(self):
        return open, ("pwned", "w")


def pickled() -> None:
    torch.save({"state_dict": Opens()}, "evil.pth")


def layers(**changed: object) -> dict[str, object]:
    """The weights of a tiny VGG-16, by torchfcn's names."""
    state = content_of(normalize="torchvision")["state_dict"]
    return {".".join(name.split(".")[-2:]): value for name, value in state.items()} | changed


def truncated() -> None:
    weights("cut.pth", layers())()
    Path("cut.pth").write_bytes(Path("cut.pth").read_bytes()[:3000])


def compressed() -> None:
    """A saved file whose parts are compressed, to a thousandth of what they claim."""
    weights("whole.pth", {"a": torch.zeros(1 << 18)})()
    with (
        zipfile.ZipFile("whole.pth") as whole,
        zipfile.ZipFile("bomb.pth", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for name in whole.namelist():
            bomb.writestr(name, whole.read(name))
    Path("whole.pth").unlink()


def field(number: int, content: bytes) -> bytes:
    """A field of a protobuf message."""

    def varint(value):
        out = bytearray()
        while value > 127:
            out.append(value & 127 | 128)
            value >>= 7
        out.append(value)
        return bytes(out)

    return varint(number << 3 | 2) + varint(len(content)) + content


NAMED = field(1, b"net")
SHAPE = field(7, field(1, b"\x80\x80\x80\x80\x10"))  # 2 ** 32
CLAIMS = NAMED + field(
    100, field(1, b"conv1_1") + field(2, b"Convolution") + field(7, SHAPE + field(5, bytes(16)))
)

CASES = [
    Case(
        "notes",
        "fcn import notes.txt",
        (
            "notes.txt is neither a .caffemodel nor a .pth file of torchfcn or torchvision. "
            "Decompress it first if it is compressed."
        ),
        files=text("notes.txt", "notes"),
    ),
    Case(
        "a file that is not there",
        "fcn import no.caffemodel",
        "no.caffemodel: No such file or directory.",
    ),
    Case(
        "a checkpoint that exists",
        "fcn import vgg.caffemodel --out net.ckpt",
        "net.ckpt already exists. Replace it with --overwrite.",
        files=all_of(checkpoint(), text("vgg.caffemodel", NAMED)),
    ),
    Case(
        "a checkpoint of this project",
        "fcn import net.ckpt --out new.ckpt",
        "net.ckpt is a checkpoint of fcn-lightning already. Use it as it is.",
        files=checkpoint(),
    ),
    Case(
        "a .caffemodel that is cut off",
        "fcn import vgg.caffemodel",
        ("vgg.caffemodel is truncated after 40 bytes (19 bytes are missing). Download it again."),
        files=text("vgg.caffemodel", CLAIMS[:40]),
    ),
    Case(
        "a blob whose shape claims 4 billion values",
        "fcn import vgg.caffemodel",
        (
            "vgg.caffemodel: blob 0 of `conv1_1` has 4 values; its shape (4294967296,) requires "
            "4294967296. Download the file again."
        ),
        files=text("vgg.caffemodel", CLAIMS),
    ),
    Case(
        "a field that claims 4 GB",
        "fcn import vgg.caffemodel",
        (
            "vgg.caffemodel is truncated after 12 bytes (4294967296 bytes are missing). Download "
            "it again."
        ),
        files=text("vgg.caffemodel", NAMED + b"\xa2\x06\x80\x80\x80\x80\x10"),
    ),
    Case(
        "a layer of a hundred thousand empty fields",
        "fcn import vgg.caffemodel",
        (
            "vgg.caffemodel has a damaged layer (it has more than 100,000 fields). Download it "
            "again."
        ),
        files=text("vgg.caffemodel", NAMED + field(100, b"\x50\x00" * 100_001)),
    ),
    Case(
        "no class",
        "fcn import vgg.pth --classes 0",
        (
            "Invalid value for '--classes': Input should be greater than or equal to 1. `fcn "
            "import --help` lists the options."
        ),
        files=weights("vgg.pth", layers()),
    ),
    Case(
        "a file that is no longer whole",
        "fcn import cut.pth",
        (
            "cut.pth is not a readable checkpoint or weight file: it is truncated, of another "
            "format, or contains more than plain values and tensors. Save or download it again; "
            "import a .caffemodel with `fcn import`."
        ),
        files=truncated,
    ),
    Case(
        "a pickle that opens a file",
        "fcn import evil.pth",
        (
            "evil.pth is not a readable checkpoint or weight file: it is truncated, of another "
            "format, or contains more than plain values and tensors. Save or download it again; "
            "import a .caffemodel with `fcn import`."
        ),
        files=pickled,
    ),
    Case(
        "a pickle of before torch 1.6 that opens a file",
        "fcn import evil.pth",
        (
            "evil.pth is not a readable checkpoint or weight file: it is truncated, of another "
            "format, or contains more than plain values and tensors. Save or download it again; "
            "import a .caffemodel with `fcn import`."
        ),
        files=lambda: Path("evil.pth").write_bytes(pickle.dumps(Opens(), 2)),
    ),
    Case(
        "parts that unpack to more than the file",
        "fcn import bomb.pth",
        (
            "bomb.pth has 2,041 bytes and unpacks to 1,048,795; torch.save does not compress. "
            "Save it again with torch.save."
        ),
        files=compressed,
    ),
    Case(
        "a value that claims to be a trillion",
        "fcn import vgg.pth",
        (
            "vgg.pth: `conv1_1.bias` claims 1,099,511,627,776 values, which the file does not "
            "store. Save the network's `state_dict()`."
        ),
        files=weights("vgg.pth", layers(**{"conv1_1.bias": torch.zeros(1).expand(1 << 40)})),
    ),
    Case(
        "text in place of weights",
        "fcn-train experiment=shapes init_from=notes.ckpt",
        (
            "notes.ckpt is not a readable checkpoint or weight file: it is truncated, of another "
            "format, or contains more than plain values and tensors. Save or download it again; "
            "import a .caffemodel with `fcn import`."
        ),
        files=all_of(data, text("notes.ckpt", "not weights")),
    ),
    Case(
        "a web page",
        "fcn-train experiment=shapes init_from=vgg16.pth",
        (
            "vgg16.pth is not a checkpoint or weight file. It is a web page or XML, perhaps of a "
            "failed download."
        ),
        files=all_of(data, text("vgg16.pth", "<!doctype html>")),
    ),
    Case(
        "a broken safetensors file",
        "fcn-train experiment=shapes init_from=vgg16.safetensors",
        "vgg16.safetensors is a damaged safetensors file. Download it again.",
        files=all_of(data, text("vgg16.safetensors", b"\xff\xff\xff\xff\xff\xff\xff\x7f{")),
    ),
    Case(
        "weights of other sizes",
        "fcn-train experiment=shapes init_from=weights.pth",
        (
            "`conv1_1.weight` must have the shape (8, 3, 3, 3); the weights have (5, 3, 3, 3). "
            "Choose the widths (`backbone.widths`, `backbone.fc_widths`, `backbone.fc6_kernel`) "
            "and classes that the weights were trained with."
        ),
        files=all_of(data, weights("weights.pth", {"conv1_1.weight": torch.zeros(5, 3, 3, 3)})),
    ),
    Case(
        "weights that are not there",
        "fcn-train experiment=shapes init_from=vgg16.pth",
        "vgg16.pth does not exist. Name a run, a checkpoint or a file of weights.",
        files=data,
    ),
    Case(
        "a stage before this one that is not there",
        "fcn-train experiment=shapes head=fcn16s init_from=default",
        (
            "runs/shapes/fcn32s/seed0, the stage before this one, does not exist. Train it first: "
            "fcn-train experiment=shapes head=fcn32s seed=0"
        ),
        files=data,
    ),
    Case(
        "a network to continue without its optimizer",
        "fcn-train experiment=shapes ckpt_path=net.ckpt",
        (
            "net.ckpt has no state of an optimizer to continue with. Start from its weights alone "
            "with init_from=net.ckpt."
        ),
        files=all_of(data, checkpoint(num_classes=7)),
    ),
]
