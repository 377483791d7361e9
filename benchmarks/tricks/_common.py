"""What the experiments behind the pages of docs/tricks share: data, repeats, and tables.

An experiment is a file with `main(quick=False)`, which prints the table that its page quotes, and
ends with `run(main)`. `--quick` is for the tests: a few steps, one seed, numbers without meaning.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import keras
import numpy as np
from sklearn.datasets import load_digits

SEEDS = (0, 1, 2)


def run(main: Callable[[bool], None]) -> None:
    """Runs an experiment from the command line, and says on stderr how long it took."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny settings, to see that it runs")
    started = time.perf_counter()
    main(parser.parse_args().quick)
    print(f"{time.perf_counter() - started:.0f} s", file=sys.stderr)


def digits(seed: int = 0, train: int = 1347, flat: bool = True):
    """Scikit-learn's 1797 handwritten digits, normalized: x, y, x_test, y_test.

    The seed shuffles them. The last 450 are for the test, the first `train` for training. Images
    are (64,) or, if not `flat`, (8, 8, 1).
    """
    images, labels = load_digits(return_X_y=True)
    images = ((images - images.mean()) / images.std()).astype("float32")
    if not flat:
        images = images.reshape(-1, 8, 8, 1)
    order = np.random.default_rng(seed).permutation(len(labels))
    first, last = order[:train], order[-450:]
    return images[first], labels[first], images[last], labels[last]


def restart(model: keras.Model, seed: int) -> None:
    """New weights, and an optimizer that has not seen any: one compiled model for all seeds."""
    keras.utils.set_random_seed(seed)
    model.set_weights(keras.models.clone_model(model).get_weights())
    for variable in model.optimizer.variables:
        if variable.name != "learning_rate":
            variable.assign(keras.ops.zeros_like(variable))


def train(model: keras.Model, x, y, steps: int, seed: int, batch: int = 32):
    """Trains on so many batches of randomly drawn samples, and returns Keras' History."""
    chosen = np.random.default_rng(seed).integers(len(x), size=batch * steps)
    return model.fit(x[chosen], y[chosen], batch, shuffle=False, verbose=0)


def error(model: keras.Model, x, y) -> float:
    """The share of wrong answers of a classifier, in percent."""
    answers = numpy_of(model(x, training=False)).argmax(axis=-1)
    return 100 * float(np.mean(answers != y))


def numpy_of(tensor) -> np.ndarray:
    """The tensor as a numpy array, whatever the backend."""
    return keras.ops.convert_to_numpy(tensor)


def spread(values: Iterable[float], digits: int = 2) -> str:
    """Mean and standard deviation of the seeds' values, as the pages have them."""
    values = np.array(list(values), "float64")
    deviation = values.std(ddof=1) if len(values) > 1 else 0.0
    return f"{values.mean():.{digits}f} ± {deviation:.{digits}f}"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints a Markdown table."""
    print("| " + " | ".join(header) + " |")
    print("|" + "---|" * len(header))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
