"""Images and labels, without Lightning."""

from fcn_lightning.data.dataset import Example, Sample, SegmentationDataset
from fcn_lightning.data.splits import Splits, voc_and_sbd
from fcn_lightning.data.transforms import Augment

__all__ = ["Augment", "Example", "Sample", "SegmentationDataset", "Splits", "voc_and_sbd"]
