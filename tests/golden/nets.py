"""The reference's networks, layer by layer as its net.py files, but of few channels.

Two are not the reference's but CVPR 2015's: FCN-GoogLeNet, whose layers are those of BVLC's
bvlc_googlenet/train_val.prototxt, and the 16s of NYUD's color-hha.

Blobs have the reference's names; crops begin where its coord_map puts them. Multipliers are those
of the rate and of the decay, for weights and for biases.
"""

WIDTHS, FC = (2, 3, 4, 4, 4), 8
FCN = ((1, 1), (2, 0))
CAFFE = ((1, 1), (1, 1))
INCEPTIONS = {  # the published widths of each block's six convolutions, by 32 and at least 2
    "3a": (2, 3, 4, 2, 2, 2),
    "3b": (4, 4, 6, 2, 3, 2),
    "4a": (6, 3, 7, 2, 2, 2),
    "4b": (5, 4, 7, 2, 2, 2),
    "4c": (4, 4, 8, 2, 2, 2),
    "4d": (4, 5, 9, 2, 2, 2),
    "4e": (8, 5, 10, 2, 4, 4),
    "5a": (8, 5, 10, 2, 4, 4),
    "5b": (12, 6, 12, 2, 4, 4),
}


def conv_relu(n, top, bottom, num_output, kernel=3, pad=1, mults=FCN, **size):
    n.conv(top, bottom, num_output, kernel, pad=pad, mults=mults, **size)
    n.relu(top)


def vgg16(n, bottom="data", end="", first="conv1_1"):
    for i, (depth, width) in enumerate(zip((2, 2, 3, 3, 3), WIDTHS), 1):
        for j in range(1, depth + 1):
            top = (first if i == j == 1 else f"conv{i}_{j}") + end
            conv_relu(n, top, bottom, width, pad=100 if i == j == 1 else 1)
            bottom = top
        n.pool(f"pool{i}{end}", bottom)
        bottom = f"pool{i}{end}"
    classifier(n, bottom, 7, end)


def classifier(n, bottom, kernel, end="", mults=FCN):
    conv_relu(n, f"fc6{end}", bottom, FC, kernel, 0, mults)
    n.dropout(f"fc6{end}")
    conv_relu(n, f"fc7{end}", f"fc6{end}", FC, 1, 0, mults)
    n.dropout(f"fc7{end}")


def head32s(n, classes, end="", label="label", loss="loss"):
    n.conv(f"score_fr{end}", "fc7", classes, mults=FCN)
    n.deconv(f"upscore{end}", f"score_fr{end}", 64, 32)
    n.crop(f"score{end}", f"upscore{end}", "data", 19)
    n.softmax_loss(loss, f"score{end}", label)


def fcn32s(n, classes, **trunk):
    vgg16(n, **trunk)
    head32s(n, classes)


def fuse_pool4(n, classes, end="", trunk=""):
    n.conv(f"score_fr{end}", f"fc7{trunk}", classes, mults=FCN)
    n.deconv(f"upscore2{end}", f"score_fr{end}", 4, 2)
    n.conv(f"score_pool4{end}", f"pool4{trunk}", classes, mults=FCN)
    n.crop(f"score_pool4{end}c", f"score_pool4{end}", f"upscore2{end}", 5)
    n.eltwise(f"fuse_pool4{end}", (f"upscore2{end}", f"score_pool4{end}c"))


def head16s(n, classes, end="", label="label", loss="loss"):
    fuse_pool4(n, classes, end)
    n.deconv(f"upscore16{end}", f"fuse_pool4{end}", 32, 16)
    n.crop(f"score{end}", f"upscore16{end}", "data", 27)
    n.softmax_loss(loss, f"score{end}", label)


def head8s(n, classes, end="", label="label", loss="loss", pools=("pool4", "pool3")):
    n.conv(f"score_fr{end}", "fc7", classes, mults=FCN)
    n.deconv(f"upscore2{end}", f"score_fr{end}", 4, 2)
    n.conv(f"score_pool4{end}", pools[0], classes, mults=FCN)
    n.crop(f"score_pool4{end}c", f"score_pool4{end}", f"upscore2{end}", 5)
    n.eltwise(f"fuse_pool4{end}", (f"upscore2{end}", f"score_pool4{end}c"))
    n.deconv(f"upscore_pool4{end}", f"fuse_pool4{end}", 4, 2)
    n.conv(f"score_pool3{end}", pools[1], classes, mults=FCN)
    n.crop(f"score_pool3{end}c", f"score_pool3{end}", f"upscore_pool4{end}", 9)
    n.eltwise(f"fuse_pool3{end}", (f"upscore_pool4{end}", f"score_pool3{end}c"))
    n.deconv(f"upscore8{end}", f"fuse_pool3{end}", 16, 8)
    n.crop(f"score{end}", f"upscore8{end}", "data", 31)
    n.softmax_loss(loss, f"score{end}", label)


def fcn16s(n, classes):
    vgg16(n)
    head16s(n, classes)


def fcn8s(n, classes):
    vgg16(n)
    head8s(n, classes)


def at_once(n, classes):
    vgg16(n)
    n.scale("scale_pool4", "pool4", 0.01)
    n.scale("scale_pool3", "pool3", 0.0001)
    head8s(n, classes, pools=("scale_pool4", "scale_pool3"))


