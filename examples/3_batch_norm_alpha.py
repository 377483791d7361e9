# %% [markdown]
# # 3. After 100 steps, 37% of your batch norm's averages are not data
#
# Batch normalization computes one thing in training and another in use. In training it normalizes
# by the batch at hand, in use by averages that it has kept on the side. How fast those follow is
# one number, alpha, which hardly anyone looks at: Keras' default is 0.01 (it says
# `momentum=0.99`), PyTorch's is 0.1 (it says `momentum=0.1`), and in a short training the first of
# them makes a good network look broken.
#
# You will see
#
# - what normalizing before the activation does to a network of sigmoids;
# - the moving average in its formula and as a curve;
# - one training, validated with seven alphas at once;
# - why a small batch wants a small alpha, and a short training a large one;
# - the repair: fresh averages for the weights as they are now, without any training.

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import kerastricks as kt

SEEDS = (0, 1, 2)
EPOCHS = 5
SIGMOID_STEPS = 1200
ALPHAS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "figure.dpi": 80})

images, labels = load_digits(return_X_y=True)
images = ((images - images.mean()) / images.std()).astype("float32")
x, x_test, y, y_test = train_test_split(images, labels, stratify=labels, random_state=0)


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


# %% [markdown]
# ## What it is for
#
# A good start (notebook 2) gives every layer inputs of variance 1. But then the weights move, and
# nothing holds the variance where it was. So hold it: normalize $h_i$, the output of neuron $i$
# *before* its activation, and let the network choose scale and place anew,
#
# $$h_i \leftarrow \gamma_i \frac{h_i - \mu_i}{\sqrt{\sigma_i^2 + \epsilon}} + \beta_i .$$
#
# - $\mu_i$ and $\sigma_i^2$ are estimated from the training batch;
# - $\gamma_i$ and $\beta_i$ are learned: normalizing is differentiable, so backpropagation goes
#   through it, through $\mu_i$ and $\sigma_i^2$ too;
# - a bias before it would be subtracted at once: `use_bias=False`.
#
# The first experiment is the one of the paper of 2015, on smaller digits: three layers of sigmoids
# whose weights start as small random numbers. The picture follows one neuron of the last of them,
# by the 15th, 50th and 85th percentiles of its $h$ over the test images.

# %%


class Percentiles(keras.callbacks.Callback):
    """Of what goes into the last sigmoid, every ten steps."""

    def on_train_begin(self, logs=None):
        inputs = [layer for layer in self.model.layers if layer.name.startswith("before")][-1]
        self.view = keras.Model(self.model.inputs[0], inputs.output)
        self.steps, self.seen, self.right = [], [], []

    def on_train_batch_end(self, batch, logs=None):
        if batch % 10 == 0:
            h = numpy_of(self.view(x_test, training=True))[:, 0]
            answers = numpy_of(self.model(x_test, training=True)).argmax(axis=1)
            self.steps.append(batch)
            self.seen.append(np.percentile(h, (15, 50, 85)))
            self.right.append(np.mean(answers == y_test))


def sigmoid_network(normalized):
    keras.utils.set_random_seed(0)
    tensor = inputs = keras.Input((64,))
    for number in range(3):
        start = kt.initializers.ScaledNormal(0.1)
        name = f"before_{number}"
        if normalized:
            tensor = keras.layers.Dense(64, use_bias=False, kernel_initializer=start)(tensor)
            tensor = kt.layers.BatchNormalization(name=name)(tensor)
        else:
            tensor = keras.layers.Dense(64, kernel_initializer=start, name=name)(tensor)
        tensor = keras.layers.Activation("sigmoid")(tensor)
    model = keras.Model(inputs, keras.layers.Dense(10, "softmax")(tensor))
    model.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy")
    return model


rng = np.random.default_rng(0)
order = rng.integers(len(x), size=SIGMOID_STEPS * 32)
runs = {}
for normalized in (False, True):
    runs[normalized] = Percentiles()
    model = sigmoid_network(normalized)
    model.fit(x[order], y[order], 32, shuffle=False, verbose=0, callbacks=[runs[normalized]])

