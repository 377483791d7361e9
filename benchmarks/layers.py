"""How fast the layers are beside Keras' own, and beside torch's on the torch backend.

    KERAS_BACKEND=tensorflow python benchmarks/layers.py
    KERAS_BACKEND=torch python benchmarks/layers.py --layers BatchNormalization Dropout --memory

A ratio is the other's time over ours, so that above 1 ours is faster. Ours and the others run in
turn in one process, each round gives one ratio, and the table shows the median of the rounds with
the quartiles. `inference` and `forward` (training) run the layer; `backward` is forward and the
gradients of the input and all trainable weights. The modes: `eager`; `graph` (tf.function); `jit`
(XLA). The twin of MonteCarloDropout is Dropout, which has nothing to do in `inference`. Peak
memory is that of steps in a process of its own for each layer, above what it holds once it has
compiled; `--memory` adds it (ours / Keras' / torch's).
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import time
from functools import partial
from statistics import median, quantiles

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Threads that spin while they wait take the cores from whoever runs next.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
import keras
from _resident import forget_peak, peak

import kerastricks as kt

BACKEND = keras.backend.backend()
MODES = {
    "tensorflow": ("eager", "graph", "jit"),
    "jax": ("eager", "jit"),
    "torch": (
        "eager",
    ),  # torch.compile takes minutes a row, and Keras does not turn it on by itself
}[BACKEND]
DIRECTIONS = ("inference", "forward", "backward")

OURS, KERAS = kt.layers, keras.layers
CHANNELS_DROPPED = {"rate": 0.3, "noise_shape": (None, 1, 1, None), "seed": 1}
PAIRS = {
    "BatchNormalization": (OURS.BatchNormalization, KERAS.BatchNormalization),
    "BatchNormalization, axis 1": (
        partial(OURS.BatchNormalization, 1),
        partial(KERAS.BatchNormalization, 1),
    ),
    "Dropout": (partial(OURS.Dropout, 0.3), partial(KERAS.Dropout, 0.3)),
    "Dropout, seeded": (partial(OURS.Dropout, 0.3, seed=1), partial(KERAS.Dropout, 0.3, seed=1)),
    "Dropout, half": (partial(OURS.Dropout, 0.5), partial(KERAS.Dropout, 0.5)),
    "Dropout, channels": (
        partial(OURS.Dropout, **CHANNELS_DROPPED),
        partial(KERAS.Dropout, **CHANNELS_DROPPED),
    ),
    "MonteCarloDropout": (partial(OURS.MonteCarloDropout, 0.3), partial(KERAS.Dropout, 0.3)),
    "LeakyReLU": (OURS.LeakyReLU, KERAS.LeakyReLU),
    "VeryLeakyReLU": (OURS.VeryLeakyReLU, partial(KERAS.LeakyReLU, 1 / 5.5)),
    "PReLU": (
        partial(OURS.PReLU, shared_axes=[1, 2]),
        partial(
            KERAS.PReLU,
            alpha_initializer=keras.initializers.Constant(0.25),
            shared_axes=[1, 2],
        ),
    ),
}
"""What is compared: our layer and its twin of Keras."""


def torch_layers(channels):
    """Torch's own layers; they take channels first, in memory as our input has them."""
    import torch

    return {
        "BatchNormalization": partial(torch.nn.BatchNorm2d, channels, eps=1e-3, momentum=0.01),
        "BatchNormalization, axis 1": partial(
            torch.nn.BatchNorm2d, channels, eps=1e-3, momentum=0.01
        ),
        "Dropout": partial(torch.nn.Dropout, 0.3),
        "Dropout, half": partial(torch.nn.Dropout, 0.5),
        "Dropout, channels": partial(torch.nn.Dropout2d, 0.3),
        "LeakyReLU": partial(torch.nn.LeakyReLU, 0.3),
        "VeryLeakyReLU": partial(torch.nn.LeakyReLU, 1 / 5.5),
        "PReLU": partial(torch.nn.PReLU, channels),
    }


# --- One step of a layer, as a function without arguments ----------------------------------------


def step(layer, x, cotangent, direction, mode):
    """A function that runs the layer once and waits for the result."""
    if BACKEND != "torch" or isinstance(layer, keras.Layer):
        layer.build(tuple(x.shape))
    call = {
        "tensorflow": tensorflow_step,
        "jax": jax_step,
        "torch": torch_step,
    }[BACKEND]
    return call(layer, x, cotangent, direction, mode)


def called(layer, x, training):
    """The layer's output; not every layer takes `training`."""
    return layer(x, training=training) if takes_training(layer) else layer(x)


def takes_training(layer):
    return isinstance(layer, (KERAS.Dropout, KERAS.BatchNormalization))


def tensorflow_step(layer, x, cotangent, direction, mode):
    import tensorflow as tf

    def run():
        if direction != "backward":
            return called(layer, x, direction == "forward")
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = called(layer, x, True)
        wanted = [x, *[weight.value for weight in layer.trainable_weights]]
        return tape.gradient(y, wanted, output_gradients=cotangent)

    # On a CPU the call returns when the result is there.
    return run if mode == "eager" else tf.function(run, jit_compile=mode == "jit")


