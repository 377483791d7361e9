"""Random integers and masked inputs in torch."""

import math
from typing import Any

import numpy as np
import torch

_TYPES = {8: torch.int8, 16: torch.int16, 32: torch.int32}
_FEW = 2**17


@torch.compiler.disable  # which cannot trace generators
def random_integers(shape: tuple[int, ...], bits: int, seeds: Any, like: Any) -> Any:
    """Draws signed integers uniformly from all of that many bits; several from each random word."""
    if like.is_meta:  # a rehearsal on shapes alone, in which Keras' seeds have no values
        return torch.empty(shape, dtype=_TYPES[bits], device="meta")
    # Mixed, and not added: the next seed's first draw must not be this seed's second one.
    seed = [int(number) & 0xFFFFFFFF for number in seeds.next()]
    mixed = int(np.random.SeedSequence(seed).generate_state(1)[0])
    generator = torch.Generator(device=like.device).manual_seed(mixed)
    count = math.prod(shape)
    words = torch.empty(-(-count // (64 // bits)), dtype=torch.int64, device=like.device)
    words.random_(-(2**63), None, generator=generator)  # None: up to and with the largest
    return words.view(_TYPES[bits])[:count].view(shape)


def fused(inputs: Any, keep: float, gain: float, seeds: Any) -> Any:
    """Returns torch's own dropout, scaled by gain, or None where ours is better.

    Torch's takes no seed. Where none was given, it is faster on GPUs, which have it as one kernel,
    and for few entries, for which setting up a generator takes longer than drawing.
    """
    few = inputs.device.type != "cpu" or inputs.numel() <= _FEW
    if seeds.get_config()["seed"] is not None or not few:
        return None
    outputs = torch.nn.functional.dropout(inputs, 1 - keep)
    return outputs if gain == 1 else outputs * gain


def masked(inputs: Any, mask: Any, factor: Any) -> Any:
    """Returns inputs * factor where the mask is True, and 0 elsewhere."""
    return _Masked.apply(inputs, mask, factor)


masked_by_broadcast = masked


class _Masked(torch.autograd.Function):
    """The selection, whose gradient is the same selection: nothing but the mask is kept."""

    @staticmethod
    def forward(ctx: Any, inputs: Any, mask: Any, factor: Any) -> Any:
        ctx.save_for_backward(mask)
        ctx.factor = factor
        # In place, on what was just made: no second tensor of that size.
        return torch.where(mask, inputs, 0.0).mul_(factor)

    @staticmethod
    def backward(ctx: Any, upstream: Any) -> Any:
        (mask,) = ctx.saved_tensors
        return _Masked.apply(upstream, mask, ctx.factor), None, None
