"""Batch normalization whose averaging factor weighs the new batch."""

import math
from typing import Any, Self

import keras
from keras import ops

from kerastricks.layers._batch_counter import BatchCounter
from kerastricks.layers._batch_normalization_checks import (
    Average,
    alpha_from_momentum,
    check_combination,
    check_divisible,
    check_input_shape,
    checked_alpha,
    checked_average,
    checked_axis,
    checked_virtual_batch_size,
    chosen_alpha,
)
from kerastricks.layers._complement import complement
from kerastricks.layers._kernels.batch_normalization import (
    Normalized,
    normalize,
    normalize_batch,
    normalize_batch_by_formula,
    statistics_dtype,
)
from kerastricks.theory._checks import checked_number


@keras.saving.register_keras_serializable(package="kerastricks")
class BatchNormalization(keras.layers.BatchNormalization):
    """Batch normalization with `alpha`, the weight of the newest batch in the moving averages.

    Use it between a layer and its activation (then the layer before needs no bias) to train
    deeper networks at higher learning rates. Do not use it with a handful of samples a batch,
    where the batch's statistics are mostly noise, nor behind dropout, which shifts the variance
    between training and inference.

    Training normalizes with the statistics of the batch and moves the averages, for the t-th
    batch:

        y = gamma * (x - mean(batch)) / sqrt(variance(batch) + epsilon) + beta
        moving_mean     = rate * mean(batch)     + (1 - rate) * moving_mean
        moving_variance = rate * variance(batch) + (1 - rate) * moving_variance

        average="exponential":  rate = alpha
        average="debiased":     rate = alpha / (1 - (1 - alpha)^t)
        average="cumulative":   rate = 1 / t

    Inference, or `trainable = False`, normalizes with the averages:

        y = gamma * (x - moving_mean) / sqrt(moving_variance + epsilon) + beta

    The averages start at 0 and 1, and "exponential" has (1 - alpha)^t of that start left after t
    batches. With the default, 36.6 % after 100 batches and 1 % after 458: for a shorter training
    raise `alpha`, or take "debiased", whose first rate is 1 and which forgets like "exponential"
    later. "cumulative" is the plain mean over all batches: for layers whose inputs do not change
    any more, as when the averages are taken anew after training.

    Conventions: `alpha` is 1 - momentum of Keras (0.99 there is 0.01 here) and equals momentum of
    PyTorch (0.1 there is 0.1 here): see `from_keras_momentum` and `from_torch_momentum`. As in
    Keras 3, variance(batch) divides by n, the entries of a channel; PyTorch and Keras 2 divide by
    n - 1 for the moving variance: that is `unbiased_variance=True`. PyTorch's `eps` defaults to
    1e-5.

    The layer is a `keras.layers.BatchNormalization`: same weights under the same names in the same
    order, so `get_weights`, `set_weights` and files move them both ways. All arguments behind
    `axis` are keyword-only: Keras' second positional argument is the momentum, and a swapped
    import must not read a momentum of 0.99 as an alpha.

    The count t is no weight. `.keras` and `.weights.h5` files keep it. A file from Keras' layer
    and an old `.h5` file set it to 0, `set_weights` leaves it alone, and a new layer (a clone, too)
    has 0: then the next training batch replaces the averages that were loaded.

    Args:
        axis: The axis whose entries are normalized apart, usually the channels. Integer,
            defaults to -1; use 1 for `data_format="channels_first"`.
        alpha: Weight of the new batch, in (0, 1]. 1 keeps the last batch's statistics only. 0
            would never move the averages and is refused: to freeze the layer, set
            `trainable=False`. "cumulative" has no use for it. Defaults to 0.01.
        momentum: Keras' name for 1 - alpha, in [0, 1), in the place of `alpha`. Never both.
        epsilon: Added to the variance; in [0, inf). Defaults to 1e-3.
        average: `"exponential"` (Keras' and PyTorch's), `"debiased"` or `"cumulative"`, see
            above. Defaults to `"exponential"`.
        unbiased_variance: Whether the moving variance averages variance(batch) * n / (n - 1). A
            single entry, n = 1, is left as it is: a variance of 0. Defaults to False.
        virtual_batch_size: How many consecutive samples are normalized together in training,
            each such group by its own statistics ("ghost batch normalization": the noise of small
            batches regularizes large ones). The averages take one step a batch, with the means
            over its groups of mean and variance, so that inference divides by the same kind of
            variance as training. The batch must be a multiple. Defaults to None: all of them.
        **kwargs: Every other argument of `keras.layers.BatchNormalization` in the installed Keras:
            `center`, `scale`, initializers, regularizers, constraints, `synchronized`, from Keras
            3.14 on `renorm`, `renorm_clipping`, `renorm_momentum`, and `name`, `dtype` and so on.
            With `renorm` everything is Keras' computation, and the three arguments above must
            keep their defaults.

    Call arguments:
        inputs: A tensor of rank 2 or more.
        training: Whether to normalize with the batch and to move the averages.
        mask: Optional boolean tensor of the shape of `inputs` without its last axis; entries that
            are False do not count in the statistics, but are normalized, so that gradients need
            them to be finite. A batch without any entry leaves the averages and t alone.

    Returns:
        A tensor of the shape of `inputs`, in the layer's compute type.

    Raises:
        TypeError: If `axis` is not an integer, or `alpha`, `momentum` or `epsilon` not a number,
            or if the inputs are complex or strings.
        ValueError: If one of them is out of range, if both `alpha` and `momentum` are given, if
            arguments exclude each other, if the inputs have no such axis, too few axes or a size
            of 0 or (channels) unknown, or if `virtual_batch_size` does not divide the batch.

    Example:
    >>> import keras, kerastricks as kt
    >>> layer = kt.layers.BatchNormalization(alpha=0.25)
    >>> y = layer(keras.ops.array([[2.0], [6.0]]), training=True)
    >>> float(layer.moving_mean[0])  # 0.25 * 4 + 0.75 * 0
    1.0
    >>> layer = kt.layers.BatchNormalization(alpha=0.25, average="debiased")
    >>> y = layer(keras.ops.array([[2.0], [6.0]]), training=True)
    >>> float(layer.moving_mean[0])
    4.0
    >>> kt.layers.BatchNormalization(momentum=0.99).alpha
    0.01

    Reference:
        Ioffe, Szegedy (2015), Batch Normalization: Accelerating Deep Network Training by Reducing
        Internal Covariate Shift, algorithms 1 and 2. Hoffer, Hubara, Soudry (2017), Train longer,
        generalize better, algorithm 1 (virtual batches). Kingma, Ba (2015), Adam, section 3 (the
        correction of the start).

    Differs from the paper in: the paper averages the unbiased variances of many batches after
    training (algorithm 2, step 10); here, as in Keras, a moving average of the biased variances is
    taken along the way, unless `unbiased_variance` and "cumulative" say otherwise. Hoffer et al.
    let the averages take a step for each group; here a batch is one step, whatever its groups.
    """

    def __init__(
        self,
        axis: int = -1,
        *,
        alpha: float | None = None,
        momentum: float | None = None,
        epsilon: float = 1e-3,
        average: Average = "exponential",
        unbiased_variance: bool = False,
        virtual_batch_size: int | None = None,
        **kwargs: Any,
    ) -> None:
        alpha = chosen_alpha(alpha, momentum)
        average = checked_average(average)
        super().__init__(
            axis=checked_axis(axis),
            epsilon=checked_number(epsilon, "epsilon", "in [0, inf)", lambda e: e >= 0),
            **kwargs,
        )
        self.alpha = alpha  # over that of Keras' default momentum, which the setter below left
        self.average = average
        self.unbiased_variance = bool(unbiased_variance)
        self.virtual_batch_size = checked_virtual_batch_size(virtual_batch_size)
        check_combination(
            average,
            unbiased_variance,
            self.virtual_batch_size,
            renorm=getattr(self, "renorm", False),  # an attribute from Keras 3.14 on
            synchronized=self.synchronized,
        )
        self.batch_counter = None if average == "exponential" else BatchCounter()

    @classmethod
    def from_keras_momentum(cls, momentum: float, **kwargs: Any) -> Self:
        """Returns the layer that averages like Keras' with this momentum: alpha = 1 - momentum."""
        return cls(alpha=alpha_from_momentum(momentum), **kwargs)

    @classmethod
    def from_torch_momentum(cls, momentum: float | None, **kwargs: Any) -> Self:
        """Returns the layer that averages like PyTorch's with this momentum: alpha = momentum.

        None is PyTorch's word for `average="cumulative"`. All else stays as in Keras: a new
        `torch.nn.BatchNorm2d(c)` is `from_torch_momentum(0.1, axis=1, epsilon=1e-5,
        unbiased_variance=True)`.
        """
        if momentum is None:
            return cls(average="cumulative", **kwargs)
        return cls(alpha=momentum, **kwargs)

    @property
    def alpha(self) -> float:
        """The weight of the new batch in the moving averages, in (0, 1]."""
        return self._alpha

    @alpha.setter
    def alpha(self, alpha: float) -> None:
        self._alpha = checked_alpha(alpha)

    @property
    def momentum(self) -> float:
        """Keras' name for `1 - alpha`; setting it sets `alpha`."""
        return complement(self.alpha)

    @momentum.setter
    def momentum(self, momentum: float) -> None:
        self.alpha = alpha_from_momentum(momentum)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates Keras' weights for inputs of this shape."""
        check_input_shape(input_shape, self.axis, self.virtual_batch_size)
        super().build(input_shape)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalizes; in training also moves the averages. See the class for the formulas."""
        if getattr(self, "renorm", False):  # an attribute from Keras 3.14 on
            return super().call(inputs, training=training, mask=mask)
        dtype = keras.backend.standardize_dtype(inputs.dtype)
        if dtype.startswith(("complex", "str")):
            raise TypeError(f"The inputs must be real numbers. Received: inputs of type {dtype}.")
        if mask is not None and len(mask.shape) != len(inputs.shape) - 1:
            raise ValueError(
                "Argument `mask` must have one axis less than the inputs, the last. Received: "
                f"mask of shape {tuple(mask.shape)}, inputs of shape {tuple(inputs.shape)}."
            )
        wide = statistics_dtype(dtype)
        # Half precision is left to the kernels: they compute in float32 without a copy in it.
        x = inputs if dtype == self.compute_dtype else ops.cast(inputs, wide)
        gamma, beta = (
            None if weight is None else ops.cast(weight, wide) for weight in (self.gamma, self.beta)
        )
        axis = self.axis % len(inputs.shape)
        if not (training and self.trainable):
            mean, variance = (ops.cast(w, wide) for w in (self.moving_mean, self.moving_variance))
            outputs = normalize(x, mean, variance, gamma, beta, self.epsilon, axis)
        elif mask is None and self.virtual_batch_size is None and not self.synchronized:
            normalized = normalize_batch(x, gamma, beta, self.epsilon, axis)
            outputs = normalized.outputs
            self._move_averages(normalized)
        else:
            check_divisible(inputs.shape[0], self.virtual_batch_size)
            normalized = normalize_batch_by_formula(
                x,
                gamma,
                beta,
                self.epsilon,
                axis,
                mask=mask,
                group_size=self.virtual_batch_size,
                synchronized=self.synchronized,
            )
            outputs = normalized.outputs
            self._move_averages(normalized)
        return ops.cast(outputs, self.compute_dtype)

    def _move_averages(self, batch: Normalized) -> None:
        mean, variance, count = batch.mean, batch.variance, batch.count
        if self.unbiased_variance:
            less = max(count - 1, 1) if isinstance(count, int) else ops.maximum(count - 1, 1)
            variance = variance * (count / less)
        if self.virtual_batch_size is not None:
            filled = ops.broadcast_to(ops.greater(count, 0), ops.shape(mean))
            count = ops.sum(ops.cast(filled, mean.dtype), 0)  # of groups that have an entry
            mean, variance = (
                ops.sum(ops.where(filled, each, 0), 0) / ops.maximum(count, 1)
                for each in (mean, variance)
            )
        present = count > 0  # a Python boolean where the count is a Python integer
        if present is False:
            return
        rate: Any = self.alpha
        # Whether the batch takes the place of what was there, which then must not show, even if
        # it is NaN.
        replaces: Any = self.alpha == 1 and self.average != "cumulative"
        if self.batch_counter is not None:
            step = self.batch_counter.counted(present)
            if not replaces:
                rate = ops.cast(_rate(self.average, self.alpha, step), mean.dtype)
                replaces = step <= 1
        for average, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
            old = ops.cast(average, new.dtype)
            moved = _chosen(replaces, new, old + rate * (new - old))
            average.assign(_chosen(present, moved, old))

    def get_config(self) -> dict[str, Any]:
        """Returns Keras' config of the layer with `alpha` in the place of `momentum`."""
        config: dict[str, Any] = super().get_config()
        del config["momentum"]
        return {
            **config,
            "alpha": self.alpha,
            "average": self.average,
            "unbiased_variance": self.unbiased_variance,
            "virtual_batch_size": self.virtual_batch_size,
        }


def _rate(average: Average, alpha: float, step: Any) -> Any:
    if average == "cumulative":
        return 1 / step
    # The divisor is 1 - (1 - alpha)^step, written so that a small alpha does not cancel.
    return alpha / -ops.expm1(step * math.log1p(-alpha))


def _chosen(condition: Any, new: Any, old: Any) -> Any:
    if isinstance(condition, bool):
        return new if condition else old
    return ops.where(condition, new, old)
