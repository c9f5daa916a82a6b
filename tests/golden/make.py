"""Makes this folder's golden files: `python tests/golden/make.py`, less than a minute.

All images, labels and weights are drawn from seeds, and computed in double precision by caffe.py;
nothing comes from the package. Another processor may round a last digit otherwise.
"""

import functools
import json
import random
from collections import Counter
from pathlib import Path

import numpy as np
from caffe import SGD, VOID, Net, bilinear
from draws import CLASSES, drawn, inputs_of, other_inputs, photo
from nets import NETS

HERE = Path(__file__).parent
FORWARD = {
    "voc-fcn32s": (33, 45),
    "voc-fcn16s": (21, 27),
    "voc-fcn8s": (33, 45),
    "voc-fcn8s-atonce": (26, 19),
    "voc-fcn-alexnet": (30, 38),
    "pascalcontext-fcn32s": (17, 25),
    "pascalcontext-fcn16s": (22, 18),
    "pascalcontext-fcn8s": (19, 23),
}
EXTRA = {
    "siftflow-fcn32s": (21, 30),
    "siftflow-fcn16s": (26, 37),
    "siftflow-fcn8s": (37, 26),
    "nyud-fcn32s-color": (31, 42),
    "nyud-fcn32s-hha": (24, 33),
    "nyud-fcn32s-color-d": (35, 29),
    "nyud-fcn32s-color-hha": (33, 45),
    "nyud-fcn16s-color-hha": (29, 38),
}
GOOGLENET = (65, 97), (31, 50), (90, 64)
TRAIN = [  # model, tag, rate, decay, and what else is not as usual
    ("voc-fcn32s", "ref", 1e-10, 5e-4, {"score": "zero"}),
    ("voc-fcn32s", "dropout", 4e-8, 5e-4, {"dropout": True}),
    ("voc-fcn16s", "fast", 2e-7, 5e-4, {"zero": ["score_pool4"]}),
    ("voc-fcn16s", "learnup2", 6e-8, 5e-4, {"up_lr": {"upscore2": 1.0}}),
    ("voc-fcn8s-atonce", "fast", 2.5e-7, 5e-4, {"zero": ["score_pool4", "score_pool3"]}),
    ("voc-fcn8s-atonce", "wdstress", 4e-8, 2.5e4, {}),
    ("voc-fcn-alexnet", "wdstress", 1e-3, 1.0, {"momentum": 0.9, "iter_size": 3}),
    ("voc-fcn-googlenet", "wdstress", 1e-4, 5.0, {"momentum": 0.9, "iter_size": 2}),
    ("nyud-fcn16s-color-hha", "fast", 1e-7, 5e-4, {}),
]
SEQUENCE = (21, 27), (33, 45), (30, 18)
OWN = {  # sizes of images that a trajectory's own file holds: others are too small, or RGB alone
    "voc-fcn-googlenet": ((64, 75), (41, 87), (70, 33)),
    "nyud-fcn16s-color-hha": SEQUENCE,
}
USUAL = {
    "momentum": 0.99,
    "iter_size": 1,
    "iters": 10,
    "dropout": False,
    "score": "random",
    "zero": [],  # layers
    "up_lr": {},
    "seed": 1337,
}


def run(model, params, inputs, **options):
    net = Net(params, inputs, **options)
    NETS[model](net)
    return net


@functools.cache
def weights_of(model, tag=""):
    """Without the fixed deconvolutions, but for those drawn at random."""
    params, smallest = {}, (31, 31)  # that GoogLeNet takes
    inputs = other_inputs(model, smallest) if model in OWN else inputs_of(model, *photo(*smallest))
    run(model, params, inputs, filler=drawn(model, tag))
    for name in [name for name in params if name.startswith("upscore")]:
        shape = params.pop(name).shape
        if tag == "randdeconv":  # of three values, for a small file
            params[name] = np.random.default_rng(len(name)).integers(-1, 2, shape) / 8
    return params


def save(*parts, **values):
    np.savez_compressed(HERE / ("_".join(filter(None, parts)) + ".npz"), **values)


def single(values, prefix=""):
    """In single precision."""
    return {prefix + name: np.asarray(value, np.float32) for name, value in values.items()}


def halves(inputs):
    """Images in the half precision that `other_inputs` rounded them to; labels as they are."""
    return {n: x.astype(np.float16) if x.ndim == 3 else x for n, x in inputs.items()}


def by(size):
    return "{}x{}".format(*size)


