"""Data sets, splits and augmentation, without Lightning."""

from fcn_lightning.data.augment import Augment
from fcn_lightning.data.dataset import Example, File, Sample, SegmentationDataset
from fcn_lightning.data.images import read_image
from fcn_lightning.data.mask import Mask
from fcn_lightning.data.splits import Splits, splits_of
from fcn_lightning.data.voc import voc_and_sbd
from fcn_lightning.labels import LabelSet

__all__ = [
    "Augment",
    "Example",
    "File",
    "LabelSet",
    "Mask",
    "Sample",
    "SegmentationDataset",
    "Splits",
    "read_image",
    "splits_of",
    "voc_and_sbd",
]
