"""What the cost of a pipeline on the host depends on: pixels, transforms, memory.

    python benchmarks/augment_cost.py

Three tables. Pixels: nanoseconds of the processor for a pixel of an image, nine transforms, by the
image's size; a cost linear in pixels keeps it constant. Transforms: milliseconds of the processor
for an image of 224 pixels as transforms are added to one pass; the last rows are those that need a
pass more. Memory: by how much batches of images of 512 pixels lift the peak of a process that has
worked on batches of eight, in four epochs. How the peak grows from batches of 64 to batches of 128
tells how many output batches are held, that which the user has among them; the rest is what is
compiled, and what is worked on at a time.

Processor time counts the work of all threads, and not their waiting. Medians of rounds, in turn.
"""

import argparse
import os
import subprocess
import sys
import time
from functools import partial
from statistics import median

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
from _batches import consumer
from _resident import forget_peak, peak

import kerastricks as kt

A = kt.augment
GEOMETRY = [
    A.RandomRotation(36),
    A.RandomFlip(),
    A.RandomZoom((0.8, 1.2)),
    A.RandomTranslation(0.1, 0.1),
    A.RandomShear(6),
]
COLORS = [A.RandomBrightness(0.2), A.RandomContrast(0.2), A.RandomSaturation(0.5), A.RandomHue(0.1)]
LISTS = {
    "rotation": GEOMETRY[:1],
    "rotation, flip": GEOMETRY[:2],
    "rotation, flip, zoom": GEOMETRY[:3],
    "all five geometric": GEOMETRY,
    "five, brightness": GEOMETRY + COLORS[:1],
    "five, all four colors": GEOMETRY + COLORS,
    "nine, solarize": [*GEOMETRY, *COLORS, A.RandomSolarize()],
}
BATCH = 64
EPOCHS = 4
LARGE = (64, 128)
"""Images of batches whose memory is compared."""
MIB = 2**20
ENGINES = ("opencv", "xla")


def consumer_of(transforms, size, engine):
    """What augments a number of batches."""
    images = np.random.default_rng(0).integers(0, 256, (BATCH, size, size, 3), dtype="uint8")
    pipeline = A.Pipeline(transforms, seed=0)
    consume = consumer(partial(pipeline.augment, engine=engine, num_parallel_calls=1), images)
    consume(2)  # compiles
    return consume


def seconds_of(consume, count):
    started = time.process_time()
    consume(count)
    return time.process_time() - started


def in_turn(consumers, counts, rounds):
    """Median seconds of the processor for a batch, by name."""
    found = {name: [] for name in consumers}
    for _ in range(rounds):
        for name, consume in consumers.items():
            found[name].append(seconds_of(consume, counts[name]) / counts[name])
    return {name: median(each) for name, each in found.items()}


def pixels(options):
    print("| pixels | ns a pixel, opencv | ns a pixel, xla |\n|---|---|---|")
    consumers = {
        (size, engine): consumer_of(GEOMETRY + COLORS, size, engine)
        for size in options.sizes
        for engine in ENGINES
    }
    counts = {key: max(2, round(options.batches * (224 / key[0]) ** 2)) for key in consumers}
    seconds = in_turn(consumers, counts, options.rounds)
    for size in options.sizes:
        cells = [f"{1e9 * seconds[size, e] / (BATCH * size**2):.0f}" for e in ENGINES]
        print(f"| {size} x {size} | {' | '.join(cells)} |", flush=True)


def transforms(options):
    print("\n| transforms | passes | ms an image, opencv | ms an image, xla |\n|---|---|---|---|")
    consumers = {
        (name, engine): consumer_of(each, 224, engine)
        for name, each in LISTS.items()
        for engine in ENGINES
    }
    counts = dict.fromkeys(consumers, options.batches)
    seconds = in_turn(consumers, counts, options.rounds)
    for name, each in LISTS.items():
        passes = sum(len(section.plan.passes) for section in A.Pipeline(each).program.sections)
        cells = [f"{1e3 * seconds[name, e] / BATCH:.2f}" for e in ENGINES]
        print(f"| {name} | {passes} | {' | '.join(cells)} |", flush=True)


def one_peak(name, engine, batch):
    """Print the bytes by which batches lift the peak of this process, by the end of each epoch."""
    pipeline = A.Pipeline({**LISTS, "AugMix": [A.AugMix()]}[name], seed=0)
    augment = partial(pipeline.augment, engine=engine, num_parallel_calls=1)
    images = np.random.default_rng(0).integers(0, 256, (batch, 512, 512, 3), dtype="uint8")
    consumer(augment, images[:8])(3)
    consume = consumer(augment, images)
    consume(0)  # a data set may copy what it is made of when it is first asked
    forget_peak()
    before = peak()
    for _ in range(EPOCHS):
        consume(4)
        print(peak() - before)


def peaks_of(name, engine, batch):
    """MiB by the end of each epoch, in a process of their own."""
    command = [sys.executable, __file__, "--peak", name, engine, str(batch)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    return [int(line) / MIB for line in answer.stdout.split()[-EPOCHS:]]


def memory():
    head = [f"MiB at {batch} images, after epoch 1, {EPOCHS}" for batch in LARGE]
    print(f"\n| transforms | engine | {' | '.join(head)} | output batches | MiB besides |")
    print("|---|---|---|---|---|---|")
    sizes = [batch * 512 * 512 * 3 / MIB for batch in LARGE]
    for name in ("rotation", "five, all four colors", "AugMix"):
        for engine in ENGINES:
            peaks = [peaks_of(name, engine, batch) for batch in LARGE]
            lasts = [each[-1] for each in peaks]
            batches = (lasts[1] - lasts[0]) / (sizes[1] - sizes[0])
            cells = [f"{each[0]:.0f}, {each[-1]:.0f}" for each in peaks]
            cells += [f"{batches:.1f}", f"{lasts[0] - batches * sizes[0]:.0f}"]
            print(f"| {name} | {engine} | {' | '.join(cells)} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 256, 512])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, default=4, help="of 224 pixels in a turn")
    parser.add_argument("--only-memory", action="store_true", help="the last table alone")
    parser.add_argument("--peak", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        name, engine, batch = options.peak
        one_peak(name, engine, int(batch))
        return
    if not options.only_memory:
        pixels(options)
        transforms(options)
    memory()


if __name__ == "__main__":
    main()