def write(name, values):
    (HERE / f"{name}.json").write_text(json.dumps(values, separators=(",", ":")) + "\n")


def forward(model, size, tag="", step=1, most=None):
    """With every so many-th row and column of the score, and at most so many other maps."""
    rgb, label = photo(*size, CLASSES[model.split("-")[0]])
    blobs = run(model, dict(weights_of(model, tag)), inputs_of(model, rgb, label)).blobs
    starts = ("score_pool", "fuse", "upscore2", "upscore_")
    ends = ("/norm1", "/norm2", "/output")  # GoogLeNet's
    wanted = [
        b for b in blobs if b in ("pool5", "score_fr") or b.startswith(starts) or b.endswith(ends)
    ]
    maps = {f"blob_{name}": blobs[name] for name in wanted[:most]}
    key = "score" if step == 1 else f"score_stride{step}"
    maps[key] = blobs["score"][:, ::step, ::step]
    save(
        *("forward", model, "narrow", tag, by(size)),
        image_rgb=rgb,
        label=label,
        argmax=blobs["score"].argmax(0).astype(np.uint8),
        loss=blobs["loss"],
        loss_float64_from_score=blobs["loss"],
        **single(maps),
    )


def stats(model, *sizes):
    """A blob that several layers read has copies, as Caffe splits it."""
    of_size = {}
    for size in sizes:
        net = run(model, dict(weights_of(model)), inputs_of(model, *photo(*size)))
        readers = Counter(b for top, bottoms, _ in net.layers for b in bottoms if b != top)
        of_blob = of_size[by(size)] = {}
        for name, blob in net.blobs.items():
            values = np.asarray(blob, float)
            shape = (1, 1, *values.shape)[-4:] if values.ndim else ()
            of_blob[name] = {"shape": shape, "first": values.ravel()[:6].tolist()}
            of_blob[name] |= {f: float(getattr(values, f)()) for f in ("mean", "std", "min", "max")}
            for i in range(readers[name] if readers[name] > 1 else 0):
                of_blob[f"{name}_{name}_0_split_{i}"] = of_blob[name]
    write(f"stats_{model}_narrow", of_size)


def extra(model, size):
    params, inputs = {}, other_inputs(model, size)
    blobs = run(model, params, inputs, filler=drawn(model)).blobs
    values = {f"in_{name}": blob for name, blob in halves(inputs).items()}
    for name in blobs:
        if name.startswith("loss"):
            values[name] = blobs[name]
        elif name in ("score", "score_sem", "score_geo"):
            values |= single({f"{name}_stride3": blobs[name][:, ::3, ::3]})
            values[f"{name}_argmax"] = blobs[name].argmax(0).astype(np.uint8)
        elif name.startswith(("score_f", "fuse")):
            values |= single({f"blob_{name}": blobs[name]})
    weights = {name: value for name, value in params.items() if not name.startswith("upscore")}
    save("extra", model, "narrow", by(size), **values, **single(weights, "w/"))


def start_of(meta):
    scoring = ["score_fr", "score_pool4", "score_pool3"] if meta["score"] == "zero" else []
    weights, zero = weights_of(meta["model"]), meta["zero"] + scoring
    return {name: value * (name.split(".")[0] not in zero) for name, value in weights.items()}


def trajectory(meta, params):
    """Ten updates, and what the file holds of them."""
    rng, masks, grads, losses, seen = np.random.default_rng(meta["seed"]), {}, {}, [], 0
    model, own = meta["model"], {}
    if model in OWN:
        images = [other_inputs(model, size) for size in meta["sizes"]]
        for i, inputs in enumerate(images):
            own |= {f"in{i}/{name}": value for name, value in halves(inputs).items()}
    else:
        images = [inputs_of(model, *photo(*size, seed=1)) for size in meta["sizes"]]
    solver = SGD(meta["base_lr"], meta["momentum"], meta["weight_decay"])

    def mask(blob, shape):
        kept = rng.random(shape) < 0.5
        masks[f"mask{seen}/{blob}"] = np.packbits(kept)
        masks[f"maskshape{seen}/{blob}"] = np.array((1, *shape))
        return kept

    options = {"up_lr": meta["up_lr"], "mask": mask if meta["dropout"] else None}
    for _ in range(meta["iters"]):
        nets = []
        for _ in range(meta["iter_size"]):
            nets.append(run(model, params, images[seen % len(images)], **options))
            nets[-1].backward()
            grads = grads or nets[0].grads  # the first image's alone
            seen += 1
        losses.append([float(net.blobs["loss"]) for net in nets])
        solver.step(nets)
    return (
        {"meta": json.dumps(meta), "loss": np.mean(losses, 1)}
        | ({"loss_micro": np.array(losses)} if meta["iter_size"] > 1 else {})
        | own
        | (masks if meta["dropout"] else single(grads, "grad0/"))
        | single({name: params[name] for name in grads}, "final/")
    )


