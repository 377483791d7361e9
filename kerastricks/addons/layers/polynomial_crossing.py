"""Products of features of a bounded degree."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kerastricks.addons")
class PolynomialCrossing(keras.layers.Layer):
    """Multiplies the network's input into a layer, for products of features (deep & cross network).

    Stack them: the first takes (x0, x0), the next (x0, x1), and so on; l layers give products of up
    to l + 1 features.

        outputs = x0 * (x @ W + diag_scale * x) + bias + x

    with a square W = `kernel`, or W = `kernel_u` @ `kernel_v` of rank `projection_dim`.

    Args:
        projection_dim: The rank of W, at most half the number of features; None for a full W, the
            default.
        diag_scale: A number added to W's diagonal, not below 0. Defaults to 0.
        use_bias: Whether there is a `bias`. Defaults to True.
        kernel_initializer: Initializer of the kernels. Defaults to a truncated normal distribution.
        bias_initializer: Initializer of the bias. Defaults to zeros.
        kernel_regularizer: Regularizer of the kernels.
        bias_regularizer: Regularizer of the bias.
        **kwargs: Arguments of every Keras layer, such as `name` and `dtype`.

    Call arguments:
        inputs: A pair of tensors `(x0, x)` of one shape, (batch, features).

    Returns:
        A tensor of their shape.

    Raises:
        ValueError: If the layer is not called on a pair, or `projection_dim` is negative or above
            half the number of features.

    Example:
    >>> import keras, kerastricks.addons as tfa
    >>> layer = tfa.layers.PolynomialCrossing(kernel_initializer="ones")
    >>> x = keras.ops.array([[1.0, 2.0]])
    >>> [float(value) for value in layer((x, x))[0]]
    [4.0, 8.0]

    Reference:
        Wang, Fu, Fu, Wang (2017), Deep & Cross Network for Ad Click Predictions, eq. 3. Wang et al.
        (2020), DCN V2, eq. 1 and 2, whose W is a matrix too.
    """

    def __init__(
        self,
        projection_dim: int | None = None,
        diag_scale: float = 0.0,
        use_bias: bool = True,
        kernel_initializer: Any = "truncated_normal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.projection_dim = projection_dim
        self.diag_scale = diag_scale
        self.use_bias = bool(use_bias)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Makes the kernels and the bias."""
        _check_pair(input_shape, "shapes")
        features = input_shape[-1][-1]
        rank = self.projection_dim
        if rank is None:
            self.kernel = self._add_kernel("kernel", (features, features))
        elif not 0 <= rank <= features / 2:
            raise ValueError(
                "Argument `projection_dim` must be between 0 and half the number of features, "
                f"{features / 2:g}, above which a full W (None) costs less. Received: "
                f"projection_dim={rank!r}."
            )
        else:
            self.kernel_u = self._add_kernel("kernel_u", (features, rank))
            self.kernel_v = self._add_kernel("kernel_v", (rank, features))
        if self.use_bias:
            self.bias = self.add_weight(
                shape=(features,),
                name="bias",
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
            )

    def call(self, inputs: Any) -> Any:
        """Returns the crossed features."""
        _check_pair(inputs, "tensors")
        x0, x = inputs
        if self.projection_dim is None:
            product = ops.matmul(x, self.kernel)
        else:
            product = ops.matmul(ops.matmul(x, self.kernel_u), self.kernel_v)
        if self.diag_scale:
            product = product + self.diag_scale * x
        outputs = x0 * product + x
        return outputs + self.bias if self.use_bias else outputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the first tensor."""
        _check_pair(input_shape, "shapes")
        return tuple(input_shape[0])

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """Returns the mask of the first tensor."""
        return previous_mask[0] if isinstance(previous_mask, (list, tuple)) else previous_mask

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {
            **super().get_config(),
            "projection_dim": self.projection_dim,
            "diag_scale": self.diag_scale,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
        }

    def _add_kernel(self, name: str, shape: tuple[int, int]) -> Any:
        initializer = self.kernel_initializer
        if isinstance(initializer, keras.initializers.Initializer):
            # One instance without a seed would give both kernels the same values.
            initializer = type(initializer).from_config(initializer.get_config())
        return self.add_weight(
            shape=shape,
            name=name,
            initializer=initializer,
            regularizer=self.kernel_regularizer,
        )


def _check_pair(inputs: Any, what: str) -> None:
    shapes = what == "shapes"
    if (
        not isinstance(inputs, (list, tuple))
        or len(inputs) != 2
        or (shapes and not all(isinstance(each, (list, tuple)) for each in inputs))
    ):
        raise ValueError(
            f"`PolynomialCrossing` must be called on a pair of {what}, (x0, x). Received: "
            f"{inputs!r}."
        )