figure, axes = plt.subplots(1, 3, figsize=(11, 3), layout="constrained")
names = {False: "plain", True: "batch normalization"}
for normalized, run in runs.items():
    color = "C0" if normalized else "C7"
    axes[0].plot(run.steps, 100 * np.array(run.right), color, label=names[normalized])
    axes[1 + normalized].plot(run.steps, run.seen, color)
    axes[1 + normalized].set(title=f"into a sigmoid, {names[normalized]}", xlabel="step")
axes[0].set(title="right (%)", xlabel="step", ylim=(0, 102))
axes[0].legend(frameon=False, loc="lower right")
for axis in axes[1:]:
    axis.set_ylim(min(axes[1].get_ylim()[0], -2), max(axes[1].get_ylim()[1], 2))
plt.show()

learned = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)][1]
gamma, beta = numpy_of(learned.gamma), numpy_of(learned.beta)
print(f"gamma started at 1, is {gamma.min():.2f} to {gamma.max():.2f}")
print(f"beta started at 0, is {beta.min():.2f} to {beta.max():.2f}")

# %% [markdown]
# ## The moving average
#
# In use there may be a single image, and no batch to normalize by. So training keeps averages,
#
# $$\mu_i \leftarrow \alpha \cdot \text{mean}_{\text{batch}} + (1 - \alpha)\, \mu_i, \qquad
# \sigma_i^2 \leftarrow \alpha \cdot \text{variance}_{\text{batch}} + (1 - \alpha)\, \sigma_i^2,
# \qquad 0 < \alpha < 1,$$
#
# with two consequences that one can read off after unrolling it:
#
# - the batch of $k$ steps ago has the weight $\alpha (1 - \alpha)^k$: the average remembers about
#   $1 / \alpha$ batches;
# - of the start, which is mean 0 and variance 1 and has nothing to do with the data, the share
#   $(1 - \alpha)^t$ is left after $t$ steps.

# %%
start_left = {}
figure, axes = plt.subplots(figsize=(6.4, 3.2))
steps = np.arange(0, 501)
for alpha, color in ((0.001, "C3"), (0.01, "C1"), (0.1, "C0")):
    axes.plot(steps, 100 * (1 - alpha) ** steps, color, label=f"alpha = {alpha}")
    layer = kt.layers.BatchNormalization(alpha=alpha)
    measured = []
    for _ in range(101):
        layer(np.array([[3.0], [5.0]]), training=True)  # a mean of 4
        measured.append(1 - float(layer.moving_mean[0]) / 4)
    start_left[alpha] = measured[99]
    axes.plot(steps[10:110:30], 100 * np.array(measured)[9:109:30], color + "o", markersize=5)
axes.set(xlabel="step", ylabel="of the start is left (%)", ylim=(0, 101))
axes.legend(frameon=False, loc="upper right", bbox_to_anchor=(1, 0.55))
plt.show()
for alpha, left in start_left.items():
    until = int(np.ceil(np.log(0.01) / np.log(1 - alpha)))
    print(f"alpha {alpha}: {left:.1%} after 100 steps; below 1% after {until}")

# %% [markdown]
# Lines are the formula, dots the layer. With 0.01, a network trained for three epochs of 40 steps
# has 30% of nothing in every average.
#
# ## One training, seven alphas
#
# The averages are never used while training. So they need no training of their own: with `alpha=1`
# the layers keep the last batch's statistics, and a callback averages these with as many alphas as
# it likes. At the end of an epoch it puts each set of averages in and computes the validation
# loss. The weights are the very same throughout.

# %%