def train():
    images = [photo(*size, seed=1) for size in SEQUENCE]
    rgb = {f"rgb{i}": image for i, (image, _) in enumerate(images)}
    save("train", "sequence", **rgb, **{f"label{i}": label for i, (_, label) in enumerate(images)})
    for model, tag, rate, decay, other in TRAIN:
        meta = {"model": model, "tag": tag, "base_lr": rate, "weight_decay": decay} | USUAL | other
        meta["sizes"] = OWN.get(model, SEQUENCE)
        save("train", model, tag, **trajectory(meta, start_of(meta)))


def metrics():
    """The reference's score.py on noisy predictions; class 7 is absent in two cases."""
    values = {}
    for i, case in enumerate(("all", "absent_gt_predicted", "absent_both")):
        rng = np.random.default_rng(i)
        gt, noise = rng.integers(0, 21, (2, 40, 50)).astype(np.uint8)
        gt[(gt == 7) & (case != "all")] = 8
        pred = np.where(rng.random(gt.shape) < 0.3, noise, gt)
        pred[(pred == 7) & (case == "absent_both")] = 8
        gt[rng.random(gt.shape) < 0.1] = VOID
        hist, valid = np.zeros((21, 21), int), gt != VOID
        np.add.at(hist, (gt[valid], pred[valid]), 1)
        right, of_gt, of_pred = np.diag(hist), hist.sum(1), hist.sum(0)
        with np.errstate(invalid="ignore"):
            cl, iu = right / of_gt, right / (of_gt + of_pred - right)
        scores = {"overall": right.sum() / hist.sum(), "mean_acc": np.nanmean(cl)}
        scores |= {"mean_iu": np.nanmean(iu), "fwavacc": np.nansum(of_gt * iu) / hist.sum()}
        maps = {"gt": gt, "pred": pred, "hist": hist, "iu": iu, "cl": cl}
        values |= {f"{case}/{name}": value for name, value in (maps | scores).items()}
    save("metrics", **values)


def palette():
    """VOC's: the bits of a label, three at a time, from the highest bit of each color down."""
    bits = np.arange(21)[:, None, None] >> (3 * np.arange(7)[:, None] + np.arange(3)) & 1
    np.save(HERE / "palette21.npy", (bits << 7 - np.arange(7)[:, None]).sum(1).astype(np.uint8))


def random_order():
    """Python 2's and 3's randint differ from the same seed."""
    orders, splits = {}, ("sbd_train", "context_train", "nyud_trainval", "siftflow_trainval")
    for name, n in zip(splits, (8498, 4998, 795, 2486)):
        random.seed(1337)
        orders[f"{name}_{n}_py2"] = [int(random.random() * n) for _ in range(20)]
        random.seed(1337)
        orders[f"{name}_{n}_py3_randint"] = [random.randint(0, n - 1) for _ in range(20)]
    write("random_order", orders)


def main():
    for model, size in FORWARD.items():
        save("weights", model, "narrow", **single(weights_of(model)))
        forward(model, size)
    forward("voc-fcn8s", (61, 83), step=5, most=2)
    for model in OWN:
        save("weights", model, "narrow", **single(weights_of(model)))
    forward("voc-fcn-googlenet", GOOGLENET[0], step=3)
    stats("voc-fcn-googlenet", *GOOGLENET)
    other = weights_of("voc-fcn16s", "randdeconv")
    save("weights", "voc-fcn16s", "narrow", "randdeconv", **single(other))
    forward("voc-fcn16s", (18, 30), "randdeconv")
    for model in ("voc-fcn16s", "voc-fcn-alexnet"):
        stats(model, FORWARD[model], (7, 9), (64, 48))
    for model, size in EXTRA.items():
        extra(model, size)
    train()
    metrics()
    save("bilinear_kernels", **{str(k): bilinear(k) for k in (2, 3, 4, 5, 8, 16, 32, 63, 64)})
    palette()
    random_order()


if __name__ == "__main__":
    main()
