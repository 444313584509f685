"""Small SavedModels exported as the published one was: graph functions in a pruned wrap_function, called by
another function, with variables of their own. Weights are random; what counts is how they are wired."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from nstfilter.models.tensorflow import tf

Layers = Callable[..., Any]


class Weights:
    """Named kernels, drawn when first asked for."""

    def __init__(self, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.kernels: dict[str, Any] = {}

    def __call__(self, name: str, *shape: int) -> Any:
        if name not in self.kernels:
            values = self.random.normal(size=shape) * np.sqrt(2 / np.prod(shape[:-1]))
            with tf.init_scope():
                self.kernels[name] = tf.Variable(values.astype(np.float32), name=name)
        return self.kernels[name]


def predictor(weights: Weights, style: Any) -> Any:
    """[1, 1, 1, 6], as Magenta's gives [1, 1, 1, 100]."""
    x = tf.nn.relu(tf.nn.conv2d(style - 0.5, weights("look", 5, 5, 3, 8), 4, "VALID"))
    x = tf.reduce_mean(x, [1, 2], keepdims=True)
    return tf.nn.bias_add(tf.nn.conv2d(x, weights("see", 1, 1, 8, 6), 1, "SAME"), weights("bias", 6))


def transformer(weights: Weights, content: Any, embedding: Any) -> Any:
    """Quarter size and back, normalized by what linear maps make of the embedding."""
    count = embedding.shape[-1]

    def normalized(x: Any, name: str) -> Any:
        channels = x.shape[-1]
        mean, variance = tf.nn.moments(x, [1, 2], keepdims=True)
        scale = tf.nn.conv2d(embedding, weights(name + "scale", 1, 1, count, channels), 1, "SAME")
        shift = tf.nn.conv2d(embedding, weights(name + "shift", 1, 1, count, channels), 1, "SAME")
        return (x - mean) * tf.math.rsqrt(variance + 1e-3) * (1 + scale) + shift

    def convolved(x: Any, name: str, size: int, channels: int, stride: int = 1) -> Any:
        edge = [size // 2, size // 2]
        x = tf.pad(x, [[0, 0], edge, edge, [0, 0]], "REFLECT")
        return normalized(
            tf.nn.conv2d(x, weights(name, size, size, x.shape[-1], channels), stride, "VALID"), name
        )

    def doubled(x: Any) -> Any:
        return tf.image.resize(x, tf.shape(x)[1:3] * 2, "nearest")

    x = tf.nn.relu(convolved(content, "a", 9, 8))
    x = tf.nn.relu(convolved(x, "b", 3, 12, stride=2))
    x = tf.nn.relu(convolved(x, "c", 3, 12, stride=2))
    x = tf.nn.relu(convolved(doubled(x), "d", 3, 8))
    return tf.sigmoid(convolved(doubled(x), "e", 9, 3))


def published(weights: Weights, content: Any, style: Any) -> Any:
    return transformer(weights, content, predictor(weights, style))


def forked(weights: Weights, content: Any, style: Any) -> Any:
    """The embedding of 6 goes two ways that meet in another of 5, from which alone the style goes on."""
    embedding = predictor(weights, style)
    one = tf.tanh(tf.nn.conv2d(embedding, weights("one", 1, 1, 6, 5), 1, "SAME"))
    other = tf.nn.relu(tf.nn.conv2d(embedding, weights("other", 1, 1, 6, 5), 1, "SAME"))
    return transformer(weights, content, one + other)


def uncut(weights: Weights, content: Any, style: Any) -> Any:
    """The style picture is laid behind the content: nothing small carries it."""
    style = tf.image.resize(style, tf.shape(content)[1:3])
    x = tf.nn.conv2d(tf.concat([content, style], -1), weights("look", 3, 3, 6, 3), 1, "SAME")
    return tf.sigmoid(x)


def export(
    folder: Path,
    network: Layers = published,
    names: tuple[str, str] = ("placeholder", "placeholder_1"),
    *,
    style_first: bool = False,
    seed: int = 0,
) -> Path:
    """Save `network` in `folder`, its inputs called `names`."""
    weights = Weights(seed)

    def whole() -> None:
        content = tf.compat.v1.placeholder(tf.float32, [None, None, None, 3], "content_picture")
        style = tf.compat.v1.placeholder(tf.float32, [None, None, None, 3], "style_picture")
        tf.identity(network(weights, content, style), "painting")

    pictures = ["content_picture:0", "style_picture:0"]
    inner = tf.compat.v1.wrap_function(whole, []).prune(
        pictures[::-1] if style_first else pictures, "painting:0"
    )
    signature = [tf.TensorSpec([None, None, None, 3], tf.float32, name) for name in names]
    module = tf.Module()
    module.weights = list(weights.kernels.values())
    module.__call__ = tf.function(
        lambda first, second: [inner(first, second)], autograph=False, input_signature=signature
    )
    tf.saved_model.save(module, str(folder), signatures=module.__call__.get_concrete_function())
    return folder


def export_function(folder: Path, function: Any, *signature: Any) -> Path:
    """Save a bare function."""
    module = tf.Module()
    module.function = tf.function(function, autograph=False, input_signature=signature)
    tf.saved_model.save(module, str(folder), signatures=module.function)
    return folder
