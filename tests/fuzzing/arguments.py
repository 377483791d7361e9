"""Arguments of any public class or function, drawn from its signature: sound ones mostly, and odd.

The names of arguments tell what the types do not.
"""

import inspect
import typing

import keras
import numpy as np
import pytest
from hypothesis import strategies as st

ODD = st.sampled_from(
    [
        *(None, True, -1, 0, 2**40, -0.5, 1.5, 1e30, float("nan"), float("inf")),
        *("nonsense", "", b"x", object, (), [], {}),
        *((3, 1), (0.2, 0.1, 0.3), (float("nan"), 1.0)),
    ]
)
SHARE = st.floats(0, 1, width=32)
NAMED = {
    "initializer": st.sampled_from(["zeros", "ones", "he_normal"]),
    "regularizer": st.sampled_from([None, "l2"]),
    "constraint": st.sampled_from([None, "non_neg"]),
    "activation": st.sampled_from([None, "relu", "softmax", "tanh"]),
    "block_size": st.integers(1, 3),
    "axis": st.sampled_from([-1, 1, 2, (1, 2)]),
    "data_format": st.sampled_from([None, "channels_last"]),
    "distortion": st.floats(0, 0.875, width=32),
    "epsilon": st.sampled_from([1e-6, 1e-3]),
    "every": st.integers(1, 5),
    "fill_value": st.sampled_from([0.0, 0.5, "noise"]),
    "backup_dir": st.sampled_from([None, "{folder}/seen"]),
    "filepath": st.just("{folder}/model.keras"),
    "keep": st.sampled_from([None, None, None, 0.5]),
    "kernel": st.sampled_from(["convolution", "depthwise", "transposed", "abc,cd->abd"]),
    "layer": st.sampled_from(["{dense}", "{convolution}"]),
    "log_dir": st.sampled_from([None, "{folder}/logs"]),
    "metrics_format": st.just("{name}: {value:0.4f}"),
    "mode": st.sampled_from(["horizontal", "vertical", "auto", "min"]),
    "monitor": st.just("loss"),
    "noise_shape": st.none(),
    "output_size": st.integers(1, 4) | st.sampled_from([[2], [2, 3], [2, 1, 3]]),
    "policy": st.sampled_from(["imagenet", "cifar10", "svhn"]),
    "save_freq": st.just("epoch"),
    "shared_axes": st.sampled_from([None, [1]]),
    "stddev": st.sampled_from(["he", "lecun", 0.5]),
    "stop_on": st.sampled_from([(), "non_finite"]),
    "verbose": st.sampled_from([0, 1]),
}
"""Sound values of arguments whose type does not tell, by the end of their name."""


def amounts(few, many):
    """So many examples in a test, and in the slow one."""
    return pytest.mark.parametrize(
        "examples", [few, pytest.param(many, marks=pytest.mark.slow)], ids=["few", "many"]
    )


def numbers(x):
    """A tensor in numpy, in which NaN and infinities are found."""
    return np.asarray(keras.ops.convert_to_numpy(x), "float64")


def drawn_from(kinds, *others, named=None):
    """One of several classes or functions, arguments for it, and what else is drawn."""
    return st.sampled_from(kinds).flatmap(
        lambda kind: st.tuples(st.just(kind), arguments_of(kind, named), *others)
    )


def arguments_of(kind, named=None):
    """Keyword arguments for a class or function; where most are sound, all may be.

    Args:
        kind: The class or function.
        named: Sound values by the name of the argument, before those of all.
    """
    taken = {}
    for name, parameter in inspect.signature(kind).parameters.items():
        if parameter.kind is not parameter.VAR_KEYWORD:
            needed = parameter.default is parameter.empty
            known = name in (named or {})
            taken[name] = needed, named[name] if known else _sound(name, parameter)
    needed = {name: value for name, (is_needed, value) in taken.items() if is_needed}
    free = {name: value for name, (is_needed, value) in taken.items() if not is_needed}
    sound = st.fixed_dictionaries(needed, optional=free)
    if not taken:
        return sound
    odd = st.dictionaries(st.sampled_from(list(taken)), ODD, min_size=1, max_size=2)
    return sound | sound | st.tuples(sound, odd).map(lambda both: {**both[0], **both[1]})


def _sound(name, parameter):
    for end, values in NAMED.items():
        if name == end or name.endswith(f"_{end}"):
            return values
    hint, text = parameter.annotation, str(parameter.annotation)
    if typing.get_origin(hint) is typing.Literal:
        return st.sampled_from(typing.get_args(hint))
    kinds = []
    if hint is bool or "bool" in text:
        kinds.append(st.booleans())
    if hint is int or "int" in text:
        kinds.append(st.integers(1, 8))
    if hint is float or "float" in text:
        kinds.append(SHARE)
    if "tuple[float" in text:
        kinds.append(st.tuples(SHARE, SHARE).map(sorted).map(tuple))
    if "tuple[int, int]" in text:
        kinds.append(st.tuples(st.integers(1, 8), st.integers(1, 8)).map(sorted).map(tuple))
    if "Iterable[int]" in text:
        kinds.append(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    if parameter.default is not parameter.empty:
        kinds.append(st.just(parameter.default))
    return st.one_of(kinds or [ODD])
