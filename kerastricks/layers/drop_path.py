"""Stochastic depth: drops whole residual branches."""

from typing import Any, Literal, get_args

import keras

from kerastricks.layers._complement import complement
from kerastricks.layers._kernels.dropout import dropout
from kerastricks.layers._shares import Scaling, checked_rate, checked_scaling

Per = Literal["sample", "batch"]


@keras.saving.register_keras_serializable(package="kerastricks")
class DropPath(keras.layers.Layer):
    """Drops the whole residual branch of a random share of the samples (stochastic depth).

    Use it at the end of each residual branch, before the addition, in networks of many such
    blocks: `x + DropPath(rate)(branch(x))`. Do not use it outside of a branch, where a dropped
    sample leaves nothing at all, nor in shallow networks.

    With b that is 1 with probability `keep` and 0 otherwise, drawn once for each sample:

        scaling="inverted":  training  inputs * b / keep      inference  inputs
        scaling="classic":   training  inputs * b             inference  inputs * keep

    A branch that is dropped is 0, even where it was NaN or infinite.

    Conventions: `rate` is the share that is dropped, as in timm, torchvision and KerasCV. The
    paper's survival probability p, and TensorFlow Addons' `survival_probability`, is `keep` =
    1 - rate. The paper and TensorFlow Addons drop the branch for the whole batch and scale
    "classic"; timm and the Keras applications drop it for each sample, "inverted", which has less
    variance. TensorFlow Addons' `StochasticDepth(p)([x, branch])` is
    `x + DropPath(keep=p, per="batch", scaling="classic")(branch)`.

    The rates of a network's blocks usually grow with depth. The paper's rule for the block
    l = 1 ... L is `rate * l / L`; timm's, `numpy.linspace(0, rate, L)`, starts from 0.

    Args:
        rate: The share of branches to drop, in [0, 1). Give either `rate` or `keep`.
        per: `"sample"`, or `"batch"` for one draw for all samples. Defaults to `"sample"`.
        seed: Integer that makes the draws reproducible. Defaults to a random one.
        keep: The share of branches that stays, in (0, 1].
        scaling: `"inverted"` or `"classic"`. Defaults to `"inverted"`.
        **kwargs: Arguments of every Keras layer, such as `name` and `dtype`.

    Call arguments:
        inputs: A floating-point tensor of rank 1 or more; samples along the first axis.
        training: Whether to drop.

    Returns:
        A tensor of the same shape and type.

    Raises:
        TypeError: If `rate` or `keep` is not a number.
        ValueError: If both or neither of `rate` and `keep` are given, one is out of range, `per` or
            `scaling` is none of the above, or the inputs have no axis of samples.

    Example:
    >>> import keras, kerastricks as kt
    >>> y = kt.layers.DropPath(0.5, seed=1)(keras.ops.ones((6, 4)), training=True)
    >>> sorted({tuple(sample) for sample in keras.ops.convert_to_numpy(y).tolist()})
    [(0.0, 0.0, 0.0, 0.0), (2.0, 2.0, 2.0, 2.0)]

    Reference:
        Huang, Sun, Liu, Sedra, Weinberger (2016), Deep Networks with Stochastic Depth, eq. 2, 4
        (linear decay) and 5 (inference).

    Differs from the paper in: by default it draws for each sample and scales in training.
    """

    def __init__(
        self,
        rate: float | None = None,
        per: Per = "sample",
        seed: int | None = None,
        *,
        keep: float | None = None,
        scaling: Scaling = "inverted",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if per not in get_args(Per):
            raise ValueError(
                'Argument `per` must be "sample" (each draws on its own) or "batch" (one draw for '
                f"all). Received: per={per!r}."
            )
        self.rate = checked_rate(rate, keep)
        self.per = per
        self.seed = seed
        self.scaling = checked_scaling(scaling)
        if self.rate > 0:
            self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True
        self.built = True

    @property
    def keep(self) -> float:
        """The share of branches that stays: `1 - rate`."""
        return complement(self.rate)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drops branches in training; see the class for the formulas."""
        rank = len(inputs.shape)
        if rank == 0:
            raise ValueError(
                "`DropPath` needs inputs with samples along their first axis. Received: a scalar."
            )
        gain = 1.0 if self.scaling == "inverted" else self.keep
        if training and self.rate > 0:
            noise_shape = (None if self.per == "sample" else 1,) + (1,) * (rank - 1)
            return dropout(inputs, self.keep, gain, noise_shape, self.seed_generator)
        return inputs if gain == 1 else inputs * gain

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments, with `rate` for the share."""
        return {
            **super().get_config(),
            "rate": self.rate,
            "per": self.per,
            "seed": self.seed,
            "scaling": self.scaling,
        }
