"""Dropout of square blocks of feature maps."""

from typing import Any

import keras
from keras import ops

from kerastricks.layers._complement import complement
from kerastricks.layers._kernels.dropout import asserted, random_mask
from kerastricks.layers._shares import checked_rate
from kerastricks.theory._checks import checked_integer


@keras.saving.register_keras_serializable(package="kerastricks")
class DropBlock2D(keras.layers.Layer):
    """Drops square blocks of each feature map, where single entries would be guessed from the rest.

    Use it behind convolutions on large maps: neighbors there are alike, and plain dropout removes
    nothing that they do not tell. Do not use it on maps hardly larger than the block, nor in
    networks that underfit. The paper places it in the last two groups of a ResNet, on the branch
    and on the shortcut.

    In training, block corners are drawn wherever a whole block fits, each with probability

        gamma = rate * height * width / (k^2 * (height - k + 1) * (width - k + 1))

    where k = block_size, independently for each sample and channel. With the mask m, which is 0 in
    those blocks and 1 elsewhere:

        y = inputs * m / mean(m)

    with the mean over the whole mask, so that the sum over a constant input is exact. At inference
    y = inputs.

    Entries near the border are in fewer blocks, those inside in more, and blocks overlap: the
    share dropped of an entry inside is 1 - (1 - gamma)^(k^2), which is above `rate` in small maps
    (0.15 for a rate of 0.1, blocks of 7 and 28 x 28 entries), that of the whole map a little below.

    Conventions: `rate` is the share that is dropped, as in timm's `drop_prob` and KerasCV; the
    paper's keep_prob is `keep` = 1 - rate. Each channel has blocks of its own, as in the paper's
    algorithm 1 and Google's code; timm shares them among the channels by default. timm shrinks a
    block that does not fit the map; here that is an error.

    The paper lowers `keep` linearly from 1 to its target over the training; for that compile the
    model anew with another `rate` between periods.

    Args:
        rate: The share to drop, in [0, 1), in practice 0.05 to 0.25. Give either `rate` or `keep`.
        block_size: Side of the blocks in pixels; at least 1, which is plain dropout, and at most
            the height and the width of the inputs. Defaults to 7, as in the paper.
        seed: Integer that makes the blocks reproducible. Defaults to a random one.
        keep: The share that stays, in (0, 1].
        data_format: `"channels_last"` or `"channels_first"`. Defaults to
            `keras.config.image_data_format()`.
        **kwargs: Arguments of every Keras layer, such as `name` and `dtype`.

    Call arguments:
        inputs: A floating-point tensor of rank 4, (batch, height, width, channels) or
            (batch, channels, height, width). Height and width may be unknown until the call; then
            only training, where blocks are drawn, needs room for one.
        training: Whether to drop blocks.

    Returns:
        A tensor of the same shape and type.

    Raises:
        TypeError: If `rate` or `keep` is not a number, or `block_size` no whole number.
        ValueError: If both or neither of `rate` and `keep` are given, an argument is out of range,
            or a block does not fit the inputs. In a graph of TensorFlow that does not know their
            size, that is an `InvalidArgumentError` when the graph runs.

    Example:
    >>> import keras, kerastricks as kt
    >>> layer = kt.layers.DropBlock2D(0.2, block_size=3, seed=1)
    >>> y = layer(keras.ops.ones((1, 8, 8, 9)), training=True)
    >>> round(float(keras.ops.mean(y)), 4)
    1.0

    Reference:
        Ghiasi, Lin, Le (2018), DropBlock: A regularization method for convolutional networks,
        algorithm 1 and eq. 1.
    """

    def __init__(
        self,
        rate: float | None = None,
        block_size: int = 7,
        seed: int | None = None,
        *,
        keep: float | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rate = checked_rate(rate, keep)
        self.block_size = checked_integer(
            block_size, "block_size", "a positive whole number of pixels"
        )
        self.seed = seed
        self.data_format = data_format or keras.config.image_data_format()
        if self.data_format not in ("channels_last", "channels_first"):
            raise ValueError(
                'Argument `data_format` must be "channels_last" or "channels_first". Received: '
                f"data_format={data_format!r}."
            )
        if self.rate > 0:
            self.seed_generator = keras.random.SeedGenerator(seed)
        self.input_spec = keras.layers.InputSpec(ndim=4)
        self.supports_masking = True

    @property
    def keep(self) -> float:
        """The share that stays: `1 - rate`."""
        return complement(self.rate)

    def build(self, input_shape: Any) -> None:
        """Checks that a block fits the inputs."""
        self._check_sizes(input_shape)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drops blocks in training; see the class for the formulas."""
        if not (training and self.rate > 0):
            return inputs
        inputs = self._with_room(inputs)
        kept = ops.logical_not(self._blocks(inputs))
        share = ops.mean(ops.cast(kept, "float32"))
        # Where everything was dropped, nothing is left to be scaled.
        factor = ops.cast(1 / ops.where(share > 0, share, 1.0), inputs.dtype)
        return ops.where(kept, inputs * factor, ops.zeros((), inputs.dtype))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments, with `rate` for the share."""
        return {
            **super().get_config(),
            "rate": self.rate,
            "block_size": self.block_size,
            "seed": self.seed,
            "data_format": self.data_format,
        }

    @property
    def _axes(self) -> tuple[int, int]:
        return (1, 2) if self.data_format == "channels_last" else (2, 3)

    def _check_sizes(self, shape: Any) -> None:
        if any(shape[axis] is not None and shape[axis] < self.block_size for axis in self._axes):
            raise ValueError(self._no_room(shape))

    def _with_room(self, inputs: Any) -> Any:
        self._check_sizes(inputs.shape)
        for axis in self._axes:
            if inputs.shape[axis] is None:
                room = ops.shape(inputs)[axis] >= self.block_size
                inputs = asserted(inputs, room, self._no_room(inputs.shape))
        return inputs

    def _no_room(self, shape: Any) -> str:
        sizes = [shape[axis] for axis in self._axes if shape[axis] is not None]
        most = min(sizes) if len(sizes) == 2 else "the height and the width"
        return (
            f"A block of {self.block_size} x {self.block_size} pixels does not fit the inputs. "
            f"Received: inputs of shape {tuple(shape)} with data_format={self.data_format!r}. "
            f"Choose a `block_size` of at most {most}."
        )

    def _blocks(self, inputs: Any) -> Any:
        """Draws a boolean tensor of the shape of `inputs` that is True in the blocks."""
        size = self.block_size
        shape = list(ops.shape(inputs))
        gamma: Any = self.rate / size**2
        for axis in self._axes:
            corners = shape[axis] - size + 1
            if isinstance(corners, int):
                gamma = gamma * (shape[axis] / corners)
            else:
                gamma = gamma * ops.cast(shape[axis], "float32") / ops.cast(corners, "float32")
            shape[axis] = corners
        blocks = random_mask(tuple(shape), gamma, self.seed_generator, inputs).values
        if size == 1:
            return blocks
        margins = [(size - 1,) * 2 if axis in self._axes else (0, 0) for axis in range(4)]
        blocks = ops.pad(blocks, margins)
        for axis in self._axes:
            blocks = _any_in_window(blocks, size, axis)
        return blocks


def _any_in_window(mask: Any, size: int, axis: int) -> Any:
    # Windows double until they are `size` wide: log2(size) passes over booleans, where a maximum
    # pooling would need floats.
    width = 1
    while width < size:
        step = min(width, size - width)
        start = (slice(None),) * axis
        mask = ops.logical_or(mask[(*start, slice(None, -step))], mask[(*start, slice(step, None))])
        width += step
    return mask
