"""Caffe's layers and its solver in NumPy, written from their definitions.

It shares nothing with the package that is tested against it. A blob is (channels, height, width):
the reference's data layers give one image at a time. The precision is that of the inputs.
"""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Filler = Callable[[str, tuple[int, ...]], np.ndarray]
FLT_MIN = np.finfo(np.float32).tiny
VOID = 255


def im2col(x, kernel, stride):
    """All windows: (channels, kernel, kernel, rows, columns)."""
    windows = sliding_window_view(x, (kernel, kernel), axis=(1, 2))[:, ::stride, ::stride]
    return windows.transpose(0, 3, 4, 1, 2)


def col2im(columns, stride, shape):
    """Adds windows up where they overlap; the transpose of `im2col`."""
    channels, kernel, _, h, w = columns.shape
    x = np.zeros((channels, *shape), columns.dtype)
    for i, j in np.ndindex(kernel, kernel):
        x[:, i : i + stride * h : stride, j : j + stride * w : stride] += columns[:, i, j]
    return x


def bilinear(kernel):
    """The kernel that interpolates, as the reference's `surgery.upsample_filt`."""
    factor = (kernel + 1) // 2
    center = factor - 1 if kernel % 2 else factor - 0.5
    line = 1 - np.abs(np.arange(kernel) - center) / factor
    return np.outer(line, line)


