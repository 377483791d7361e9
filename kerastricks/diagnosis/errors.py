"""Errors as they are told, and as they are passed on."""

import re
import types
from pathlib import Path

import keras

LONGEST = 300
"""Characters of an error's message that are quoted."""
_HERE = str(Path(__file__).parent)
_COLORS = re.compile(r"\x1b\[[\d;]*m")
# What TensorFlow and Keras put around the sentence that tells what happened.
_AROUND = re.compile(
    r"\{\{function_node .*?\}\} |\s*\[Op:.*|^(Graph execution error:|Detected at node|Traceback \()"
    r".*|^<stack traces unavailable>|^[ \t]+.*|^Arguments received by (?s:.*)",
    re.MULTILINE,
)


def in_short(error: BaseException) -> str:
    """An error in one line: its type, and what its message says beside stack traces."""
    lines = _AROUND.sub("", _COLORS.sub("", str(error))).splitlines()
    message = " ".join(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if len(message) > LONGEST:
        message = f"{message[:LONGEST]}…"
    return f"{type(error).__name__}: {message.rstrip('.')}" if message else type(error).__name__


def is_out_of_memory(error: BaseException) -> bool:
    """True where memory ran out, of the device or of the machine."""
    named = type(error).__name__ in ("ResourceExhaustedError", "OutOfMemoryError", "MemoryError")
    return named or "RESOURCE_EXHAUSTED" in str(error)


def without_own_frames(trace: types.TracebackType | None) -> types.TracebackType | None:
    """A traceback as it is without the doctor, whose functions stand around the model's own."""
    if trace is None or not keras.config.is_traceback_filtering_enabled():
        return trace
    entries: list[types.TracebackType] = []
    while trace is not None:
        entries.append(trace)
        trace = trace.tb_next
    rest = None
    for entry in reversed(entries):
        if not entry.tb_frame.f_code.co_filename.startswith(_HERE):
            rest = types.TracebackType(rest, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return rest
