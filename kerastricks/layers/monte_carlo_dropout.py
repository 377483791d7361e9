"""Dropout that goes on at inference."""

from typing import Any

import keras

from kerastricks.layers.dropout import Dropout


@keras.saving.register_keras_serializable(package="kerastricks")
class MonteCarloDropout(Dropout):
    """Dropout that is always on: repeated predictions tell how sure the network is.

    Use it in the place of `Dropout` in a model whose predictions should come with an uncertainty:
    the spread over some 50 predictions of the same input estimates that of the posterior. Do not
    use it where a prediction must be reproducible, nor to measure a validation loss that is to be
    compared with other models' (each prediction is a sample, and worse than their mean).

        y = inputs * m / keep    (scaling="inverted")
        y = inputs * m           (scaling="classic")

    with a mask m that is 1 with probability `keep` and 0 otherwise, drawn anew for each entry and
    in each call, whether training or not. `training=False` is accepted, as every Keras layer gets
    it from `predict`, and changes nothing: for plain predictions take `Dropout`, which has the same
    arguments. Only the dropout is random: batch normalization and the like keep to inference mode,
    which is the point of this layer over calling the model with `training=True`.

    Args:
        rate: The share of units to drop, in [0, 1). Give either `rate` or `keep`.
        noise_shape: Shape of the mask, as in `Dropout`. Defaults to the shape of the inputs.
        seed: Integer that makes the sequence of masks reproducible. Defaults to a random one.
        keep: The share of units that stays, in (0, 1].
        scaling: `"inverted"` or `"classic"`. Defaults to `"inverted"`.
        **kwargs: Arguments of every Keras layer, such as `name` and `dtype`.

    Call arguments:
        inputs: A floating-point tensor of any shape.
        training: Ignored.

    Returns:
        A tensor of the same shape and type.

    Raises:
        TypeError: If `rate` or `keep` is not a number.
        ValueError: If both or neither of `rate` and `keep` are given, if one is out of range, or
            if `scaling` is none of the above, or if `noise_shape` does not broadcast to the inputs.

    Example:
    >>> import keras, kerastricks as kt
    >>> layer = kt.layers.MonteCarloDropout(0.5, seed=1)
    >>> passes = [layer(keras.ops.ones((1, 100)), training=False) for _ in range(50)]
    >>> one, mean = passes[0], sum(passes) / 50
    >>> sorted(set(keras.ops.convert_to_numpy(one)[0].tolist()))
    [0.0, 2.0]
    >>> bool(keras.ops.std(mean) < 0.25 * keras.ops.std(one))  # 1 / sqrt(50) of it
    True

    Reference:
        Gal, Ghahramani (2016), Dropout as a Bayesian Approximation: Representing Model Uncertainty
        in Deep Learning, section 4, eq. 6 and 7.
    """

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drops units, whatever `training` says."""
        return super().call(inputs, training=True)