def alexnet(n, classes):
    trunk = {"mults": CAFFE}  # multipliers are given to the scoring layer alone
    conv_relu(n, "conv1", "data", 4, 11, 100, stride=4, **trunk)
    n.pool("pool1", "conv1", 3)
    n.lrn("norm1", "pool1")
    conv_relu(n, "conv2", "norm1", 6, 5, 2, group=2, **trunk)
    n.pool("pool2", "conv2", 3)
    n.lrn("norm2", "pool2")
    conv_relu(n, "conv3", "norm2", 6, **trunk)
    conv_relu(n, "conv4", "conv3", 6, group=2, **trunk)
    conv_relu(n, "conv5", "conv4", 4, group=2, **trunk)
    n.pool("pool5", "conv5", 3)
    classifier(n, "pool5", 6, **trunk)
    n.conv("score_fr", "fc7", classes, mults=FCN)
    n.deconv("upscore", "score_fr", 63, 32)
    n.crop("score", "upscore", "data", 18)
    n.softmax_loss("loss", "score", normalize=True)


def inception(n, name, bottom, widths):
    one, reduce3, three, reduce5, five, projection = widths
    conv_relu(n, f"{name}/1x1", bottom, one, 1, 0)
    conv_relu(n, f"{name}/3x3_reduce", bottom, reduce3, 1, 0)
    conv_relu(n, f"{name}/3x3", f"{name}/3x3_reduce", three, 3, 1)
    conv_relu(n, f"{name}/5x5_reduce", bottom, reduce5, 1, 0)
    conv_relu(n, f"{name}/5x5", f"{name}/5x5_reduce", five, 5, 2)
    n.pool(f"{name}/pool", bottom, 3, 1, 1)
    conv_relu(n, f"{name}/pool_proj", f"{name}/pool", projection, 1, 0)
    branches = ("1x1", "3x3", "5x5", "pool_proj")
    n.concat(f"{name}/output", [f"{name}/{branch}" for branch in branches])


def googlenet(n, classes):
    """Padded as published; scored without its average pooling, as CVPR 2015, 4.1."""
    conv_relu(n, "conv1/7x7_s2", "data", 6, 7, 3, stride=2)
    n.pool("pool1/3x3_s2", "conv1/7x7_s2", 3)
    n.lrn("pool1/norm1", "pool1/3x3_s2")
    conv_relu(n, "conv2/3x3_reduce", "pool1/norm1", 4, 1, 0)
    conv_relu(n, "conv2/3x3", "conv2/3x3_reduce", 8)
    n.lrn("conv2/norm2", "conv2/3x3")
    n.pool("pool2/3x3_s2", "conv2/norm2", 3)
    bottom = "pool2/3x3_s2"
    for name, widths in INCEPTIONS.items():
        inception(n, f"inception_{name}", bottom, widths)
        bottom = f"inception_{name}/output"
        if name in ("3b", "4e"):
            n.pool(f"pool{name[0]}/3x3_s2", bottom, 3)
            bottom = f"pool{name[0]}/3x3_s2"
    n.conv("score_fr", bottom, classes, mults=FCN)
    # coord_map: x of the image is (x - b) / s of a map. Convolutions that keep their size leave b
    # at 0; a pool of 3 at stride s adds s, (3 - 1) / 2 of its pixels, before it doubles s:
    # conv1 s = 2, b = 0; pools s = 4, 8, 16, 32, b = 2, 6, 14, 30. Upscored by 63, b is
    # 30 - (63 - 1) / 2 = -1: one pixel before the image. (By 64 it would be -1.5, on no pixel.)
    n.deconv("upscore", "score_fr", 63, 32)
    n.crop("score", "upscore", "data", 1)
    n.softmax_loss("loss", "score", normalize=True)


def siftflow(n, head):
    vgg16(n)
    head(n, 33, "_sem", "sem", "loss")
    head(n, 3, "_geo", "geo", "loss_geo")


def color_d(n):
    n.concat("data", ("color", "depth"))
    fcn32s(n, 40, first="conv1_1_bgrd")


def color_hha(n):
    for end in ("color", "hha"):
        vgg16(n, end, end)
        n.conv(f"score_fr{end}", f"fc7{end}", 40, mults=FCN)
    n.eltwise("score_fused", ("score_frcolor", "score_frhha"), (0.5, 0.5))
    n.deconv("upscore", "score_fused", 64, 32)
    n.crop("score", "upscore", "color", 19)
    n.softmax_loss("loss", "score")


def color_hha_16s(n):
    """The two trunks' sums are averaged where 32s averages its scores: before the last upscore."""
    for end in ("color", "hha"):
        vgg16(n, end, end)
        fuse_pool4(n, 40, end, end)
    n.eltwise("score_fused", ("fuse_pool4color", "fuse_pool4hha"), (0.5, 0.5))
    n.deconv("upscore16", "score_fused", 32, 16)
    n.crop("score", "upscore16", "color", 27)
    n.softmax_loss("loss", "score")


NETS = {
    "voc-fcn32s": lambda n: fcn32s(n, 21),
    "voc-fcn16s": lambda n: fcn16s(n, 21),
    "voc-fcn8s": lambda n: fcn8s(n, 21),
    "voc-fcn8s-atonce": lambda n: at_once(n, 21),
    "voc-fcn-alexnet": lambda n: alexnet(n, 21),
    "voc-fcn-googlenet": lambda n: googlenet(n, 21),
    "pascalcontext-fcn32s": lambda n: fcn32s(n, 60),
    "pascalcontext-fcn16s": lambda n: fcn16s(n, 60),
    "pascalcontext-fcn8s": lambda n: fcn8s(n, 60),
    "siftflow-fcn32s": lambda n: siftflow(n, head32s),
    "siftflow-fcn16s": lambda n: siftflow(n, head16s),
    "siftflow-fcn8s": lambda n: siftflow(n, head8s),
    "nyud-fcn32s-color": lambda n: fcn32s(n, 40),
    "nyud-fcn32s-hha": lambda n: fcn32s(n, 40),
    "nyud-fcn32s-color-d": color_d,
    "nyud-fcn32s-color-hha": color_hha,
    "nyud-fcn16s-color-hha": color_hha_16s,
}
