"""The evidence of a finding, in words."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

RANGES = ("range", "row_sums", "target_row_sums")
"""Pairs of a lower and an upper end, beside what is healthy; all other lists are just lists."""


def in_words(evidence: Mapping[str, Any]) -> dict[str, str]:
    """Names and values as a person reads them; what is not known is left out.

    Args:
        evidence: The numbers of a finding, as `Finding.evidence` holds them.
    """
    return {
        name.replace("_", " "): _range(value) if _is_range(name, value) else _text(value)
        for name, value in evidence.items()
        if value is not None
    }


def _is_range(name: str, value: Any) -> bool:
    pair = isinstance(value, list | tuple) and len(value) == 2
    return pair and (name.startswith("healthy_") or name in RANGES)


def _range(ends: Sequence[float | None]) -> str:
    low, high = (None if end is None or math.isinf(end) else _text(end) for end in ends)
    if high is None:
        return "any" if low is None else f"{low} and more"
    return f"up to {high}" if low is None else f"{low} to {high}"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return _joined(f"{name}: {_text(each)}" for name, each in value.items() if each is not None)
    if isinstance(value, list | tuple):
        return _joined(_text(each) for each in value if each is not None)
    return str(value)


def _joined(words: Any) -> str:
    return ", ".join(words) or "none"
