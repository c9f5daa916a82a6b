"""What the golden files hold that is not computed: images, labels and weights, from seeds."""

import numpy as np
from caffe import VOID

MEANS = {  # BGR, but for HHA
    "voc": (104.00699, 116.66877, 122.67892),
    "pascalcontext": (104.007, 116.669, 122.679),
    "siftflow": (114.578, 115.294, 108.353),
    "nyud": (116.190, 97.203, 92.318),
    "hha": (132.431, 94.076, 118.477),
}
LOG_DEPTH_MEAN = 7.844
CLASSES = {"voc": 21, "pascalcontext": 60, "siftflow": 33, "nyud": 40}

# Gains make all scores matter, and keep ten updates smooth; the seeds leave few channels dead.
SEEDS = {"voc-fcn-alexnet": 42, "voc-fcn-googlenet": 14}
GAINS = {"conv1_1": 0.1, "fc6": 0.3, "score_pool4": 0.2, "score_pool3": 0.1}
GAINS_OF = {
    "voc-fcn8s-atonce": GAINS | {"score_pool4": 10, "score_pool3": 300},
    "voc-fcn-alexnet": {"score_fr": 0.05},
    "voc-fcn-googlenet": {"conv1": 0.1, "score_fr": 0.5},
}


def waves(rng, count, height, width):
    """Smooth random fields of about unit variance."""
    pace, phase = rng.normal(0, 0.15, (2, count, 8, 1, 1)), rng.uniform(0, 2 * np.pi, (count, 8))
    angle = pace[0] * np.arange(height)[:, None] + pace[1] * np.arange(width)
    return np.cos(angle + phase[:, :, None, None]).sum(1) / 2


def photo(height, width, classes=21, seed=0):
    """An image of coloured regions, and their labels with a band of void."""
    rng = np.random.default_rng((height, width, classes, seed))
    fields = waves(rng, 9, height, width)
    names = rng.choice(classes, 5, replace=False)
    region = fields[:5].argmax(0)
    label = np.where(np.abs(fields[5]) < 0.1, VOID, names[region]).astype(np.uint8)
    rgb = 110 + 35 * fields[6:].transpose(1, 2, 0) + rng.normal(0, 30, (5, 3))[region]
    rgb += rng.normal(0, 12, rgb.shape)
    return rgb.clip(0, 255).astype(np.uint8), label


def inputs_of(model, rgb, label):
    """Those of a network that reads images alone."""
    bgr = rgb[..., ::-1] - np.array(MEANS[model.split("-")[0]])
    return {"data": bgr.transpose(2, 0, 1), "label": label}


def other_inputs(model, size):
    """Those that a file keeps itself, rounded to half precision as it keeps them."""
    dataset, _, *kind = model.split("-")
    rgb, label = photo(*size, CLASSES[dataset])
    color = inputs_of(model, rgb, label)["data"]
    hha = photo(*size, seed=2)[0] - np.array(MEANS["hha"])
    log_depth = np.log(np.round(2500 * np.exp(waves(np.random.default_rng(size), 1, *size) / 3)))
    inputs = {
        (): {"data": color},
        ("color",): {"data": color},
        ("googlenet",): {"data": color},
        ("hha",): {"data": hha.transpose(2, 0, 1)},
        ("color", "d"): {"color": color, "depth": log_depth - LOG_DEPTH_MEAN},
        ("color", "hha"): {"color": color, "hha": hha.transpose(2, 0, 1)},
    }[tuple(kind)]
    inputs = {name: value.astype(np.float16).astype(float) for name, value in inputs.items()}
    if dataset == "siftflow":
        return inputs | {"sem": label, "geo": np.where(label == VOID, label, label % 3)}
    return inputs | {"label": label}


def drawn(model, tag=""):
    """A filler: He's, times a layer's gain, as the files will hold it."""
    rng = np.random.default_rng((SEEDS.get(model, 194), *tag.encode()))
    gains = GAINS_OF.get(model, GAINS)

    def fill(name, shape):
        layer, _, kind = name.partition(".")
        if kind == "bias":
            value = rng.normal(0.1, 0.1, shape)
        else:
            of_layer = [gain for start, gain in gains.items() if layer.startswith(start)]
            value = rng.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape) * np.prod(of_layer)
        return value.astype(np.float32).astype(float)

    return fill
