"""Forward maps, losses and updates of the authors' networks on real Caffe."""

import json

import numpy as np
import pytest
import torch

from fcn_lightning.losses import softmax_loss
from fcn_lightning.models import transplant
from fcn_lightning.optim import Recipe, configure

SKIPS = {"voc-fcn32s": (), "voc-fcn8s": ("pool4", "pool3")}


@pytest.fixture
def caffes_convolutions(monkeypatch):
    """Convolutions by im2col on one thread, as Caffe's: oneDNN and more threads round otherwise.

    The ten updates are chaotic: rounding alone moves conv1_1 by 0.0004 to 0.05 of its largest
    weight, in float64 too (where the starting weights change by one part in ten million).
    """
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", False)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def load(shared):
    return lambda name: np.load(shared / "golden" / f"{name}.npz")


@pytest.fixture
def network_of(narrow, load):
    def make(model):
        network = narrow(SKIPS[model])
        weights = load(f"weights_{model}_narrow")
        report = transplant(network, {name: torch.from_numpy(weights[name]) for name in weights})
        assert not report.missing
        assert not report.left_out
        return network

    return make


@pytest.fixture(params=SKIPS)
def run(request, network_of, load):
    """A network's golden values, and its own by the same names."""
    model = request.param
    network, golden = network_of(model), load(f"forward_{model}_narrow_97x131")
    maps, head = {}, network.head

    def keep(layer, name):
        layer.register_forward_hook(lambda _, __, out: maps.update({name: out}))

    def keep_input(layer, name):
        layer.register_forward_pre_hook(lambda _, inputs: maps.update({name: inputs[0]}))

    for layer in (network.backbone.pool5, *head.children()):
        name = next(n for n, module in network.named_modules() if module is layer)
        keep(layer, name.rpartition(".")[2])
    if head.skips:
        keep_input(head.upscore_pool4, "fuse_pool4")
        keep_input(head.upscore8, "fuse_pool3")
    image = torch.from_numpy(golden["image_rgb"]).permute(2, 0, 1)[None]
    with torch.no_grad():
        maps["score"] = network(image)
    if head.skips:
        for above, skip in (("upscore2", "score_pool4"), ("upscore_pool4", "score_pool3")):
            begin, (h, w) = head.crops[above][1], maps[above].shape[2:]
            maps[f"{skip}c"] = maps[skip][:, :, begin : begin + h, begin : begin + w]
    return golden, {name: a_map[0] for name, a_map in maps.items()}


def test_every_blob(run):
    golden, maps = run
    blobs = {name: golden[name] for name in golden if name.startswith("blob_")}
    blobs["blob_score"] = golden["score"]
    assert len(blobs) in (3, 11)
    for name, blob in blobs.items():
        ours = maps[name.removeprefix("blob_")]
        np.testing.assert_allclose(ours, blob, rtol=0, atol=5e-5, err_msg=name)
        assert np.abs(blob).max() > 100 * 5e-5


def test_argmax_where_it_is_clear(run):
    golden, maps = run
    best, second = maps["score"].topk(2, dim=0).values
    clear = (best - second > 1e-4).numpy()
    assert clear.mean() > 0.99
    np.testing.assert_array_equal(maps["score"].argmax(0).numpy()[clear], golden["argmax"][clear])


def test_loss(run):
    golden, maps = run
    label = torch.from_numpy(golden["label"])[None]
    loss = softmax_loss(maps["score"][None], label, "sum").item()
    assert loss == pytest.approx(float(golden["loss"]), rel=1e-4)
    assert loss == pytest.approx(float(golden["loss_float64_from_score"]), rel=1e-5)


@pytest.mark.usefixtures("caffes_convolutions")
def test_ten_updates(network_of, load):
    golden = load("train_voc-fcn32s_fast")
    images = load("train_sequence")
    meta = json.loads(str(golden["meta"]))
    network = network_of("voc-fcn32s")
    start = {name: value.clone() for name, value in parameters(network).items()}
    recipe = Recipe(
        loss="sum",
        optimizer="sgd",
        lr=meta["base_lr"],
        momentum=meta["momentum"],
        weight_decay=meta["weight_decay"],
        batch=1,
        max_steps=10,
        val_every=10,
    )
    optimizer, schedule = configure(network, recipe)
    for i, expected in enumerate(golden["loss"]):
        image = torch.from_numpy(images[f"rgb{i % 3}"]).permute(2, 0, 1)[None]
        label = torch.from_numpy(images[f"label{i % 3}"])[None]
        optimizer.zero_grad()
        loss = softmax_loss(network(image), label, recipe.loss).mean()
        loss.backward()
        if i == 0:
            grads = {name: p.grad.clone() for name, p in parameters(network, data=False).items()}
        optimizer.step()
        schedule.step()
        assert loss.item() == pytest.approx(expected, rel=1e-4)
    for name, value in parameters(network).items():
        close(grads[name], golden[f"grad0/{name}"], 1e-4, f"first gradient of {name}")
        final = golden[f"final/{name}"]
        close(value, final, 1e-5, name)
        change = final - start[name].numpy()
        if np.abs(change).max() * 0.02 > np.abs(final).max() * 1e-5:
            close(value - start[name], change, 0.02, f"change of {name}")


def parameters(network, data=True):
    """By the layers' own names."""
    return {
        ".".join(name.split(".")[-2:]): parameter.detach() if data else parameter
        for name, parameter in network.named_parameters()
    }


def close(ours, golden, fraction, what):
    """To a fraction of the largest value."""
    atol = fraction * np.abs(golden).max()
    np.testing.assert_allclose(ours.numpy(), golden, rtol=0, atol=atol, err_msg=what)