def jax_step(layer, x, cotangent, direction, mode):
    import jax

    trainable = [weight.value for weight in layer.trainable_variables]

    def forward(trainable, fixed, x):
        arguments = {"training": direction != "inference"} if takes_training(layer) else {}
        return layer.stateless_call(trainable, fixed, x, **arguments)

    def run(trainable, fixed, x, cotangent):
        if direction != "backward":
            return forward(trainable, fixed, x)
        _, pull, fixed = jax.vjp(lambda t, x: forward(t, fixed, x), trainable, x, has_aux=True)
        return pull(cotangent), fixed

    compiled = jax.jit(run) if mode == "jit" else run
    state = [[weight.value for weight in layer.non_trainable_variables]]

    def wait():
        _, state[0] = jax.block_until_ready(compiled(trainable, state[0], x, cotangent))

    return wait


def torch_step(layer, x, cotangent, direction, mode):
    import torch

    assert mode == "eager"
    x = x.clone().requires_grad_(direction == "backward")
    if isinstance(layer, keras.Layer):
        weights = [weight.value for weight in layer.trainable_weights]

        def forward():
            return called(layer, x, direction != "inference")
    else:
        layer.train(direction != "inference")
        weights = list(layer.parameters())

        def forward():
            return layer(x)

    def run():
        with torch.set_grad_enabled(direction == "backward"):
            y = forward()
        if direction == "backward":
            torch.autograd.grad(y, [x, *weights], grad_outputs=cotangent)

    return run


# --- Measuring -----------------------------------------------------------------------------------


def seconds(run):
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def tensors(shape):
    random = np.random.default_rng(0)
    return [
        keras.ops.convert_to_tensor(random.normal(size=shape).astype("float32")) for _ in range(2)
    ]


def channels_first(tensor):
    """The same memory with the channels named first, which is how torch's layers want it."""
    return tensor.permute(0, 3, 1, 2)


def contenders(name, shape, direction, mode):
    """Steps of ours, of Keras' twin, and of torch's own layer where there is one."""
    x, cotangent = tensors(shape)
    axis_first = name.endswith("axis 1")
    if axis_first:
        x, cotangent = (keras.ops.transpose(tensor, (0, 3, 1, 2)) for tensor in (x, cotangent))
        if BACKEND == "torch":
            x, cotangent = x.contiguous(), cotangent.contiguous()
    steps = [step(make(), x, cotangent, direction, mode) for make in PAIRS[name]]
    if BACKEND == "torch" and name in torch_layers(shape[-1]):
        arranged = (x, cotangent) if axis_first else (channels_first(x), channels_first(cotangent))
        steps.append(step(torch_layers(shape[-1])[name](), *arranged, direction, mode))
    return steps


def ratios(name, shape, direction, mode, rounds):
    """The others' times over ours, one list a contender, one entry a round."""
    steps = contenders(name, shape, direction, mode)
    for run in steps * 2:
        run()
    times = []
    for turn in range(rounds):
        # Who goes first alternates too: what ran before leaves its traces in the caches.
        order = range(len(steps)) if turn % 2 else reversed(range(len(steps)))
        measured = {index: seconds(steps[index]) for index in order}
        times.append([measured[index] for index in range(len(steps))])
    ours = [row[0] for row in times]
    others = [[row[i] / row[0] for row in times] for i in range(1, len(steps))]
    return median(ours), others


def peak_memory(name, which, shape, direction, mode):
    """Mebibytes that a process of its own needs above its input, for one contender."""
    request = json.dumps([name, which, shape, direction, mode])
    # What is freed goes back to the system at once, and is not held for later in several pools.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(2**20)}
    answer = subprocess.run(
        [sys.executable, __file__, "--one", request],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return float(answer.stdout.split()[-1])


def measure_one(request):
    name, which, shape, direction, mode = json.loads(request)
    run = contenders(name, tuple(shape), direction, mode)[which]
    # Tracing and compiling take tens of MiB, once and whatever the inputs' size.
    run()
    gc.collect()
    forget_peak()
    before = peak()
    for _ in range(4):
        run()
    print((peak() - before) / 2**20)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", nargs="*", default=list(PAIRS), help="rows (default: all)")
    parser.add_argument("--modes", nargs="*", default=MODES, choices=MODES, help="default: all")
    parser.add_argument("--shape", nargs=4, type=int, default=(64, 56, 56, 64), help="NHWC")
    parser.add_argument("--rounds", type=int, default=15, help="rounds a row (default 15)")
    parser.add_argument("--memory", action="store_true", help="also compare peak memory")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        measure_one(options.one)
        return
    shape = tuple(options.shape)
    print(
        f"Keras {keras.__version__}, {BACKEND}; {os.cpu_count()} cores; shape {shape}; "
        f"{options.rounds} rounds"
    )
    print(f"{'layer':28}{'mode':7}{'direction':11}{'ours, ms':>9}  ratio [quartiles], by rival")
    for name in options.layers:
        for mode in options.modes:
            for direction in DIRECTIONS:
                ours, others = ratios(name, shape, direction, mode, options.rounds)
                cells = []
                for rival, values in zip(("keras", "torch"), others, strict=False):
                    low, _, high = quantiles(values, n=4)
                    cells.append(f"{rival} {median(values):5.2f} [{low:.2f}, {high:.2f}]")
                if options.memory:
                    memories = [
                        peak_memory(name, which, shape, direction, mode)
                        for which in range(1 + len(others))
                    ]
                    cells.append("MiB " + " / ".join(f"{memory:.0f}" for memory in memories))
                print(
                    f"{name:28}{mode:7}{direction:11}{1e3 * ours:9.1f}  {'   '.join(cells)}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
