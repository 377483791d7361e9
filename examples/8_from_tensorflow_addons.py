# %% [markdown]
# # 8. TensorFlow Addons, one import later: the same answers, to six digits
#
# TensorFlow Addons ended in May 2024. Its last version wants TensorFlow 2.15 and Keras 2, and
# whoever has a program or a trained model with it is held back on both. `kerastricks.addons` is
# what of it belongs to training deep image networks, for Keras 3. The move has two halves, programs
# and the models that they have saved. The model here is a genuine one: `data/old_digits.h5` was
# saved by tensorflow-addons 0.23.0, and `data/old_digits.npz` holds what that model and some
# functions of the original gave. `data/make_old_model.py` made both. Keep the folder `data` beside
# this notebook.
#
# You will see
#
# - an old program checked, rewritten and run;
# - an old model opened: the same answers, and training that goes on;
# - what became of layers, image operations, optimizers, losses and metrics;
# - where the numbers differ, on purpose;
# - what does not come along.

# %%
import pathlib
import subprocess
import sys
import tempfile

import h5py
import keras
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits, load_sample_image

import kerastricks.addons as tfa  # was: import tensorflow_addons as tfa

EPOCHS = 8
SEEDS = (0, 1, 2)
DATA = pathlib.Path("data")

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "figure.dpi": 80})

images, labels = load_digits(return_X_y=True)
images = (images.reshape(-1, 8, 8, 1) / 16).astype("float32")
tested = np.arange(len(labels)) % 4 == 0
x, y, x_test, y_test = images[~tested], labels[~tested], images[tested], labels[tested]
then = dict(np.load(DATA / "old_digits.npz"))


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


# %% [markdown]
# ## A program
#
# Two files as they were written for TensorFlow 2.15. `python -m kerastricks.addons check` reads
# them, runs nothing, and names each use of TensorFlow Addons and where it went.
#
# - It follows names: `import tensorflow_addons as tfa`, `from ... import`, other aliases.
# - Its exit status is 1 while something is left, so that it can stand in CI.
# - `--format json` says the same to other programs.

# %%
TRAIN = """\
import tensorflow as tf
import tensorflow_addons as tfa
from sklearn.datasets import load_digits

images, labels = load_digits(return_X_y=True)
images = images.reshape(-1, 8, 8, 1).astype("float32") / 16
model = tf.keras.Sequential(
    [
        tf.keras.Input((8, 8, 1)),
        tfa.layers.WeightNormalization(tf.keras.layers.Conv2D(16, 3, activation="relu")),
        tfa.layers.InstanceNormalization(),
        tf.keras.layers.Flatten(),
        tf.keras.layers.Dense(10, activation="softmax"),
    ]
)
ranger = tfa.optimizers.Lookahead(tfa.optimizers.RectifiedAdam(0.003))
model.compile(ranger, "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(images[:1400], labels[:1400], epochs=10, verbose=0)
print(f"{model.evaluate(images[1400:], labels[1400:], verbose=0)[1]:.1%} right")
"""
JUDGE = """\
import tensorflow_addons as tfa

focal = tfa.losses.SigmoidFocalCrossEntropy()
f1 = tfa.metrics.F1Score(num_classes=10, average="macro")
lazy = tfa.optimizers.LazyAdam(0.001)
triplets = tfa.losses.TripletSemiHardLoss()
"""
folder = tempfile.TemporaryDirectory()
pathlib.Path(folder.name, "train.py").write_text(TRAIN)
pathlib.Path(folder.name, "judge.py").write_text(JUDGE)


