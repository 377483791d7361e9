"""All that makes a run: data, architecture, start, loss, optimizer, course."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A run, written down. Two equal recipes give the same run.

    Attributes:
        data: Name of the data set, see `tasks.DATA`.
        seed: Seed of the split, the weights, the shuffling and the dropout.
        inputs: Kind of change to the inputs and its size, see `tasks.INPUTS`.
        targets: The same for the targets, see `tasks.TARGETS`.
        samples: Training samples that are used; None for all.
        label_noise: Share of the training labels that are drawn anew.
        architecture: A name of `architectures.ARCHITECTURES`.
        depth: Hidden layers.
        width: Units of each.
        activation: Keras' name of the hidden activation, or `"leaky_relu"` with `slope`.
        slope: Slope of a leaky ReLU below zero.
        kernel: Keras' name of the hidden kernels' initializer, or its kind and size, see
            `architectures.INITIALIZERS`.
        bias: Start of the hidden biases.
        normalization: `"none"`, `"batch"` or `"layer"`.
        alpha: Weight of the new batch in batch normalization's averages.
        epsilon: What normalization adds to the variance.
        gamma: Start of normalization's scale.
        dropout: Share of units dropped.
        dropout_at: `"after"` the activation of the last hidden layer, `"between"` the hidden
            blocks, or `"before"` each normalization.
        sparsity: L1 penalty on the hidden activations.
        head: Activation of the output, or `"softly capped"` for a softmax of such logits; None
            for the activation that fits the task.
        head_units: Units of the output; None for the number that fits.
        missing_units: How many units fewer it has than it needs.
        head_kernel: Initializer of the output's kernel.
        loss: Keras' name of the loss; None for the one that fits.
        from_logits: Whether the loss is told that it gets logits.
        reduction: What the loss does with its batch.
        label_smoothing: Share of a one-hot label that is spread.
        optimizer: A name of `architectures.OPTIMIZERS`.
        learning_rate: Its learning rate.
        momentum: Of SGD.
        weight_decay: Of any optimizer; None for none.
        clipnorm: Of any optimizer; None for none.
        schedule: `"constant"`, `"cosine"` or `"warm-up"`.
        class_weight: Whether rare classes weigh more.
        early_stopping: Epochs without progress after which training ends; None to go on.
        warm_epochs: Epochs before the doctor comes.
        annealed: Factor on the learning rate once the doctor has come.
        epochs: Epochs under the doctor's eyes.
        batch_size: Samples a step.
        policy: Keras' dtype policy.
        jit_compile: What `compile` is told.
    """

    data: str
    seed: int
    inputs: tuple[str, float] = ("standard", 1.0)
    targets: tuple[str, float] = ("standard", 1.0)
    samples: int | None = None
    label_noise: float = 0.0
    architecture: str = "dense"
    depth: int = 2
    width: int = 64
    activation: str = "relu"
    slope: float = 0.0
    kernel: str | tuple[str, float] = "glorot_uniform"
    bias: float = 0.0
    normalization: str = "none"
    alpha: float = 0.1
    epsilon: float = 1e-3
    gamma: float = 1.0
    dropout: float = 0.0
    dropout_at: str = "after"
    sparsity: float = 0.0
    head: str | None = None
    head_units: int | None = None
    missing_units: int = 0
    head_kernel: str = "glorot_uniform"
    loss: str | None = None
    from_logits: bool = False
    reduction: str = "sum_over_batch_size"
    label_smoothing: float = 0.0
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    momentum: float = 0.9
    weight_decay: float | None = None
    clipnorm: float | None = None
    schedule: str = "constant"
    class_weight: bool = False
    early_stopping: int | None = None
    warm_epochs: int = 0
    annealed: float = 1.0
    epochs: int = 12
    batch_size: int = 32
    policy: str = "float32"
    jit_compile: bool | str = False
