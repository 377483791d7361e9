"""Dropout in Keras' convention or in that of the paper."""

from typing import Any

import keras

from kerastricks.layers._complement import complement
from kerastricks.layers._kernels.dropout import dropout, fitted
from kerastricks.layers._shares import Scaling, checked_rate, checked_scaling


@keras.saving.register_keras_serializable(package="kerastricks")
class Dropout(keras.layers.Dropout):
    """Dropout: silences a random share of the units in each training step.

    Use it against overfitting, in wide layers, when the data are few for the network's size. Do
    not use it in a network that underfits, nor before batch normalization: it changes the variance
    between training and inference.

    With a mask m that is 1 with probability `keep` and 0 otherwise, drawn anew for each entry:

        scaling="inverted":  training  inputs * m / keep      inference  inputs
        scaling="classic":   training  inputs * m             inference  inputs * keep

    In both, the expectation over the masks in training equals the output at inference. They train
    alike, but the layer behind sees inputs (and needs weights) that differ by the factor `keep`.

    Conventions: `rate` of Keras and p of PyTorch are the share that is dropped; p of the 2014
    paper and `keep` are the share that stays. keep = 1 - rate. Keras and PyTorch scale
    "inverted"; the paper describes "classic", where at test time the weights are multiplied by p.

    The layer is a `keras.layers.Dropout` that spends fewer random bits on an entry, and so less
    time. The masks are others than Keras' for the same seed. What holds: on one backend the same
    seed gives the same masks, in eager mode, in graphs and under XLA. The shares of what stays and
    of what is dropped are exact where they are multiples of 1 / 256, and else within a thousandth
    of themselves (mostly 1 / 2^17 absolute); the outputs are scaled by the share that is drawn, so
    that the mean is exact. What is dropped is 0 even where it was NaN or infinite. With the torch
    backend a layer without a seed leaves small inputs, and those on GPUs, to torch's own dropout,
    which is faster for them: it has the exact share, and leaves NaN where it was.

    Args:
        rate: The share of units to drop, in [0, 1). 1 is refused: all outputs and all gradients
            would be zero; and so is a share so small that 1 - rate rounds to 1. Give either `rate`
            or `keep`.
        noise_shape: Shape of the mask, which is broadcast to the inputs. A tuple of positive
            integers or None (for the inputs' own size): `(None, 1, 1, None)` drops whole channels
            of images. Where it is shorter than the inputs' shape, ones go in front, as in
            broadcasting. Defaults to the shape of the inputs.
        seed: Integer that makes the masks reproducible. Defaults to a random one.
        keep: The share of units that stays, in (0, 1]. The paper takes 0.5 for hidden units
            and 0.8 for inputs.
        scaling: `"inverted"` or `"classic"`. Defaults to `"inverted"`.
        **kwargs: Arguments of every Keras layer, such as `name` and `dtype`.

    Call arguments:
        inputs: A floating-point tensor of any shape.
        training: Whether to drop units.

    Returns:
        A tensor of the same shape and type.

    Raises:
        TypeError: If `rate` or `keep` is not a number.
        ValueError: If both or neither of `rate` and `keep` are given, if one is out of range, or
            if `scaling` is none of the above, or if `noise_shape` does not broadcast to the inputs.
            In a graph of TensorFlow that does not know their size, the latter is an
            `InvalidArgumentError` when the graph runs.

    Example:
    >>> import keras, kerastricks as kt
    >>> layer = kt.layers.Dropout(keep=0.8, scaling="classic")
    >>> layer.rate
    0.2
    >>> [round(float(value), 4) for value in layer(keras.ops.array([1.0, 2.0]), training=False)]
    [0.8, 1.6]

    Reference:
        Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov (2014), Dropout: A Simple Way to
        Prevent Neural Networks from Overfitting, section 4 (classic) and section 10 (inverted).
    """

    def __init__(
        self,
        rate: float | None = None,
        noise_shape: tuple[int | None, ...] | None = None,
        seed: int | None = None,
        *,
        keep: float | None = None,
        scaling: Scaling = "inverted",
        **kwargs: Any,
    ) -> None:
        # A config read from JSON has a list, which not every Keras turns back into a tuple.
        shape = tuple(noise_shape) if isinstance(noise_shape, list) else noise_shape
        super().__init__(checked_rate(rate, keep), noise_shape=shape, seed=seed, **kwargs)
        self.scaling = checked_scaling(scaling)

    @property
    def keep(self) -> float:
        """The share of units that stays: `1 - rate`."""
        return complement(self.rate)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drops units in training; see the class for the formulas."""
        gain = 1.0 if self.scaling == "inverted" else self.keep
        if training and self.rate > 0:
            return dropout(inputs, self.keep, gain, self.noise_shape, self.seed_generator)
        return inputs if gain == 1 else inputs * gain

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the inputs, to which `noise_shape` must broadcast."""
        if self.noise_shape is not None:
            fitted(self.noise_shape, input_shape)
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns Keras' config of the layer (with `rate`), and `scaling`."""
        return {**super().get_config(), "scaling": self.scaling}
