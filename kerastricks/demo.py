"""The main job on real data: catch two sick networks, then make them healthy.

python -m kerastricks demo
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import keras
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import kerastricks as kt
from kerastricks.diagnosis.finding import grouped
from kerastricks.diagnosis.page import Section, write_page

DEPTH = 10
WIDTH = 64
BATCH = 32
GOAL = 0.95
"""Test accuracy that the healthy networks have to reach."""

Model = Any


@dataclass(frozen=True)
class Case:
    """One network of the demo.

    Attributes:
        name: What the table calls it.
        description: How it is built.
        build: Makes the compiled model, given the number of training steps.
        symptoms: Conditions that the doctor is expected to name; none for a healthy network.
    """

    name: str
    description: str
    build: Callable[[int], Model]
    symptoms: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Outcome:
    """What came of a case."""

    case: Case
    accuracy: float
    report: kt.diagnosis.Report

    @property
    def as_expected(self) -> bool:
        """True when the doctor was right, and a healthy network learned."""
        if not self.case.symptoms:
            return not self.report.findings and self.accuracy >= GOAL
        return self.case.symptoms <= {finding.condition for finding in self.report.findings}


def demo(output: str, epochs: int, seed: int) -> int:
    """Train the four networks, print the table, write the page.

    Args:
        output: Where the page goes.
        epochs: Passes over the training data.
        seed: Seed of weights, shuffling and dropout.

    Returns:
        0 when the doctor was right about all four networks, 1 when it was not, 2 when `output`
        cannot be written.
    """
    console = Console(markup=False)
    page = Path(output).resolve()
    if page.is_dir() or not page.parent.is_dir():
        problem = "is a folder" if page.is_dir() else "lies in a folder that does not exist"
        console.print(f"--output: {page} {problem}. Name a file in an existing folder.")
        return 2
    started = perf_counter()
    data = _digits(seed)
    console.print(
        f"{len(data[0])} digits to learn from, {len(data[1])} to test on; "
        f"four networks with {DEPTH} hidden layers of {WIDTH} units, {epochs} epochs each.\n"
    )
    outcomes = _run(CASES, data, epochs, seed, console)
    rows = [_HEAD, *map(_row, outcomes)]
    console.print(_table(rows))
    sections = [Section(o.case.name, o.report, o.case.description) for o in outcomes]
    write_page(
        output,
        "Two sick networks and their recovery",
        sections,
        introduction=(
            f"Networks with {DEPTH} hidden layers of {WIDTH} units learn scikit-learn's "
            f"handwritten digits for {epochs} epochs, a TrainingDoctor watching."
        ),
        table=rows,
    )
    console.print(f"Report with pictures: {page}", soft_wrap=True)
    console.print(f"{perf_counter() - started:.0f} seconds.")
    wrong = [outcome.case.name for outcome in outcomes if not outcome.as_expected]
    if wrong:
        console.print(f"Not as expected: {'; '.join(wrong)}.")
    return 1 if wrong else 0


def _sigmoid(steps: int) -> Model:
    del steps
    hidden = [
        keras.layers.Dense(
            WIDTH, activation="sigmoid", kernel_initializer=kt.initializers.ScaledNormal(0.03)
        )
        for _ in range(DEPTH)
    ]
    return _compiled("sigmoid", hidden, keras.optimizers.SGD(0.5, momentum=0.9))


def _relu(steps: int) -> Model:
    del steps
    hidden = [
        keras.layers.Dense(WIDTH, activation="relu", kernel_initializer=kt.initializers.He())
        for _ in range(DEPTH)
    ]
    return _compiled("relu", hidden, keras.optimizers.Adam(0.1))


def _leaky(steps: int) -> Model:
    return _compiled("leaky", _normalized(negative_slope=0.3), _adam(steps))


def _steady(steps: int) -> Model:
    return _compiled(
        "steady", [*_normalized(negative_slope=0.01), kt.layers.Dropout(keep=0.8)], _adam(steps)
    )


def _normalized(negative_slope: float) -> list[Any]:
    hidden = []
    for _ in range(DEPTH):
        start = kt.initializers.He(negative_slope=negative_slope)
        hidden += [
            keras.layers.Dense(WIDTH, use_bias=False, kernel_initializer=start),
            kt.layers.BatchNormalization(alpha=0.1),
            kt.layers.LeakyReLU(negative_slope=negative_slope),
        ]
    return hidden


def _adam(steps: int) -> Any:
    return keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.01, steps))


def _compiled(name: str, hidden: list[Any], optimizer: Any) -> Model:
    inputs = keras.layers.Input((64,))
    outputs = keras.layers.Dense(10, activation="softmax", name="output")
    model = keras.Sequential([inputs, *hidden, outputs], name=name)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


CASES = (
    Case(
        "Sick: sigmoid, start 0.03 N(0, 1)",
        "Dense + sigmoid, kernels drawn with ScaledNormal(0.03), SGD(0.5, momentum=0.9).",
        _sigmoid,
        frozenset({"vanishing_gradients", "saturated_units"}),
    ),
    Case(
        "Treated: LeakyReLU, He, batch norm",
        "Dense with He(negative_slope=0.3), BatchNormalization(alpha=0.1), LeakyReLU(0.3); "
        "Adam from 0.01 down.",
        _leaky,
    ),
    Case(
        "Sick: ReLU, steps too large",
        "Dense + ReLU, kernels drawn with He(), Adam(0.1).",
        _relu,
        frozenset({"dying_units"}),
    ),
    Case(
        "Treated: LeakyReLU, He, batch norm, dropout",
        "Dense with He(negative_slope=0.01), BatchNormalization(alpha=0.1), LeakyReLU(0.01), "
        "Dropout(keep=0.8) before the output; Adam from 0.01 down.",
        _steady,
    ),
)


def _digits(seed: int) -> Any:
    """The digits with pixels of mean 0 and variance 1: train and test images and labels."""
    images, labels = load_digits(return_X_y=True)
    split = train_test_split(images, labels, test_size=0.25, stratify=labels, random_state=seed)
    train, test, train_labels, test_labels = split
    mean, deviation = train.mean(), train.std()
    scaled = [((part - mean) / deviation).astype(np.float32) for part in (train, test)]
    return (*scaled, train_labels, test_labels)


def _run(
    cases: tuple[Case, ...], data: Any, epochs: int, seed: int, console: Console
) -> list[Outcome]:
    train, test, train_labels, test_labels = data
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("epochs"),
        TimeElapsedColumn(),
    )
    outcomes = []
    with Progress(*columns, console=console) as progress:
        for case in cases:
            task = progress.add_task(case.name, total=epochs)
            keras.utils.set_random_seed(seed)
            model = case.build(epochs * -(-len(train) // BATCH))
            doctor = kt.callbacks.TrainingDoctor()
            bar = keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs, task=task: progress.advance(task)
            )
            callbacks = [doctor, bar]
            model.fit(train, train_labels, BATCH, epochs, verbose=0, callbacks=callbacks)
            _, accuracy = model.evaluate(test, test_labels, verbose=0)
            outcomes.append(Outcome(case, accuracy, doctor.report))
    return outcomes


_HEAD = ("Network", "Test accuracy", "Diagnosis", "Layers", "Since step")


def _row(outcome: Outcome) -> tuple[str, ...]:
    """A row of the table; what a root cause explains is indented under it."""
    report = outcome.report
    lines = []
    for group in grouped(report.findings):
        name = group[0].condition
        is_root = any(finding.caused_by is None for finding in group)
        onset = min(finding.onset for finding in group)
        lines.append((name if is_root else f"+ {name}", str(len(group)), str(onset)))
    diagnosis, layers, onsets = zip(*lines or [("healthy", "", "")], strict=True)
    return (
        outcome.case.name,
        f"{outcome.accuracy:.1%}",
        "\n".join(diagnosis),
        "\n".join(layers),
        "\n".join(onsets),
    )


def _table(rows: list[tuple[str, ...]]) -> Table:
    table = Table(title="Before and after", title_justify="left", show_lines=True)
    for cell in rows[0]:
        table.add_column(cell, no_wrap=cell == "Diagnosis")
    for row in rows[1:]:
        table.add_row(*row)
    return table
