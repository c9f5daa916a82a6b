"""`fcn predict`: images, options and folders."""

from pathlib import Path

from catalogue.case import Case
from catalogue.prepared import all_of, checkpoint, claimed, image, text

TITLE = "Predicting"

net, photo = checkpoint(), image("photo.png")
both = all_of(net, photo)


def cut() -> None:
    """Draw an image and cut its file off."""
    photo()
    Path("photo.png").write_bytes(Path("photo.png").read_bytes()[:40])


OUT = ("masks/predict.json",)
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"
CASES = [
    Case(
        "no folder for the label maps",
        "fcn predict net.ckpt photo.png",
        "Name the folder of the label maps with --out.",
        files=both,
    ),
    Case(
        "an image that is not there",
        "fcn predict net.ckpt photo.png --out masks",
        "Image not found: photo.png.",
        files=net,
    ),
    Case(
        "a folder without images",
        "fcn predict net.ckpt photos --out masks",
        "The folder photos has no images. Search its subfolders with --recursive.",
        files=all_of(net, text("photos/notes.txt", "")),
    ),
    Case(
        "a list with a NUL",
        "fcn predict net.ckpt @list.txt --out masks",
        "list.txt is not text. Put the path of one image on each line.",
        files=all_of(net, text("list.txt", "a\0b.png\n")),
    ),
    Case(
        "two images with one name",
        "fcn predict net.ckpt photo.png other/photo.jpg --out masks",
        (
            "photo.png and other/photo.jpg would both be written to photo.png. Predict them into "
            "different folders."
        ),
        files=all_of(both, image("other/photo.jpg")),
    ),
    Case(
        "results in place of the images",
        "fcn predict net.ckpt photo.png --out .",
        "photo.png is one of the images. Choose another folder with --out.",
        files=both,
    ),
    Case(
        "files of something else",
        "fcn predict net.ckpt photo.png --out masks",
        "masks/photo.png already exists. Replace it with --overwrite.",
        files=all_of(both, text("masks/photo.png", "mine")),
    ),
    Case(
        "another checkpoint's results",
        "fcn predict net.ckpt photo.png --out masks",
        (
            "masks was made with the checkpoint other.ckpt, not net.ckpt; json null, not false; "
            "label_values null, not false; mirror null, not false; modality null, not []; overlay "
            "null, not false; scales null, not [1.0]; scores null, not false. Choose another "
            "folder with --out, or replace its predictions with --overwrite."
        ),
        files=all_of(
            both,
            text("masks/predict.json", '{"checkpoint":"other.ckpt","sha256":"0","options":{}}'),
        ),
    ),
    Case(
        "a record that is not complete",
        "fcn predict net.ckpt photo.png --out masks",
        "masks/predict.json is damaged. Remove it together with the predictions beside it.",
        files=all_of(both, text("masks/predict.json", "{")),
    ),
    Case(
        "a record of a hundred thousand brackets",
        "fcn predict net.ckpt photo.png --out masks",
        "masks/predict.json is damaged. Remove it together with the predictions beside it.",
        files=all_of(both, text("masks/predict.json", "[" * 100_000)),
    ),
    Case(
        "a record whose options are a list",
        "fcn predict net.ckpt photo.png --out masks",
        "masks/predict.json is damaged. Remove it together with the predictions beside it.",
        files=all_of(
            both, text("masks/predict.json", '{"checkpoint":"a","sha256":"0","options":[1]}')
        ),
    ),
    Case(
        "an image beside standard input",
        "fcn predict net.ckpt - --overlay",
        (
            "With - the label map of one image goes to standard output. Leave out other images, "
            "--out, --overlay, --scores and --json."
        ),
        files=net,
    ),
    Case(
        "what is no image on standard input",
        "fcn predict net.ckpt -",
        ("Cannot read the image on standard input: its format is unknown, or the file is damaged."),
        files=net,
    ),
    Case(
        "scales that are none",
        "fcn predict net.ckpt photo.png --out masks --scales x",
        "`--scales` takes numbers, separated by commas: 0.75,1,1.25; got 'x'.",
        files=both,
    ),
    Case(
        "a scale of 0",
        "fcn predict net.ckpt photo.png --out masks --scales 0",
        "Scales must be positive multiples of 0.05, such as 0.5,1,1.25; got 0.0.",
        files=both,
    ),
    Case(
        "a part beyond the last",
        "fcn predict net.ckpt photo.png --out masks --shard 2/2",
        "--shard must be K/N with K from 0 to N - 1; got 2/2.",
        files=both,
    ),
    Case(
        "an empty batch",
        "fcn predict net.ckpt photo.png --out masks --batch 0",
        (
            "Invalid value for '--batch': Input should be greater than or equal to 1. `fcn "
            "predict --help` lists the options."
        ),
        files=both,
    ),
    Case(
        "a limit that is no number",
        "fcn predict net.ckpt photo.png --out masks --max-megapixels nan",
        "`--max-megapixels` takes a number above 0; got nan.",
        files=both,
    ),
    Case(
        "a misspelt option",
        "fcn predict net.ckpt photo.png --out masks --recursve",
        (
            "No such option: --recursve (Possible options: --recursive, --workers). `fcn predict "
            "--help` lists the options."
        ),
        files=both,
    ),
    Case(
        "an unknown command",
        "fcn prdict net.ckpt",
        "No such command 'prdict'. Did you mean 'predict'? `fcn --help` lists the options.",
    ),
    Case(
        "a modality that the network lacks",
        "fcn predict net.ckpt photo.png --out masks --modality depth=depths",
        "The network labels single images: no --modality; got depth=depths.",
        files=both,
    ),
    Case(
        "an image that is cut off",
        "fcn predict net.ckpt photo.png --out masks",
        "Cannot read the image photo.png: its format is unknown, or the file is damaged.",
        files=all_of(net, cut),
        status=1,
        writes=OUT,
    ),
    Case(
        "a decompression bomb",
        "fcn predict net.ckpt bomb.png --out masks",
        (
            "Cannot read the image bomb.png: it claims 900,000,000 pixels, more than 178,000,000, "
            "and may be a decompression bomb. Raise the limit with `fcn predict --max-megapixels`; "
            "for training and scoring, cut the image into smaller ones."
        ),
        files=all_of(net, claimed("bomb.png", 30_000, 30_000)),
        status=1,
        writes=OUT,
    ),
    Case(
        "a program in PostScript",
        "fcn predict net.ckpt photo.png --out masks",
        (
            "Cannot read the image photo.png: it is a program in PostScript, not an image. "
            "Convert it to PNG."
        ),
        files=all_of(net, text("photo.png", EPS)),
        status=1,
        writes=OUT,
    ),
]