class EveryAlpha(keras.callbacks.Callback):
    def __init__(self, recalibrate):
        super().__init__()
        self.recalibrate = recalibrate

    def on_train_begin(self, logs=None):
        norms = [x for x in self.model.layers if isinstance(x, keras.layers.BatchNormalization)]
        self.statistics = [w for n in norms for w in (n.moving_mean, n.moving_variance)]
        self.averages = {alpha: [numpy_of(w) for w in self.statistics] for alpha in ALPHAS}
        self.losses = {name: [] for name in (*ALPHAS, "recalibrated", "training")}

    def on_train_batch_end(self, batch, logs=None):
        new = [numpy_of(w) for w in self.statistics]
        for alpha, old in self.averages.items():
            pairs = zip(new, old, strict=True)
            self.averages[alpha] = [alpha * batch + (1 - alpha) * kept for batch, kept in pairs]

    def on_epoch_end(self, epoch, logs=None):
        for alpha, averages in self.averages.items():
            for variable, value in zip(self.statistics, averages, strict=True):
                variable.assign(value)
            self.losses[alpha].append(self.loss())
        self.losses["training"].append(logs["loss"])
        if self.recalibrate:
            kt.surgery.recalibrate_batch_norm(self.model, x, verbose=0)
            self.losses["recalibrated"].append(self.loss())

    def loss(self):
        answers = numpy_of(self.model(x_test, training=False))
        return -np.mean(np.log(np.maximum(answers[np.arange(len(y_test)), y_test], 1e-7)))


def network(alpha, average="exponential"):
    model = keras.Sequential([keras.Input((64,))])
    for _ in range(3):
        start = kt.initializers.He()
        model.add(keras.layers.Dense(64, use_bias=False, kernel_initializer=start))
        model.add(kt.layers.BatchNormalization(alpha=alpha, average=average))
        model.add(keras.layers.ReLU())
    model.add(keras.layers.Dense(10, "softmax"))
    model.compile(keras.optimizers.Adam(0.005), "sparse_categorical_crossentropy")
    return model


def validated(batch, recalibrate):
    runs = []
    for seed in SEEDS:
        keras.utils.set_random_seed(seed)
        runs.append(EveryAlpha(recalibrate))
        network(alpha=1.0).fit(x, y, batch, EPOCHS, verbose=0, callbacks=[runs[-1]])
    return {
        name: np.array([run.losses[name] for run in runs]) for name in runs[0].losses
    }  # (seeds, epochs)


usual = validated(32, recalibrate=True)

# %%
figure, axes = plt.subplots(figsize=(6.4, 3.6))
epochs = np.arange(1, EPOCHS + 1)
shown = {
    "training": ("black", "training loss"),
    0.001: ("C3", "validation, alpha = 0.001"),
    0.01: ("C1", "validation, alpha = 0.01"),
    0.1: ("C0", "validation, alpha = 0.1"),
    "recalibrated": ("C2", "validation, recalibrated"),
}
for name, (color, label) in shown.items():
    middle, spread = usual[name].mean(axis=0), usual[name].std(axis=0)
    axes.plot(epochs, middle, color, label=label, linestyle=":" if name == "training" else "-")
    axes.fill_between(epochs, middle - spread, middle + spread, color=color, alpha=0.15)
axes.set(yscale="log", xlabel="epoch (42 steps each)", ylabel="loss", xticks=epochs)
axes.legend(frameon=False, bbox_to_anchor=(1, 1))
plt.show()

# %% [markdown]
# All colored lines are the same weights. With fresh averages (green) they are good from the first
# epoch on. With 0.01 the network looks two epochs younger than it is. With 0.001 its loss looks ten
# times as high as it is, the training loss is fine, and one would go looking for overfitting.
#
# ## The doctor sees it
#
# No validation is needed to notice: the averages disagree with the batches that went in. After a
# single epoch:

# %%
keras.utils.set_random_seed(0)
model = network(alpha=0.01)
doctor = kt.callbacks.TrainingDoctor(verbose=0)
model.fit(x, y, 32, 1, verbose=0, callbacks=[doctor])
print(doctor.report.summary())

# %% [markdown]
# ## The repair
#
# - After training: `kt.surgery.recalibrate_batch_norm(model, x)` runs the training images through
#   the network once and keeps their statistics. Weights stay as they are.
# - Before training: a larger `alpha`; or `average="debiased"`, which divides the start out,
#   $\alpha_t = \alpha / (1 - (1 - \alpha)^t)$, and so is right from the first step and remembers as
#   long as `alpha` says later.