def python(*arguments):
    """What Python prints in that folder, and its exit status."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder.name, capture_output=True, text=True)
    return done.stdout, done.returncode


found, status = python("-m", "kerastricks.addons", "check", "train.py", "judge.py")
print(found)
print("exit status", status)

# %% [markdown]
# Everything that `train.py` uses is here under the same name. Then one line has to change, and
# `--write` changes it. What `judge.py` uses is partly Keras' own by now and partly gone, and a
# machine should not choose for you: its import stays.

# %%
changed, _ = python("-m", "kerastricks.addons", "check", "--write", "train.py", "judge.py")
print(changed[: changed.index("judge.py")])
said, status = python("train.py")
print("train.py, run on Keras", keras.__version__, "says:", said)

# %% [markdown]
# ## A model
#
# The file holds a small convolutional network with a layer of TensorFlow Addons for each of
# Keras' own, after eight epochs on three quarters of the digits. Keras' own loader stops at the
# first name that it does not know.

# %%
try:
    keras.models.load_model(DATA / "old_digits.h5")
    keras_says = ""
except Exception as error:
    keras_says = str(error).splitlines()[0]
print("keras.models.load_model:", keras_says[:100])

model = tfa.load_model(DATA / "old_digits.h5")
answers = model.predict(x_test, verbose=0)
apart = np.abs(answers - then["answers"]).max()
right = np.mean(answers.argmax(axis=1) == y_test)
print(f"tfa.load_model: {right:.1%} right, answers at most {apart:.0e} from those of then")
for layer in model.layers:
    kind = type(layer)
    print(f"  {layer.name:<26} {kind.__module__.split('.')[0]:<13}{kind.__name__}")

# %% [markdown]
# Nothing is taken on trust: no code in the file is run, no class made that is not Keras', ours, or
# given by you in `custom_objects`. Save it as `.keras`, and from then on Keras opens it.
#
# ## Training goes on
#
# The model comes back compiled. What does not come back are the moments of its optimizer, though
# this `.h5` file has them: the `.keras` files of Keras 2 do not, for optimizers of TensorFlow
# Addons. What does it cost? The original went on for four epochs where it was, in three orders of
# the images, once with its moments and once with a new optimizer. The same orders here:

# %%
with h5py.File(DATA / "old_digits.h5") as file:
    slots = []
    file["optimizer_weights"].visititems(
        lambda _, item: slots.append(item.size) if isinstance(item, h5py.Dataset) else None
    )
print(f"{model.count_params():,} weights; left behind: {sum(slots):,} numbers of the optimizer")

seeds, more = then["went_on"].shape
went_on = np.zeros((seeds, more))
for seed in range(seeds):
    model = tfa.load_model(DATA / "old_digits.h5")
    rng = np.random.default_rng(seed)
    for epoch in range(more):
        order = rng.permutation(len(y))
        history = model.fit(x[order], y[order], 32, shuffle=False, verbose=0)
        went_on[seed, epoch] = history.history["loss"][0]

figure, axes = plt.subplots(figsize=(6.8, 3.6))
before = np.arange(1, len(then["loss"]) + 1)
after = before[-1] + np.arange(1, more + 1)
axes.plot(before, then["loss"], "o-", color="C7", markersize=4, label="TensorFlow Addons, saved")
for name, courses, color, style in (
    ("there, with its moments", then["went_on"], "C1", "o-"),
    ("there, from new ones", then["started_anew"], "C0", "o-"),
    ("here, from new ones", went_on, "black", ":"),
):
    for number, course in enumerate(courses):
        label = name if number == 0 else None
        axes.plot(after, course, style, color=color, markersize=4, label=label)
axes.set(yscale="log", xlabel="epoch", ylabel="training loss")
axes.legend(frameon=False, loc="lower left")
plt.show()
beside = np.abs(went_on / then["started_anew"] - 1).max()
cost = went_on / then["went_on"]
print(f"beside the original with new moments: at most {beside:.2%} off")
print("over the original with its old ones, epoch by epoch:", np.round(cost.mean(axis=0), 2))

# %% [markdown]
# Given the same, it does the same: the dotted lines lie on the blue ones. And new moments are no
# loss here. RectifiedAdam takes small steps until it has seen gradients, which at this rate even
# helps at first.
#
# ## Image operations
#
# They take and return what they took and returned, in eager code, in `tf.data` and in models:
# images as (height, width, channels), or batches of them, in any numeric dtype.

# %%
flower = load_sample_image("flower.jpg")[20:400:6, 60:600:6]
height, width, _ = flower.shape
grains = np.random.default_rng(0).random((height, width, 1))
noisy = np.where(grains < 0.06, 0, np.where(grains > 0.94, 255, flower)).astype("uint8")
waves = np.zeros((1, height, width, 2), "float32")
waves[..., 0] = 3 * np.sin(np.arange(width) / 5)
gallery = {
    "the photograph": flower,
    "rotate": tfa.image.rotate(flower, 0.35, "bilinear"),
    "shear_x": tfa.image.shear_x(flower, 0.3, replace=0),
    "cutout": tfa.image.cutout(flower[None], (24, 24), (32, 45))[0],
    "dense_image_warp": tfa.image.dense_image_warp(flower[None].astype("float32"), waves)[0],
    "grains": noisy,
    "median_filter2d": tfa.image.median_filter2d(noisy, 3),
    "gaussian_filter2d": tfa.image.gaussian_filter2d(flower, 7, 2.0),
    "equalize": tfa.image.equalize(flower),
    "adjust_hsv_in_yiq": tfa.image.adjust_hsv_in_yiq(flower, delta_hue=1.0),
}
figure, grid = plt.subplots(2, 5, figsize=(8.4, 2.9), layout="constrained")
for axis, (name, picture) in zip(grid.flat, gallery.items(), strict=True):
    axis.imshow(np.clip(numpy_of(picture), 0, 255).astype("uint8"))
    axis.set_title(name, fontsize=9)
    axis.axis("off")
plt.show()

# %% [markdown]
# For augmentation there is more to gain than the old names: `kt.augment.Pipeline` draws for each
# sample, and resamples once for any number of rotations, shears and zooms (notebook 5).
#
# ## Layers
#
# They are Keras 3 layers with the weights, in the order, that the old ones had. One look inside: a
# weight-normalized convolution is a plain one whose kernel is $g\, v / \|v\|$, so that each output
# channel has the length $g$, which is trained apart from the direction.

# %%
wrapped = next(x for x in model.layers if isinstance(x, tfa.layers.WeightNormalization))
g, v, bias = (numpy_of(weight) for weight in wrapped.trainable_weights)
kernel = g * v / np.linalg.norm(v.reshape(-1, len(g)), axis=0)
plain = keras.layers.Conv2D(len(g), 3, padding="same")
plain.build((None, None, None, v.shape[2]))
plain.set_weights([kernel, bias])
samples = np.random.default_rng(0).normal(size=(4, 4, 4, v.shape[2])).astype("float32")
convolved = np.abs(numpy_of(wrapped(samples)) - numpy_of(plain(samples))).max()
print(f"WeightNormalization and a plain convolution by g v / |v| differ by {convolved:.0e} at most")

# %% [markdown]
# ## Optimizers
#
# A network of two hidden layers on the digits, three seeds. To the left what trains:
#
# - **Adam**, Keras' own, to compare with;
# - **RectifiedAdam**: Adam that trusts its step sizes no further than it has seen gradients;
# - **Ranger**, `Lookahead(RectifiedAdam(...))`: every six steps halfway back;
# - **LAMB**: steps in proportion to the size of each layer's weights.
#
# To the right what averages: `MovingAverage(Adam(...))`, with a rate that is too large to settle.
# One and the same training, judged at the end of each epoch with its weights as they are, and with
# their average over a hundred steps.

# %%


def trained(optimizer, seed, callbacks=()):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
    for _ in range(2):
        model.add(keras.layers.Dense(64, "relu", kernel_initializer="he_normal"))
    model.add(keras.layers.Dense(10, "softmax"))
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model.fit(x, y, 32, EPOCHS, verbose=0, callbacks=list(callbacks)).history["loss"]


class BothWays(keras.callbacks.Callback):
    """The test loss with the weights as they are, and with their averages."""

    def on_train_begin(self, logs=None):
        self.plain, self.averaged = [], []

    def on_epoch_end(self, epoch, logs=None):
        self.plain.append(self.loss())
        self.model.optimizer.swap_weights()
        self.averaged.append(self.loss())
        self.model.optimizer.swap_weights()

    def loss(self):
        chosen = numpy_of(self.model(x_test, training=False))[np.arange(len(y_test)), y_test]
        return -np.mean(np.log(np.maximum(chosen, 1e-7)))


optimizers = {
    "Adam": lambda: keras.optimizers.Adam(0.003),
    "RectifiedAdam": lambda: tfa.optimizers.RectifiedAdam(0.003),
    "Ranger": lambda: tfa.optimizers.Lookahead(tfa.optimizers.RectifiedAdam(0.003)),
    "LAMB": lambda: tfa.optimizers.LAMB(0.01),
}
losses = {
    name: np.array([trained(make(), seed) for seed in SEEDS]) for name, make in optimizers.items()
}
ways = []
for seed in SEEDS:
    ways.append(BothWays())
    averaging = tfa.optimizers.MovingAverage(keras.optimizers.Adam(0.02), dynamic_decay=True)
    trained(averaging, seed, [ways[-1]])
averaged = {
    "as they are": np.array([run.plain for run in ways]),
    "averaged": np.array([run.averaged for run in ways]),
}

figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
epochs = np.arange(1, EPOCHS + 1)
for axis, curves, colors in (
    (axes[0], losses, ("C7", "C0", "C1", "C2")),
    (axes[1], averaged, ("C7", "C0")),
):
    for (name, values), color in zip(curves.items(), colors, strict=True):
        axis.plot(epochs, values.mean(axis=0), "o-", color=color, markersize=4, label=name)
        axis.fill_between(epochs, values.min(0), values.max(0), color=color, alpha=0.15)
    axis.set(yscale="log", xlabel="epoch")
axes[0].legend(frameon=False, loc="lower left")
axes[1].legend(frameon=False)
axes[0].set(title="training loss")
axes[1].set(title="MovingAverage: test loss of the weights")
plt.show()
for name, values in (losses | averaged).items():
    last = values[:, -1]
    print(f"{name:<14} {last.mean():.3f} ({last.min():.3f} to {last.max():.3f})")

# %% [markdown]
# The averages are the better weights on every seed. RectifiedAdam is slower than Adam here, and
# Ranger slower still: careful first steps, and going halfway back, cost more than they gain in a
# training of a few hundred steps.
#
# ## Losses and metrics
#
# Those that Keras 3 has itself are not repeated here; `check` names them. Some count otherwise:
# the focal loss of TensorFlow Addons is a sum over the outputs, Keras' a mean. What Keras has not
# is often one line of `keras.ops`. Held to the numbers that the original gave for the answers of
# the old model:

# %%
target = keras.utils.to_categorical(y_test, 10)
focal = keras.losses.BinaryFocalCrossentropy(apply_class_balancing=True)
f1 = keras.metrics.F1Score(average="macro")
f1.update_state(target, answers)
error = target - answers
pinball = keras.ops.mean(keras.ops.maximum(0.9 * error, -0.1 * error))
scores = {
    "SigmoidFocalCrossEntropy": ("10 BinaryFocalCrossentropy()", 10 * focal(target, answers)),
    "F1Score": ("keras.metrics.F1Score", f1.result()),
    "PinballLoss": ("one line of keras.ops", pinball),
}
for name, (now, value) in scores.items():
    print(f"{name:<25} then {then[name]:.6f}   now {float(value):.6f}   {now}")

# %% [markdown]
# ## Where the numbers differ
#
# The tests of the package compute the same cases with the real TensorFlow Addons and compare. Where
# the original is wrong this one is not, and the docstring says so. On the corner of a photograph,
# there (recorded) and here:
#
# - `median_filter2d` of an even number of pixels is the mean of the middle two. In uint8 their sum
#   overflowed there: the median of 200 and 200 was 72.
# - `mean_filter2d`, `rotate` and others: fractions were cut off, here they are rounded. Nobody sees
#   half a level, but it is a shift of every image.
# - `gaussian_filter2d` with a sigma of 0: NaN there, the image itself here.

# %%
corner = then["corner"]
here = {
    "median_filter2d": tfa.image.median_filter2d(corner, 2),
    "mean_filter2d": tfa.image.mean_filter2d(corner, 3),
    "rotate": tfa.image.rotate(corner, 0.4, "bilinear"),
    "gaussian_filter2d": tfa.image.gaussian_filter2d(corner.astype("float32"), 3, sigma=0.0),
}
here = {name: numpy_of(picture) for name, picture in here.items()}
above = {name: here[name].astype(float) - then[name] for name in ("mean_filter2d", "rotate")}
figure, grid = plt.subplots(1, 4, figsize=(8.4, 2.5), layout="constrained")
for axis, (name, picture) in zip(
    grid,
    {
        "the corner": corner,
        "median_filter2d, there": then["median_filter2d"],
        "median_filter2d, here": here["median_filter2d"],
        "mean_filter2d,\nhere one above there": above["mean_filter2d"][..., 0],
    }.items(),
    strict=True,
):
    axis.imshow(picture, cmap="Blues", interpolation="nearest")
    axis.set_title(name, fontsize=9)
    axis.axis("off")
plt.show()
for name, difference in above.items():
    low, high, mean = difference.min(), difference.max(), difference.mean()
    print(f"{name}: here {low:+.0f} to {high:+.0f} from there, on average {mean:+.2f}")
lost = [np.isnan(p["gaussian_filter2d"]).mean() for p in (then, here)]
print("gaussian_filter2d, sigma 0: NaN there {:.0%}, here {:.0%}".format(*lost))

# %% [markdown]
# ## What does not come along
#
# - The moments of the optimizer, as seen above.
# - Recurrent cells, decoders, CRF, most losses for metric learning: no part of training deep image
#   networks. [The table](../docs/addons.md) has all names, and what to do instead.
# - Keras 3 itself: what a program does with Keras 2 beyond TensorFlow Addons, the
#   [migration guide](https://keras.io/guides/migrating_to_keras_3/) has.
# - SavedModel folders, and files with `Lambda` layers: refused, with the reason.
#
# The curves of the optimizers are of an easy problem and of one rate each. They show that the parts
# work, not which of them is best.
#
# What to try next: `check` on a program of your own; `model.save("digits-3.keras")`, and
# `keras.models.load_model` to open it; `EPOCHS = 40` for Ranger, or a larger rate; `SWA`, and then
# `kt.surgery.recalibrate_batch_norm`.

# %%
folder.cleanup()
assert "import kerastricks.addons as tfa" in changed
assert "TripletSemiHardLoss" in changed
assert status == 0
assert "% right" in said
assert keras_says
assert apart < 1e-5
assert right > 0.9
assert beside < 0.02
assert convolved < 1e-5
assert np.allclose([float(v) for _, v in scores.values()], [then[n] for n in scores], rtol=1e-4)
assert all(0 < difference.mean() < 1 for difference in above.values())
assert lost == [1, 0]
assert (averaged["averaged"][:, -1] < averaged["as they are"][:, -1]).all()
assert all(values[:, -1].mean() < values[:, 0].mean() for values in losses.values())
