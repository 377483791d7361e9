"""Opens files that may be damaged, in a process of its own, which a crash may take with it.

Reads one task a line from standard input, `[task, path, ...]` in JSON, and answers each with a
line: `{"outcome": ..., "said": ..., "peak": ...}`.

    right   the answer that the whole file gives
    other   a model, with other weights or another shape: HDF5 files have no check sums
    error   a clear error, of the kind that is promised
    wrong   anything else: another exception, a message that names nothing, a broken promise
"""

import ast
import contextlib
import io
import json
import os
import resource
import sys
import traceback
import warnings

import keras
import numpy as np

import kerastricks.addons as tfa
from kerastricks.__main__ import main as kerastricks_main
from kerastricks.addons.__main__ import main as addons_main


def load(path, answers):
    """`tfa.load_model`, which promises a ValueError that names the file."""
    with np.load(answers) as arrays:
        x, y = arrays["x0"], arrays["y"]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = tfa.load_model(path)
    except ValueError as error:
        said = str(error)
        return ("error" if path in said and len(said) > len(path) + 30 else "wrong"), said
    try:
        predicted = keras.ops.convert_to_numpy(model(x, training=False))
    except Exception as error:  # of other inputs
        return "other", f"{type(error).__name__}: {error}"
    same = predicted.shape == y.shape and np.allclose(predicted, y, atol=1e-5)
    return ("right" if same else "other"), ""


def checkup(model, data):
    """The command, which promises a status, and for 2 words on standard error alone."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = kerastricks_main(["checkup", model, data])
        except SystemExit as stop:
            status = stop.code
    said = err.getvalue()
    if status == 2:
        clear = "error: " in said and "Traceback" not in said and not out.getvalue()
        return ("error" if clear else "wrong"), said
    # What the whole files give: healthy.
    return ("right" if status == 0 else "other"), out.getvalue()


def check(path, suffix):
    """`addons check --write`, which may change imports, and nothing that it cannot read."""
    del suffix
    with open(path, "rb") as file:
        before = file.read()
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        status = addons_main(["check", path, "--write"])
    with open(path, "rb") as file:
        after = file.read()
    said = out.getvalue()
    if after != before:
        ast.parse(after)
        lines = zip(before.splitlines(), after.splitlines(), strict=True)
        if not all(old == new or b"import" in old for old, new in lines):
            return "wrong", f"changed more than imports: {said}"
    if "cannot be parsed" in said:
        return ("error" if status == 1 else "wrong"), said
    return "right", said


def peak():
    """The most bytes that this process has taken so far."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


TASKS = {"load": load, "checkup": checkup, "check": check}


def main():
    """Answer until there are no more tasks."""
    # What libraries print is no answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        task, *arguments = json.loads(line)
        try:
            outcome, said = TASKS[task](*arguments)
        except Exception:
            outcome, said = "wrong", traceback.format_exc()
        keras.backend.clear_session()
        answer = {"outcome": outcome, "said": said, "peak": peak()}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