# %%


def loss(model):
    return model.evaluate(x_test, y_test, 512, verbose=0)


starts = {
    "as trained, alpha = 0.01": {"alpha": 0.01},
    "alpha = 0.1 from the start": {"alpha": 0.1},
    'alpha = 0.01, average="debiased"': {"alpha": 0.01, "average": "debiased"},
}
repaired = {name: [] for name in (*starts, "recalibrated, alpha = 0.01")}
for seed in SEEDS:
    for name, arguments in starts.items():
        keras.utils.set_random_seed(seed)
        model = network(**arguments)
        model.fit(x, y, 32, 1, verbose=0)
        repaired[name].append(loss(model))
        if name.startswith("as trained"):
            kt.surgery.recalibrate_batch_norm(model, x, verbose=0)
            repaired["recalibrated, alpha = 0.01"].append(loss(model))
print("validation loss after one epoch, mean of seeds (least to most)")
for name, values in repaired.items():
    print(f"{name:<34} {np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})")

# %% [markdown]
# ## Why not always 0.1? A small batch
#
# The mean of $n$ values scatters around the true mean by $\sigma / \sqrt{n}$. An average that
# remembers ten batches of four has seen forty images. So the small batch, whose epoch has many
# steps, wants the small alpha.

# %%
small = validated(4, recalibrate=False)

figure, axes = plt.subplots(figsize=(6.4, 3.4))
for name, runs, color in (("batch 32", usual, "C0"), ("batch 4", small, "C3")):
    last = np.array([runs[alpha][:, -1] for alpha in ALPHAS])
    axes.plot(ALPHAS, last, ".", color=color, alpha=0.5)
    axes.plot(ALPHAS, last.mean(axis=1), "o-", color=color, label=name)
axes.set(xscale="log", yscale="log", xlabel="alpha", ylabel=f"validation loss, epoch {EPOCHS}")
axes.legend(frameon=False)
plt.show()
best = {
    name: min(ALPHAS, key=lambda alpha: runs[alpha][:, -1].mean())
    for name, runs in (("batch 32", usual), ("batch 4", small))
}
print(f"best alpha: {best}")

# %% [markdown]
# Each curve is a valley: to the left the start and the weights of long ago, to the right the noise
# of the last few batches. Both walls of both valleys stand about where two rules of thumb put them:
# $1 / \alpha$ should be at most a tenth of the steps that you train, and so many batches should
# hold a hundred images at least.
#
# Three things more that the name hides:
#
# - Keras' `momentum` is $1 - \alpha$, PyTorch's `momentum` is $\alpha$. 0.1 here is 0.9 there. That
#   is why the argument is called `alpha` in this package.
# - Keras 3 averages the batch's variance as it is (divided by $n$), PyTorch and Keras 2 its
#   unbiased twin (divided by $n - 1$): 1.25 or 1.667 for the batch 1, 2, 3, 4. With large batches
#   nobody notices. `unbiased_variance=True` is the other convention.
# - With a batch of four, the noise is in the training too, where no alpha helps:
#   group normalization, or a larger batch, does.
#
# ## What this does not show
#
# Five epochs are short on purpose. After twenty thousand steps there is nothing left of the start
# with any alpha but the smallest, and all that matters is how fast the weights still move. The
# comparison of the sigmoids is one seed and one learning rate: a picture, not a measurement.
#
# What to try next: `EPOCHS = 20`; a learning rate of 0.05, with which the weights run away from
# their averages; `virtual_batch_size=8` in a batch of 64.

# %%
end = {name: usual[name][:, -1].mean() for name in (*ALPHAS, "recalibrated")}
assert abs(start_left[0.01] - 0.99**100) < 1e-4
assert end[0.001] > 2 * end[0.1]
assert end["recalibrated"] < end[0.01]
as_trained = np.array(repaired["as trained, alpha = 0.01"])
assert all((as_trained > repaired[name]).all() for name in repaired if name[:2] != "as")
assert doctor.report.root_causes[0].condition == "stale_batch_statistics"
assert best["batch 4"] <= best["batch 32"]
