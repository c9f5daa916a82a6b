"""Data sets, splits and augmentation, without Lightning."""

from fcn_lightning.data.augment import Augment
from fcn_lightning.data.dataset import Example, Sample, SegmentationDataset
from fcn_lightning.data.splits import Splits, voc_and_sbd

__all__ = ["Augment", "Example", "Sample", "SegmentationDataset", "Splits", "voc_and_sbd"]
