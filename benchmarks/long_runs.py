"""What the doctor costs where runs are long and models are large: memory, speed, the report.

    python benchmarks/long_runs.py steps      # 100,000 steps of a small network, in 200 epochs
    python benchmarks/long_runs.py deep       # 500 layers
    python benchmarks/long_runs.py large      # 100 million weights
    python benchmarks/long_runs.py channels   # ResNet50: many units, every step observed

Each row is a training in a process of its own, so that its memory is its own. CPU time counts all
threads of the process, and hardly depends on what else the machine does. The report is opened by
headless Chromium, where there is one, and so is an empty page. Tables are in Markdown.
`KERAS_BACKEND=jax` or `torch` measures the other backends; memory is read as Linux counts it.
"""

import argparse
import multiprocessing
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
from _resident import peak
from keras import layers

import kerastricks as kt

PLAIN = "nothing"
WATCHERS = {
    PLAIN: {},
    "doctor": {},
    "doctor, every step": {"every": 1},
}
TENTHS = 10
OPENINGS = 5
"""Times that a page is opened; the quickest counts."""


class Course(keras.callbacks.Callback):
    """Seconds and memory in the course of a run.

    Args:
        marks: Numbers of steps after which both are noted.
    """

    def __init__(self, marks):
        super().__init__()
        self.marks = set(marks)
        self.made = 0
        self.seconds = {}
        self.worked = {}
        self.held = {}

    def on_train_begin(self, logs=None):
        """Start the watch."""
        self.started = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        """Note where it is time."""
        self.made += 1
        if self.made in self.marks:
            self.seconds[self.made] = time.perf_counter() - self.started
            self.worked[self.made] = time.process_time()
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
            self.held[self.made] = pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def speed(self, start, end):
        """Steps a second between two marks."""
        return (end - start) / (self.seconds[end] - self.seconds[start])

    def work(self, start, end):
        """Milliseconds of CPU time a step between two marks."""
        return 1e3 * (self.worked[end] - self.worked[start]) / (end - start)


def small():
    hidden = [layers.Dense(64, activation="relu") for _ in range(4)]
    return keras.Sequential([keras.Input((32,)), *hidden, layers.Dense(10)])


def deep():
    inputs = x = keras.Input((32,))
    for _ in range(250):
        x = layers.add([x, layers.Dense(32, activation="tanh", kernel_initializer="zeros")(x)])
    return keras.Model(inputs, layers.Dense(10)(x))


def large():
    hidden = [
        layers.Dense(7000, activation="relu", kernel_initializer="he_normal") for _ in range(3)
    ]
    return keras.Sequential([keras.Input((32,)), *hidden, layers.Dense(10)])


def channels():
    return keras.applications.ResNet50(
        weights=None, input_shape=(32, 32, 3), classes=10, classifier_activation=None
    )


def trained(build, watcher, marks, *, epoch, batch=32):
    """Train in this process; returns what was measured."""
    model = build()
    doctor = kt.callbacks.TrainingDoctor(verbose=0, **WATCHERS[watcher])
    random = np.random.default_rng(0)
    x = random.normal(size=(batch * epoch, *model.input_shape[1:])).astype("float32")
    y = np.argmax(x.reshape(len(x), -1)[:, :10] + random.normal(size=(len(x), 10)), axis=-1)
    keras.utils.set_random_seed(0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(1e-2), loss, jit_compile=False)
    course = Course(marks)
    callbacks = [course] if watcher == PLAIN else [doctor, course]
    model.fit(x, y, batch_size=batch, epochs=max(marks) // epoch, verbose=0, callbacks=callbacks)
    measured = {"course": course, "peak": peak() / 2**20, "layers": len(model.layers)}
    measured["weights"] = model.count_params()
    course.set_model(None)
    if watcher != PLAIN:
        measured |= written(doctor.report)
    return measured


def written(report):
    """Write a report, and open it."""
    with tempfile.TemporaryDirectory() as folder:
        page, blank = Path(folder, "report.html"), Path(folder, "blank.html")
        blank.write_text("<!doctype html><title>blank</title>", encoding="utf-8")
        started = time.perf_counter()
        report.to_html(page)
        seconds = time.perf_counter() - started
        return {
            "looks": len(report.timeline.moments),
            "findings": len(report.findings),
            "KiB": page.stat().st_size / 2**10,
            "writing": seconds,
            "opening": opened(page),
            "opening nothing": opened(blank),
        }


def opened(page):
    """Seconds until Chromium has drawn a page; not a number without Chromium."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        return np.nan
    picture = f"--screenshot={page.with_suffix('.png')}"
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", picture, page.as_uri()]
    seconds = []
    for _ in range(OPENINGS):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def alone(function, *arguments, **named):
    """What a function returns in a new process."""
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        return pool.apply(function, arguments, named)


def report_cells(run):
    if "KiB" not in run:
        return "| | | | |"
    return (
        f"| {run['looks']} | {run['KiB']:.0f} | {run['writing']:.1f} "
        f"| {run['opening']:.2f} ({run['opening nothing']:.2f}) |"
    )


REPORT_HEAD = "moments kept | KiB of HTML | s to write it | to open it (an empty page) |"


def steps(options):
    total = options.steps
    tenth = total // TENTHS
    print(
        f"| watched by | steps/s, first tenth | last tenth | ms of CPU a step, first tenth "
        f"| last tenth | MiB after {tenth:,} steps | after {total:,} | {REPORT_HEAD}"
        f"\n|{11 * '---|'}",
        flush=True,
    )
    marks = [1, 200, tenth, total - tenth, total]
    for watcher in WATCHERS:
        run = alone(trained, small, watcher, marks, epoch=min(500, tenth))
        course = run["course"]
        print(
            f"| {watcher} | {course.speed(200, tenth):.0f} "
            f"| {course.speed(total - tenth, total):.0f} "
            f"| {course.work(200, tenth):.2f} | {course.work(total - tenth, total):.2f} "
            f"| {course.held[tenth]:.0f} | {course.held[total]:.0f} {report_cells(run)}",
            flush=True,
        )


def sizes(build, watchers, total):
    """Time at the start, speed and memory of one model."""
    start = min(64, total // 2)
    marks = [1, start, total // 2, total]
    print(
        f"| watched by | layers | million weights | s to the first step | s to step {start} "
        f"| ms of CPU a step, last half | peak MiB | {REPORT_HEAD}\n|{11 * '---|'}",
        flush=True,
    )
    for watcher in watchers:
        run = alone(trained, build, watcher, marks, epoch=start)
        course = run["course"]
        print(
            f"| {watcher} | {run['layers']} | {run['weights'] / 1e6:.1f} "
            f"| {course.seconds[1]:.1f} | {course.seconds[start]:.1f} "
            f"| {course.work(total // 2, total):.1f} | {run['peak']:.0f} {report_cells(run)}",
            flush=True,
        )


MODELS = {
    # Steps that each is trained for.
    "deep": (deep, (PLAIN, "doctor"), 1024),
    "large": (large, (PLAIN, "doctor"), 128),
    "channels": (channels, WATCHERS, 512),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["steps", *MODELS])
    parser.add_argument("--steps", type=int, help="of each run")
    options = parser.parse_args()
    print(f"Keras {keras.__version__}, {keras.backend.backend()}\n")
    if options.what == "steps":
        options.steps = options.steps or 100_000
        steps(options)
    else:
        build, watchers, total = MODELS[options.what]
        sizes(build, watchers, options.steps or total)


if __name__ == "__main__":
    main()
