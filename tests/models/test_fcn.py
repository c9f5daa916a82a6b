import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from fcn_lightning.models import build, transplant

THIN = {"widths": (1,) * 5, "fc_widths": (1, 1)}
SKIPS = {"vgg16": ("pool4", "pool3"), "alexnet": ("pool2", "pool1")}


@pytest.mark.parametrize(
    ("skips", "count"),
    [((), 134_346_581), (("pool4",), 134_357_354), (("pool4", "pool3"), 134_362_751)],
)
def test_number_of_parameters(skips, count):
    with torch.device("meta"):
        network = build(
            backbone={"name": "vgg16"}, head={"name": "skip", "skips": skips}, num_classes=21
        )
    assert sum(parameter.numel() for parameter in network.parameters()) == count


@pytest.mark.parametrize("padding", [100, "same"])
@pytest.mark.parametrize("backbone", SKIPS)
@pytest.mark.parametrize("several", [False, True])
def test_every_size_is_scored_in_that_size(backbone, padding, several):
    network = thin(backbone, SKIPS[backbone] if several else (), padding)
    sizes = [(side, side) for side in range(1, 71)]
    sizes += [(1, 500), (500, 1), (3, 97), (31, 64), (127, 225), (257, 33)]
    with torch.no_grad():
        for size in sizes:
            score = network(torch.full((1, 3, *size), 200, dtype=torch.uint8))
            assert score.shape == (1, 2, *size)
            assert score.isfinite().all()


@pytest.mark.parametrize("size", [(1, 1), (9, 200)])
def test_small_images_are_padded_with_zeros_after_normalization(size):
    network = thin("alexnet", (), "same")
    seen = []
    network.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    image = torch.randint(0, 256, (1, 3, *size), dtype=torch.uint8)
    network(image)
    assert seen[0].shape[2:] == (29, max(29, size[1]))
    torch.testing.assert_close(seen[0][:, :, : size[0], : size[1]], network.normalize(image))
    assert not seen[0][:, :, size[0] :].any()
    assert not seen[0][:, :, :, size[1] :].any()


def test_a_batch_scores_each_image_as_if_alone(narrow):
    network = narrow(("pool4", "pool3"))
    images = torch.randint(0, 256, (3, 3, 45, 52), dtype=torch.uint8)
    with torch.no_grad():
        together = network(images)
        alone = torch.cat([network(image[None]) for image in images])
    assert alone.std() > 0.1
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


def test_prediction_moves_with_the_image_by_whole_strides(narrow):
    network = narrow(("pool4",))
    image = torch.randint(0, 256, (1, 3, 200, 200), dtype=torch.uint8)
    network.normalize.mean.zero_()
    black = torch.zeros(1, 3, 200, 232, dtype=torch.uint8)
    near, far = black.clone(), black.clone()
    near[..., :200], far[..., 32:] = image, image
    with torch.no_grad():
        a, b = network(near)[..., :200], network(far)[..., 32:]
    torch.testing.assert_close(a[..., 40:160], b[..., 40:160], atol=1e-4, rtol=1e-4)


def test_description_builds_the_same_network_again(narrow):
    network = narrow(("pool4",), padding="same")
    again = build(**network.description)
    again.load_state_dict(network.state_dict())
    image = torch.randint(0, 256, (1, 3, 40, 50), dtype=torch.uint8)
    assert again.description == network.description
    assert torch.equal(again.eval()(image), network(image))


def test_description_holds_the_arguments_of_build():
    network = thin("alexnet", ("pool2",))
    assert network.description == {
        "backbone": {"name": "alexnet", "padding": 100, **THIN},
        "head": {"name": "skip", "skips": ("pool2",)},
        "num_classes": 2,
        "normalize": "caffe",
        "fusion": None,
        "image_scale": 1.0,
    }


def test_image_scale_changes_the_backbones_input_and_not_the_size_of_scores(narrow):
    network = narrow(("pool4",), padding="same")
    pixels = np.random.default_rng(0).integers(0, 256, (3, 80, 120), dtype=np.uint8)
    half = [Image.fromarray(c.astype(np.float32)).resize((60, 40), Image.BILINEAR) for c in pixels]
    with torch.no_grad():
        seen = network(torch.from_numpy(np.stack([np.array(c) for c in half]))[None])[0].numpy()
        network.image_scale = 0.5
        scores = network(torch.from_numpy(pixels)[None])[0].numpy()
    expected = seen
    for axis in (1, 2):
        expected = np.apply_along_axis(twice_as_long, axis, expected)
    np.testing.assert_allclose(scores, expected, atol=1e-4 * np.abs(expected).max())


