"""The best mean IU that a prediction of each stride can have on a data set's own labels.

The definitions are those of `fcn_lightning.upper_bounds`. With data sets of the configuration,
those are the validation labels; with --labels the maps of one of VOC's or SBD's own lists, whose
images may be missing.

    python benchmarks/upper_bounds.py data=shapes
    python benchmarks/upper_bounds.py --labels FOLDER voc/val

Source: Long et al. 2014 (arXiv:1411.4038v2), appendix A.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from hydra.utils import instantiate
from torch import Tensor

from fcn_lightning.data import Splits, sbd, voc
from fcn_lightning.labels import VOC, by_name
from fcn_lightning.runs.compose import compose
from fcn_lightning.upper_bounds import STRIDES, upper_bounds

TREES = {"voc": voc.tree, "sbd": sbd.tree}


def of_list(folder: Path, name: str) -> list[Tensor]:
    """The label maps of a list, by a name such as `voc/val`."""
    kind, _, split = name.partition("/")
    tree = TREES[kind](folder)
    files = [tree.labels[""].file(one) for one in tree.ids(split)]
    return [torch.from_numpy(file.read(file.path)) for file in files]


def of_validation(splits: Splits) -> Iterator[Tensor]:
    """The validation labels of a data set of one head."""
    for i in range(len(splits.val)):
        yield next(iter(by_name(splits.val[i]["label"]).values()))


def main() -> None:
    """Print the mean IU in percent, a row for each definition and a column for each stride."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labels", nargs=2, metavar=("FOLDER", "LIST"))
    parser.add_argument("overrides", nargs="*", help="data=NAME and other overrides")
    given = parser.parse_args()
    if given.labels:
        labels, num_classes = of_list(Path(given.labels[0]), given.labels[1]), len(VOC)
    else:
        config = compose([*given.overrides, "classifier=null"])
        splits = instantiate(config.data, _convert_="all")
        labels, num_classes = list(of_validation(splits)), len(splits.labels)
    began = time.perf_counter()
    bounds = upper_bounds(labels, num_classes)
    took = time.perf_counter() - began
    print(f"{'stride':10}" + "".join(f"{stride:7d}" for stride in STRIDES))
    for name, of_stride in bounds.items():
        print(f"{name:10}" + "".join(f"{100 * of_stride[stride]:7.1f}" for stride in STRIDES))
    ms = 1000 * took / (len(labels) * len(STRIDES) * len(bounds))
    print(f"{len(labels)} label maps; {ms:.1f} ms for each map, stride and definition")


if __name__ == "__main__":
    main()
