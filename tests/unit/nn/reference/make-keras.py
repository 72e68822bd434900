"""Writes keras-models.json: files of Keras 3, as it saves them, with inputs and outputs.

Needs keras 3.15.1 and jax 0.10.2. Run: python make-keras.py > keras-models.json
"""
import base64
import gzip
import json
import os
import tempfile

os.environ["KERAS_BACKEND"] = "jax"

import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import layers  # noqa: E402

random = np.random.default_rng(1)


def images():
    """Layers of images, one after another; what has no bias, scale or center has fewer weights in the file."""
    return keras.Sequential(
        [
            layers.Input((8, 7, 4)),
            layers.Conv2D(6, 3, groups=2, activation="leaky_relu", name="first"),
            layers.BatchNormalization(scale=False, momentum=0.9),
            layers.PReLU(shared_axes=[1, 2]),
            layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", use_bias=False),
            layers.BatchNormalization(epsilon=1e-2),
            layers.SeparableConv2D(5, 2, activation="hard_silu"),
            layers.GroupNormalization(5),
            layers.MaxPooling2D(2),
            layers.UpSampling2D(2),
            layers.Conv2DTranspose(3, 2, strides=2, activation="gelu"),
            layers.AveragePooling2D((2, 1)),
            layers.LeakyReLU(0.1),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(6, activation="hard_sigmoid", name="another"),
            layers.LayerNormalization(),
            layers.Dense(3, activation="softmax"),
        ]
    )


def sequences():
    """Recurrent layers, which have their weights in cells."""
    return keras.Sequential(
        [
            layers.Input((6,), name="ids"),
            layers.Embedding(9, 5),
            layers.Bidirectional(layers.LSTM(3, return_sequences=True), name="both"),
            layers.GRU(4, return_sequences=True, recurrent_activation="hard_sigmoid"),
            layers.TimeDistributed(layers.Dense(4, activation="tanh")),
            layers.GRU(3, reset_after=False, return_sequences=True, use_bias=False),
            layers.Conv1D(4, 2, padding="causal", activation="softsign"),
            layers.SimpleRNN(4, return_sequences=True, go_backwards=True),
            layers.GlobalAveragePooling1D(),
            layers.Dense(2),
        ]
    )


def attention():
    """A graph: two inputs, a shared layer, a sum that is no layer, and tensors given by name."""
    x, other = layers.Input((5, 4)), layers.Input((5, 4), name="other")
    shared = layers.Dense(4, activation="silu")
    y = shared(x) + shared(other)
    y = layers.MultiHeadAttention(2, 3)(y, value=x, use_causal_mask=True)
    y = layers.Add()([layers.RMSNormalization()(y), x])
    y = layers.Concatenate()([y, layers.MultiHeadAttention(1, 2, use_bias=False)(y, y)])
    y = layers.Reshape((10, -1))(y)
    return keras.Model([x, other], {"out": layers.GlobalAveragePooling1D()(y)})


def run(make, inputs):
    keras.utils.clear_session()
    model = make()
    model.set_weights([random.uniform(0.05, 0.6, w.shape) * random.choice([-1, 1], w.shape) for w in model.get_weights()])
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.moving_variance.assign(np.abs(layer.moving_variance))
    model.compile("rmsprop", "mse")  # the optimizer is in the file, too
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.keras")
        model.save(path)
        with open(path, "rb") as file:
            bytes = file.read()
    y = model.predict(inputs, verbose=0)
    return {
        "name": make.__name__,
        "file": base64.b64encode(gzip.compress(bytes, mtime=0)).decode(),
        "x": [np.ravel(x).tolist() for x in (inputs if isinstance(inputs, list) else [inputs])],
        "y": np.ravel(y["out"] if isinstance(y, dict) else y).tolist(),
    }


def uniform(*shape):
    return random.uniform(-1, 1, shape).astype("float32")


cases = [
    run(images, uniform(2, 8, 7, 4)),
    run(sequences, random.integers(0, 9, (3, 6)).astype("float32")),
    run(attention, [uniform(2, 5, 4), uniform(2, 5, 4)]),
]
print(json.dumps({"framework": "keras", "version": keras.__version__, "cases": cases}))