class Net:
    """A network that computes each layer as it is named, and can go back through all of them.

    Args:
        params: Weights and biases as `LAYER.weight` and `LAYER.bias`; what is missing is added.
        inputs: The blobs of the data layer.
        filler: Gives the missing weights and biases of convolutions.
        up_lr: Rate multipliers of deconvolutions; without one they are fixed.
        mask: Gives the mask of a dropout by its blob's name and shape; None when testing.
    """

    def __init__(
        self,
        params: dict[str, np.ndarray],
        inputs: Mapping[str, np.ndarray],
        filler: Filler | None = None,
        up_lr: Mapping[str, float] | None = None,
        mask: Filler | None = None,
    ):
        self.params, self.filler, self.up_lr, self.mask = params, filler, up_lr or {}, mask
        self.blobs = dict(inputs)
        self.mults: dict[str, tuple[float, float]] = {}  # of the rate and of the decay
        self.grads: dict[str, np.ndarray] = {}
        self.losses: list[str] = []
        self.layers: list[tuple[str, tuple[str, ...], Callable]] = []

    def backward(self):
        """The gradients of the sum of all losses."""
        diffs: dict[str, np.ndarray] = dict.fromkeys(self.losses, 1.0)
        for top, bottoms, backward in reversed(self.layers):
            diff = diffs.pop(top)  # a layer in place gives it back under the same name
            for bottom, part in zip(bottoms, backward(diff)):
                diffs[bottom] = diffs.get(bottom, 0) + part
        return self.grads

    def conv(
        self, top, bottom, num_output, kernel=1, stride=1, pad=0, group=1, mults=((1, 1), (1, 1))
    ):
        h, w = self.blobs[bottom].shape[1:]
        x = np.pad(self.blobs[bottom], ((0, 0), (pad, pad), (pad, pad)))
        shape = num_output, len(x) // group, kernel, kernel
        weight = self._param(f"{top}.weight", shape, mults[0])
        bias = self._param(f"{top}.bias", shape[:1], mults[1])
        groups = list(zip(np.split(weight, group), np.split(x, group)))
        maps = [np.tensordot(ws, im2col(xs, kernel, stride), 3) for ws, xs in groups]

        def backward(diff):
            to_weight, to_x = [], []
            for (ws, xs), part in zip(groups, np.split(diff, group)):
                columns = im2col(xs, kernel, stride)
                to_weight.append(np.tensordot(part, columns, ((1, 2), (3, 4))))
                to_x.append(col2im(np.tensordot(ws, part, (0, 0)), stride, x.shape[1:]))
            self.grads[f"{top}.weight"] = np.concatenate(to_weight)
            self.grads[f"{top}.bias"] = diff.sum((1, 2))
            return [np.concatenate(to_x)[:, pad : pad + h, pad : pad + w]]

        self._add(top, (bottom,), np.concatenate(maps) + bias[:, None, None], backward)

    def deconv(self, top, bottom, kernel, stride):
        """A dense deconvolution without bias; a new one interpolates each class by itself."""
        x, name, mult = self.blobs[bottom], f"{top}.weight", self.up_lr.get(top, 0)
        shape = len(x), len(x), kernel, kernel
        if name not in self.params:
            self.params[name] = np.eye(len(x))[:, :, None, None] * bilinear(kernel)
        weight = self._param(name, shape, (mult, 1))
        size = [stride * (n - 1) + kernel for n in x.shape[1:]]

        def backward(diff):
            columns = im2col(diff, kernel, stride)
            if mult:
                self.grads[name] = np.tensordot(x, columns, ((1, 2), (3, 4)))
            return [np.tensordot(weight, columns, 3)]

        maps = col2im(np.tensordot(weight, x, (0, 0)), stride, size)
        self._add(top, (bottom,), maps, backward)

    def relu(self, blob):
        positive = self.blobs[blob] > 0
        maps = np.where(positive, self.blobs[blob], 0)
        self._add(blob, (blob,), maps, lambda diff: [diff * positive])

    def dropout(self, blob):
        if self.mask:
            twice = 2 * self.mask(blob, self.blobs[blob].shape)
            self._add(blob, (blob,), self.blobs[blob] * twice, lambda diff: [diff * twice])

    def pool(self, top, bottom, kernel=2, stride=2, pad=0):
        """The largest of each window; windows may stick out at the end (`ceil`)."""
        x = self.blobs[bottom]
        (channels, h, w), places = x.shape, kernel * kernel
        size = [n + 2 * pad + (kernel - n - 2 * pad) % stride for n in (h, w)]
        out = ((0, 0), (pad, size[0] - h - pad), (pad, size[1] - w - pad))
        columns = im2col(np.pad(x, out, constant_values=-np.inf), kernel, stride)
        columns = columns.reshape(channels, places, *columns.shape[3:])
        first = np.arange(places)[:, None, None] == columns.argmax(1)[:, None]

        def backward(diff):
            columns = first * diff[:, None]
            columns = columns.reshape(channels, kernel, kernel, *diff.shape[1:])
            return [col2im(columns, stride, size)[:, pad : pad + h, pad : pad + w]]

        self._add(top, (bottom,), columns.max(1), backward)

    def lrn(self, top, bottom, local_size=5, alpha=1e-4, beta=0.75):
        x, half = self.blobs[bottom], local_size // 2

        def neighbours(maps):
            padded = np.pad(maps, ((half, half), (0, 0), (0, 0)))
            return sum(padded[i : i + len(maps)] for i in range(local_size))

        scale = 1 + alpha / local_size * neighbours(x * x)
        maps = x * scale**-beta

        def backward(diff):
            others = 2 * alpha * beta / local_size * x * neighbours(diff * maps / scale)
            return [diff * scale**-beta - others]

        self._add(top, (bottom,), maps, backward)

    def scale(self, top, bottom, value):
        """A fixed factor for each channel."""
        x, name = self.blobs[bottom], f"{top}.weight"
        self.params.setdefault(name, np.full(len(x), value))
        factor = self._param(name, (len(x),), (0, 0))[:, None, None]
        self._add(top, (bottom,), factor * x, lambda diff: [factor * diff])

    def concat(self, top, bottoms):
        maps = [self.blobs[bottom] for bottom in bottoms]
        ends = np.cumsum([len(part) for part in maps])[:-1]
        self._add(top, tuple(bottoms), np.concatenate(maps), lambda diff: np.split(diff, ends))

    def eltwise(self, top, bottoms, coeff=(1, 1)):
        maps = sum(c * self.blobs[bottom] for c, bottom in zip(coeff, bottoms))
        self._add(top, tuple(bottoms), maps, lambda diff: [c * diff for c in coeff])

    def crop(self, top, bottom, like, offset):
        """The part that starts at the offset and is as large as another blob."""
        x = self.blobs[bottom]
        part = np.s_[:, *(slice(offset, offset + n) for n in self.blobs[like].shape[1:])]
        if x[part].shape[1:] != self.blobs[like].shape[1:]:
            raise ValueError(f"{top}: {x.shape} has no part like {like} at {offset}")

        def backward(diff):
            whole = np.zeros_like(x)
            whole[part] = diff
            return [whole]

        self._add(top, (bottom, like), x[part], backward)

    def softmax_loss(self, top, bottom, label="label", normalize=False):
        """Sums over valid pixels (the batch has one image), or averages over them."""
        scores, target = self.blobs[bottom], self.blobs[label]
        valid = target != VOID
        exp = np.exp(scores - scores.max(0))
        prob = exp / exp.sum(0)
        is_target = np.arange(len(scores))[:, None, None] == target
        count = max(valid.sum(), 1) if normalize else 1
        of_target = np.maximum((prob * is_target).sum(0)[valid], FLT_MIN)  # in the value alone
        self.losses.append(top)
        loss = -np.log(of_target).sum() / count
        self._add(top, (bottom,), loss, lambda diff: [diff * (prob - is_target) * valid / count])

    def _param(self, name, shape, mults):
        if name not in self.params:
            self.params[name] = self.filler(name, shape)
        if self.params[name].shape != shape:
            raise ValueError(f"{name} must be {shape}, not {self.params[name].shape}")
        self.mults[name] = mults
        return self.params[name]

    def _add(self, top, bottoms, value, backward):
        self.blobs[top] = value
        self.layers.append((top, bottoms, backward))


class SGD:
    """Caffe's update: v = momentum v + rate (gradient + decay w), w = w - v.

    Rate and decay are multiplied by each weight's own factors before they are used.
    """

    def __init__(self, base_lr, momentum, weight_decay):
        self.base_lr, self.momentum, self.weight_decay = base_lr, momentum, weight_decay
        self.history: dict[str, np.ndarray] = {}

    def step(self, nets: Iterable[Net]):
        """Averages the gradients of some images (`iter_size`) and updates their weights."""
        nets = list(nets)
        params = nets[0].params
        for name, (lr_mult, decay_mult) in nets[0].mults.items():
            if lr_mult:
                gradient = sum(net.grads[name] for net in nets) / len(nets)
                gradient = gradient + self.weight_decay * decay_mult * params[name]
                step = self.base_lr * lr_mult * gradient
                self.history[name] = self.momentum * self.history.get(name, 0) + step
                params[name] = params[name] - self.history[name]
