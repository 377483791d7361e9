"""What each axis of a kernel stands for, and the checks of the arguments that say so."""

import math
import operator
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_EQUATION = re.compile(
    r"(?P<before>\.{3})?(?P<input>[a-zA-Z]+)(?P<after>\.{3})?"
    r",(?P<kernel>[a-zA-Z]+)->"
    r"(?P<output_before>\.{3})?(?P<output>[a-zA-Z]+)(?P<output_after>\.{3})?"
)


class KernelAxes(NamedTuple):
    """What each axis of a kernel stands for.

    Attributes:
        shape: The kernel's shape, its output axis split into `(groups, n_out / groups)` when there
            are groups.
        taps: Axes over the receptive field. Each output sums over them, each input feeds them.
        blocks: Axes along which kernels of their own lie: channels of a depthwise convolution,
            groups, axes that an einsum equation shares between input, kernel and output.
        inputs: The other axes that each output sums over.
        outputs: The other axes that each input feeds.
    """

    shape: tuple[int, ...]
    taps: tuple[int, ...]
    blocks: tuple[int, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def count(self, axes: Sequence[int]) -> int:
        """Returns the product of the sizes of these axes."""
        return math.prod(self.shape[axis] for axis in axes)


def kernel_axes(shape: Iterable[int], kernel: str, groups: int = 1) -> KernelAxes:
    """Sorts a kernel's axes by what they stand for; see `compute_fans` for the conventions.

    Args:
        shape: The kernel's shape; positive whole numbers.
        kernel: `"convolution"`, `"depthwise"`, `"transposed"` or an einsum equation.
        groups: Number of groups of a convolution; divides n_out.

    Returns:
        The axes by their meaning.

    Raises:
        TypeError: As `compute_fans`.
        ValueError: As `compute_fans`, and if the weight is a vector or a scalar.
    """
    sizes = checked_sizes(shape)
    kernel = checked_kernel(kernel)
    groups = checked_groups(groups, kernel)
    if "->" in kernel:
        return _checked_einsum_axes(sizes, kernel)
    fewest = 2 if kernel == "convolution" else 3
    if len(sizes) < fewest:
        raise ValueError(
            f"Argument `shape` must have at least {fewest} axes for kernel={kernel!r}. "
            f"Received: shape={sizes}. Dense kernels and pointwise matrices are "
            'kernel="convolution"; biases and other vectors have no inputs to sum over.'
        )
    *taps, last_but_one, last = range(len(sizes))
    if kernel == "depthwise":
        return KernelAxes(sizes, tuple(taps), (last_but_one,), (), (last,))
    if kernel == "transposed":
        return KernelAxes(sizes, tuple(taps), (), (last,), (last_but_one,))
    if groups == 1:
        return KernelAxes(sizes, tuple(taps), (), (last_but_one,), (last,))
    if sizes[-1] % groups:
        raise ValueError(
            f"Argument `groups` must divide the kernel's last axis, of size {sizes[-1]}. "
            f"Received: groups={groups}, shape={sizes}. Use the layer's own `groups`."
        )
    split = (*sizes[:-1], groups, sizes[-1] // groups)
    return KernelAxes(split, tuple(taps), (last,), (last_but_one,), (last + 1,))


def checked_sizes(shape: Iterable[int]) -> tuple[int, ...]:
    """Returns the shape as a tuple of positive integers, or raises an error that shows it."""
    given = tuple(shape)
    received = f"Received: shape={given}."
    try:
        sizes = tuple(operator.index(size) for size in given)
    except TypeError as error:
        raise TypeError(f"Argument `shape` must hold whole numbers. {received}") from error
    if any(size < 1 for size in sizes):
        raise ValueError(
            "Argument `shape` must hold positive sizes: a weight without elements connects "
            f"nothing and has no fans. {received}"
        )
    return sizes


def checked_kernel(
    kernel: str, known: tuple[str, ...] = ("convolution", "depthwise", "transposed", "einsum")
) -> str:
    """Returns the kind of kernel, or raises an error that lists those of `known`.

    Args:
        kernel: What the caller passed.
        known: The kinds that the caller can serve; `"einsum"` stands for any equation.

    Returns:
        The same string.

    Raises:
        TypeError: If `kernel` is not a string.
        ValueError: If it is no such kind, or no equation that `EinsumDense` takes.
    """
    names = [f'"{name}"' for name in known if name != "einsum"]
    if "einsum" in known:
        names.append('an equation of `keras.layers.EinsumDense` such as "abc,cde->abde"')
    message = (
        f"Argument `kernel` must be {', '.join(names[:-1])} or {names[-1]}. "
        f"Received: kernel={kernel!r}"
    )
    if not isinstance(kernel, str):
        raise TypeError(f"{message} (of type {type(kernel).__name__}).")
    if "einsum" in known and "->" in kernel:
        _letters(kernel)
    elif kernel not in known or kernel == "einsum":
        raise ValueError(f"{message}.")
    return kernel


def checked_groups(groups: int, kernel: str) -> int:
    """Returns the number of groups, or raises an error; only convolutions have several."""
    message = f"Argument `groups` must be a whole number above 0. Received: groups={groups!r}"
    if isinstance(groups, bool) or not hasattr(groups, "__index__"):
        raise TypeError(f"{message} (of type {type(groups).__name__}).")
    number = operator.index(groups)
    if number < 1:
        raise ValueError(f"{message}.")
    if number > 1 and kernel != "convolution":
        raise ValueError(
            'Argument `groups` may exceed 1 only for kernel="convolution": the others have no '
            f"groups, or show them in their shape. Received: groups={number}, kernel={kernel!r}."
        )
    return number


def _letters(equation: str) -> tuple[str, str, str]:
    """The letters of input, kernel and output, of an equation that has fans."""
    found = _EQUATION.fullmatch(equation)
    if found is None or (
        (found["before"], found["after"]) != (found["output_before"], found["output_after"])
        or (found["before"] and found["after"])
    ):
        raise ValueError(
            'Argument `kernel` must be an equation of the form "ab,bc->ac", "...ab,bc->...ac" or '
            f'"ab...,bc->ac...", without spaces. Received: kernel={equation!r}.'
        )
    operands = found["input"], found["kernel"], found["output"]
    inputs, kernels, outputs = map(set, operands)
    # An axis of the input that is neither weighted nor kept is summed under one weight: the number
    # of terms is then not in the kernel's shape.
    astray = (inputs - kernels - outputs) | (kernels - inputs - outputs)
    astray |= outputs - inputs - kernels
    astray |= {letter for operand in operands for letter in operand if operand.count(letter) > 1}
    if astray:
        raise ValueError(
            "Argument `kernel` must be an equation in which each letter stands once in an operand "
            f"and in two or three operands. Received: kernel={equation!r}, where "
            f"{', '.join(map(repr, sorted(astray)))} does not. Sum such an axis before the layer."
        )
    return operands


def einsum_axes(shape: Sequence[int], equation: str) -> KernelAxes:
    """Sorts a kernel's axes by the letters that input and output share with it.

    Args:
        shape: The kernel's shape, an axis for each of its letters.
        equation: The einsum equation, without spaces and dots. One that has no fans will do.

    Returns:
        The axes by their meaning.
    """
    inputs, kernel, outputs = equation.replace("->", ",").split(",")
    contracted, fed, shared = [], [], []
    for axis, letter in enumerate(kernel):
        if letter not in outputs:
            contracted.append(axis)
        elif letter not in inputs:
            fed.append(axis)
        else:
            shared.append(axis)
    return KernelAxes(tuple(shape), (), tuple(shared), tuple(contracted), tuple(fed))


def _checked_einsum_axes(sizes: tuple[int, ...], equation: str) -> KernelAxes:
    kernel = _letters(equation)[1]
    if len(sizes) != len(kernel):
        raise ValueError(
            f"Argument `shape` must have {len(kernel)} axes, {kernel!r} of "
            f"kernel={equation!r}. Received: shape={sizes}. Use the layer's own `equation`."
        )
    return einsum_axes(sizes, equation.replace("...", ""))
