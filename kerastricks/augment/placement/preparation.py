"""Number the elements of a data set, and give the pure function that augments one."""

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import tensorflow as tf

from kerastricks.augment.passes.program import Engine, Program
from kerastricks.augment.placement.engines import engine_of
from kerastricks.augment.placement.sequence import numbered, with_leaders
from kerastricks.augment.placement.step import step_of
from kerastricks.augment.targets import Parts, split_element
from kerastricks.augment.values import ValueContract

Mapper: TypeAlias = Callable[[Any, Callable[..., Any]], Any]
"""Maps a function over a data set."""


class Augmenter(Protocol):
    """What this placement asks of a pipeline."""

    seed: int
    values: ValueContract
    program: Program

    def check(self, parts: Parts) -> None:
        """Refuse what cannot be served."""

    def dtype_of(self, dtype: Any) -> str:
        """The dtype that images of a dtype come out in."""


def prepared(
    pipeline: Augmenter,
    dataset: Any,
    epoch: Any,
    mapped: Mapper,
    engine: str | Engine | None,
) -> tuple[Any, Callable[..., Any]]:
    """Number the elements, and give the pure function that augments one.

    Args:
        pipeline: The pipeline.
        dataset: The data set.
        epoch: As `numbered` takes it.
        mapped: Maps a function over a data set, where it must be done before the elements are
            handed to the function that is returned.
        engine: As `engine_of` takes it.
    """
    program, seed = pipeline.program, pipeline.seed
    mixes = program.mixes > 0
    images = split_element(dataset.element_spec, mixes=mixes)[0]["images"]
    dtype = pipeline.dtype_of(images.dtype.name)
    elements = numbered(dataset, epoch)
    sizes = images.shape[-3:-1]
    ragged = isinstance(images, tf.RaggedTensorSpec)
    if (ragged or None in sizes) and (mixes or ragged):
        # Images of many sizes are brought to one before they meet.
        head, program = program.split()
        given = dtype if program.is_empty else images.dtype.name
        step = step_of(head, seed, given, engine_of(engine, (None, None)), by_row=ragged)
        if None in head.output_size((None, None)):
            raise ValueError(
                "Images of many sizes become one batch, or mix, once they are of one size: put "
                "`Resize`, `RandomCrop` or `RandomResizedCrop` into the pipeline"
                f"{', before the mix' if mixes else ''}, or augment them before `batch`. "
                f"Received images of shape {images.shape}"
            )
        _check_ragged(split_element(dataset.element_spec, mixes=mixes)[0])
        if program.is_empty:
            return elements, step
        elements = mapped(elements, lambda *element: (*element[:2], step(*element)))
        sizes = head.output_size((None, None))
    step = step_of(program, seed, dtype, engine_of(engine, sizes, counts=program.needs_counts))
    return (with_leaders(elements, program.mixes) if mixes else elements), step


def _check_ragged(parts: Parts) -> None:
    """Refuse what would be of as many shapes after the images are of one."""
    for name, part in parts.items():
        for spec in tf.nest.flatten(part):
            pixels = name in ("images", "segmentation_masks")
            if isinstance(spec, tf.RaggedTensorSpec) and not pixels:
                raise ValueError(
                    f"{name!r} of a ragged batch are ragged themselves. Make them dense, with -1 "
                    "for the labels of boxes that are none (`to_tensor(-1)`), or augment before "
                    f"`batch`. Received: {spec}"
                )