def twice_as_long(line):
    return np.interp((np.arange(2 * len(line)) + 0.5) / 2 - 0.5, np.arange(len(line)), line)


def test_the_network_applies_the_classifier_at_each_position(narrow):
    classifier = narrow(head={"name": "classifier"}, padding="same", fc6_kernel=3, num_classes=5)
    network = narrow(padding="same", fc6_kernel=3)
    report = transplant(network, classifier.state_dict())
    assert report.missing == ["score_fr.weight", "score_fr.bias"]
    assert report.reshaped == ["fc6.weight", "fc7.weight"]
    assert report.left_out == ["fc8.weight", "fc8.bias"]
    image = torch.randint(0, 256, (1, 3, 96, 96), dtype=torch.uint8)
    with torch.no_grad():
        fc7 = network.backbone(network.normalize(image))["fc7"][:, :, 1, 1]
        expected = classifier.classifier.fc8(fc7)[:, :, None, None]
        scores = classifier(image)
    assert scores.shape == (1, 5, 1, 1)
    torch.testing.assert_close(scores, expected, atol=1e-4, rtol=1e-4)


def test_a_classifier_without_fc6_scores_the_mean_of_the_last_map():
    thin = {"name": "googlenet", "stem": (2, 2, 3), "inceptions": ((1, 1, 2, 1, 1, 1),) * 9}
    classifier = build(backbone=thin, head={"name": "classifier"}, num_classes=5).eval()
    network = build(backbone=thin, head={}, num_classes=21).eval()
    report = transplant(network, classifier.state_dict())
    assert report.missing == ["score_fr.weight", "score_fr.bias"]
    assert report.left_out == ["fc8.weight", "fc8.bias"]
    image = torch.randint(0, 256, (1, 3, 96, 64), dtype=torch.uint8)
    with torch.no_grad():
        (last,) = network.backbone(network.normalize(image))["inception_5b"]
        fc8 = classifier.classifier.fc8
        expected = fc8.weight.numpy() @ last.numpy().mean((1, 2)) + fc8.bias.numpy()
        np.testing.assert_allclose(classifier(image)[0, :, 0, 0], expected, rtol=1e-4, atol=1e-6)


def test_the_classifier_needs_the_size_that_fits_fc6(narrow):
    classifier = narrow(head={"name": "classifier"}, padding="same", fc6_kernel=3)
    with pytest.raises(ValueError, match="fc6") as error:
        classifier(torch.zeros(1, 3, 128, 96, dtype=torch.uint8))
    assert str(error.value) == (
        "fc6 of the classifier has 288 inputs, but an image of 128 x 96 gives 384. Use images of "
        "the size that fits fc6."
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"backbone": {"name": "vgg166"}},
            "`backbone.name` must be one of alexnet, caffenet, googlenet, timm, vgg16, vgg19; got "
            "'vgg166'. Did you mean 'vgg16'?",
        ),
        (
            {"backbone": {}},
            "`backbone.name` must be one of alexnet, caffenet, googlenet, timm, vgg16, vgg19; got "
            "None.",
        ),
        (
            {"head": {"name": "pyramid"}},
            "`head.name` must be one of skip, classifier; got 'pyramid'.",
        ),
        (
            {
                "backbone": {"name": "vgg16", **THIN, "pool5_stride": 1},
                "head": {"name": "classifier"},
            },
            "fc6 of a classifier cannot be dilated. Set `backbone.pool5_stride` to 2.",
        ),
        ({"image_scale": 0.0}, "`image_scale` must be a positive factor; got 0.0."),
        (
            {"normalize": "cafe"},
            "`normalize` must be one of caffe, pascal_context, siftflow, nyud_color, nyud_hha, "
            "nyud_depth, torchvision, inception, clip, unit, shapes_depth; got 'cafe'. Did you "
            "mean 'caffe'?",
        ),
    ],
)
def test_build_refuses(arguments, message):
    description = {"backbone": {"name": "vgg16", **THIN}, "head": {"name": "skip"}}
    with pytest.raises(ValueError, match=r".") as error:
        build(**{**description, "num_classes": 2, **arguments})
    assert str(error.value) == message


def thin(backbone, skips=(), padding=100, **arguments):
    network = build(
        backbone={"name": backbone, "padding": padding, **THIN, **arguments},
        head={"name": "skip", "skips": skips},
        num_classes=2,
    )
    for name in (*skips, "fr"):
        nn.init.normal_(network.head.get_submodule(f"score_{name}").weight)
    return network.eval()
