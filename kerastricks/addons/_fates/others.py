"""What TensorFlow Addons had beside its packages: options, versions, types, helpers."""

from kerastricks.addons._fates.fate import ROOT, Fate, gone, in_keras, nothing

KERNELS = "There are no compiled operations here, hence nothing to switch: leave the line out."
TYPE = "An annotation for its own sources: write `Any`, or `keras.KerasTensor` for a tensor."

REGISTER = Fate(
    "here",
    f"{ROOT}.custom_objects",
    "It filled a global register. Open old models by `kerastricks.addons.load_model`, or give this "
    "to `keras.models.load_model(custom_objects=...)`.",
)

TOP: dict[str, Fate] = {
    "register_all": REGISTER,
    **gone("__version__", "Read `kerastricks.__version__`."),
}
"""Fates of names at the top."""

OPTIONS: dict[str, Fate] = gone(
    "disable_custom_kernel enable_custom_kernel is_custom_kernel_disabled warn_fallback", KERNELS
)
"""Fates of names of `options`."""

REGISTRATION: dict[str, Fate] = {
    "register_all": REGISTER,
    **gone("register_keras_objects", "It did nothing: leave the line out."),
    **gone("register_custom_kernels", KERNELS),
}
"""Fates of names of `register`."""

TYPES: dict[str, Fate] = {
    **gone("AcceptableDTypes FloatTensorLike Number TensorLike", TYPE),
    "Activation": nothing(TYPE),
    "Constraint": in_keras("constraints.Constraint", "Or its name, its config, or None."),
    "Initializer": in_keras("initializers.Initializer", "Or its name, its config, or None."),
    "Optimizer": in_keras("optimizers.Optimizer", "Or its name."),
    "Regularizer": in_keras("regularizers.Regularizer", "Or its name, its config, or None."),
}
"""Fates of names of `types`."""

UTILS: dict[str, Fate] = gone(
    "ensure_tf_install keras_utils resource_loader test_utils tfa_eol_msg types",
    "It served the package's own sources. What you took from it, copy into your code.",
)
"""Fates of names of `utils`."""

VERSION: dict[str, Fate] = gone(
    "EXCLUSIVE_MAX_TF_VERSION INCLUSIVE_MIN_TF_VERSION __version__",
    "Which versions go together is in the requirements of `kerastricks`.",
)
"""Fates of names of `version`."""
