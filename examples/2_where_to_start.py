# %% [markdown]
# # 2. Where to start: 0.03 N(0, 1), fifty layers deep, is 10⁻³¹
#
# A network has to start somewhere. All zeros? Small random numbers? But how small? Each layer
# multiplies the size of the signal by some factor, fifty layers by its fiftieth power, and so the
# only factor with which a deep network can live is 1. This notebook goes the way of the
# [lecture](../docs/lecture.md):
#
# - zeros, and why all units stay the same for ever;
# - normalized inputs, for a linear model;
# - the variance of a sum, and from it $1/\sqrt n$, Xavier and He, with the theory beside the
#   measurement for fifty layers;
# - what it does to training;
# - networks that are dead before the first step;
# - LSUV, for networks that no formula fits.

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import train_test_split

import kerastricks as kt

SEEDS = (0, 1, 2)
EPOCHS = 8
DEPTH = 20
NETWORKS = 4000

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "figure.dpi": 80})

images, labels = load_digits(return_X_y=True)
images = ((images - images.mean()) / images.std()).astype("float32")
x, x_test, y, y_test = train_test_split(images, labels, stratify=labels, random_state=0)
rng = np.random.default_rng(0)


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


# %% [markdown]
# ## All zeros?
#
# Take two hidden neurons $\sigma_2, \sigma_3$ that feed a neuron $\sigma_1$ with the weights
# $w_2, w_3$. Backpropagation says
#
# $$\frac{\partial L}{\partial w_2} =
# \frac{\partial L}{\partial \sigma_1}\, \sigma_1 (1 - \sigma_1)\, \sigma_2, \qquad
# \frac{\partial L}{\partial w_3} =
# \frac{\partial L}{\partial \sigma_1}\, \sigma_1 (1 - \sigma_1)\, \sigma_3 .$$
#
# If both neurons start alike, $\sigma_2 = \sigma_3$ for every input, both gradients are equal, and
# after the step they are alike still. First the formula, held against finite differences; then
# three starts of one hidden layer of 32 units, trained.

# %%


def sigma(z):
    return 1 / (1 + np.exp(-z))


def loss(w, hidden, target=1.0):
    return 0.5 * (sigma(w @ hidden) - target) ** 2


w, hidden = rng.normal(size=2), sigma(rng.normal(size=2))
output = sigma(w @ hidden)
formula = (output - 1.0) * output * (1 - output) * hidden
nudges = 1e-6 * np.eye(2)
differences = [(loss(w + e, hidden) - loss(w - e, hidden)) / 2e-6 for e in nudges]
print("formula    ", formula)
print("differences", np.array(differences))

# %%
starts = {
    "zeros": "zeros",
    "all alike": keras.initializers.Constant(0.03),
    "0.03 N(0, 1)": kt.initializers.ScaledNormal(0.03),
}
units, right = {}, {}
for name, start in starts.items():
    keras.utils.set_random_seed(0)
    first = keras.layers.Dense(32, "sigmoid", kernel_initializer=start, dtype="float64")
    last = keras.layers.Dense(10, "softmax", kernel_initializer=start, dtype="float64")
    model = keras.Sequential([keras.Input((64,), dtype="float64"), first, last])
    model.compile(
        keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    if name == "zeros":
        report = kt.checkup(model, x, y)
    model.fit(x, y, 32, EPOCHS, verbose=0)
    kernel = numpy_of(first.kernel)
    units[name] = len(np.unique(np.round(kernel, 4), axis=1).T)
    right[name] = model.evaluate(x_test, y_test, verbose=0)[1]
    starts[name] = kernel

figure, axes = plt.subplots(1, 3, figsize=(9, 3))
for axis, (name, kernel) in zip(axes, starts.items(), strict=True):
    mosaic = kernel.T.reshape(4, 8, 8, 8).transpose(0, 2, 1, 3).reshape(32, 64)
    axis.imshow(mosaic, cmap="RdBu", vmin=-abs(mosaic).max(), vmax=abs(mosaic).max())
    axis.set(title=f"{name}:\n{units[name]} different, {right[name]:.0%} right")
    axis.axis("off")
plt.show()
print(report.summary())

# %% [markdown]
# Each little square is what one of the 32 units looks for. With equal starts there are 32 copies
# of one unit. (In float64, that is: rounding errors part copies too, if they are large.) We need to
# break the symmetry on purpose: random numbers.
#
# ## Inputs first
#
# A neuron is a linear combination and an activation, and linear models work best when their inputs
# are normalized. Logistic regression on the 30 features of the breast cancer data, the largest of
# which are in the thousands, and the smallest in thousandths; gradient descent at the largest
# stable rate, with and without normalization. (The layers of a network are each other's inputs,
# which is why this matters inside as well.)

# %%
features, malignant = load_breast_cancer(return_X_y=True)


def logistic(data, steps=200):
    data = np.column_stack([data, np.ones(len(data))])
    rate = 4 / np.linalg.eigvalsh(data.T @ data / len(data))[-1]
    weights, losses = np.zeros(data.shape[1]), []
    for _ in range(steps):
        answer = sigma(data @ weights)
        chosen = np.where(malignant == 1, answer, 1 - answer)
        losses.append(-np.log(np.maximum(chosen, 1e-12)).mean())
        weights -= rate * data.T @ (answer - malignant) / len(data)
    return losses


linear = {
    "raw inputs": logistic(features),
    "normalized inputs": logistic((features - features.mean(0)) / features.std(0)),
}
figure, axes = plt.subplots(figsize=(6.4, 3))
for (name, losses), color in zip(linear.items(), ("C3", "C0"), strict=True):
    axes.plot(losses, color, label=name)
axes.set(xlabel="step", ylabel="loss", ylim=(0, 0.75))
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# ## The variance of a sum
#
# Look at a neuron before its activation, $\sum_{i=1}^n x_i w_i$. With independent weights and
# uncorrelated inputs,
#
# $$\operatorname{Var}\Big(\sum_i x_i w_i\Big) = \sum_i \Big(
# [E(x_i)]^2 \operatorname{Var}(w_i) + [E(w_i)]^2 \operatorname{Var}(x_i) +
# \operatorname{Var}(x_i) \operatorname{Var}(w_i) \Big),$$
#
# and if both have mean 0, then the sum has mean 0 too, and its variance is
# $\operatorname{Var}(x)\,[n \operatorname{Var}(w)]$. We want the bracket to be 1. As
# $\operatorname{Var}(a w) = a^2 \operatorname{Var}(w)$, weights from $N(0, 1)$ have to be
# multiplied by $a = 1/\sqrt n$. The three terms, measured with $n = 100$ and a hundred thousand
# sums:

# %%
n = 100
worst = 0.0
print("E(x)  E(w)   formula   measured")
for mean_x, mean_w in ((0, 0), (1, 0), (0, 0.1), (1, 0.1)):
    inputs = rng.normal(mean_x, 1, size=(100_000, n))
    weights = rng.normal(mean_w, 1 / np.sqrt(n), size=(100_000, n))
    measured = np.einsum("si,si->s", inputs, weights).var()
    expected = n * (mean_x**2 / n + mean_w**2 + 1 / n)
    worst = max(worst, abs(measured / expected - 1))
    print(f"{mean_x:>4}  {mean_w:>4}   {expected:>7.3f}   {measured:>8.3f}")

# %% [markdown]
# The second line is the ReLU's case: its outputs do not have mean 0. So it is $E(x^2)$ that
# counts, of which a ReLU lets half through, and the bracket has to be 2:
#
# | start | standard deviation | made for |
# |---|---|---|
# | small numbers | 0.03 | a width of about a thousand, by accident |
# | $1/\sqrt n$ | $1/\sqrt{n_{in}}$ | linear units |
# | Xavier (Glorot) | $\sqrt 2 / \sqrt{n_{in} + n_{out}}$ | linear units, forward and backward |
# | He | $\sqrt 2 / \sqrt{n_{in}}$ | ReLU |
#
# ## Fifty layers
#
# Networks of width 128, without activations and with ReLU. Lines are the theory,
# `kt.theory.variance_through_depth`; dots are networks of kernels drawn by the initializers of this
# package. With equal widths Xavier is $1/\sqrt n$: they share a line.

# %%
WIDTH, LAYERS = 128, 50
schemes = {
    "N(0, 1)": (1.0, kt.initializers.ScaledNormal(1.0), "C4"),
    "He": ("he", kt.initializers.He(), "C0"),
    "Xavier": ("xavier", kt.initializers.Xavier(), "C1"),
    "0.03 N(0, 1)": (0.03, kt.initializers.ScaledNormal(0.03), "C3"),
}
keras.utils.set_random_seed(0)
figure, grid = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
layers = np.arange(1, LAYERS + 1)
measured, theory = {}, {}
for axes, activation in zip(grid, ("linear", "relu"), strict=True):
    for name, (scheme, initializer, color) in schemes.items():
        case = name, activation
        theory[case] = kt.theory.variance_through_depth([WIDTH] * (LAYERS + 1), scheme, activation)
        runs = []
        for _ in range(5):
            h, variances = rng.normal(size=(64, WIDTH)), []
            for _ in range(LAYERS):
                z = h @ numpy_of(initializer((WIDTH, WIDTH))).astype("float64")
                variances.append(np.mean(z**2))
                h = np.maximum(z, 0) if activation == "relu" else z
            runs.append(variances)
        measured[case] = np.array(runs)
        label = "1/√n, Xavier" if name == "Xavier" else name
        axes.plot(layers, np.sqrt(theory[case]), color=color, label=label)
        axes.plot(layers[::4], np.sqrt(measured[case]).T[::4], ".", color=color, markersize=4)
    axes.axhspan(1e-45, 1.2e-38, color="black", alpha=0.1, linewidth=0)
    axes.set(yscale="log", xlabel="layer", ylim=(1e-45, 1e60))
grid[0].set(title="no activation", ylabel="size of a sum")
grid[0].text(1, 1e-43, "below float32's normal numbers")
grid[1].set(title="ReLU")
grid[1].legend(frameon=False, loc="upper left")
plt.show()
for (name, activation), variances in theory.items():
    print(
        f"{activation:<6} {name:<13} layer {LAYERS}: {np.sqrt(variances[-1]):.1e}, measured "
        f"{np.sqrt(np.median(measured[name, activation][:, -1])):.1e}"
    )

# %% [markdown]
# $1/\sqrt n$ is right without activations, He with ReLU, and each is wrong for the other by a
# factor of $\sqrt 2$ a layer, $3 \cdot 10^7$ in fifty. The dots spread around their line: the
# theory is about the mean over networks, and a single network of width 128 drifts, by a factor of
# two or so.
#
# ## What it does to training
#
# Twenty layers of ReLU, three starts, three seeds.


# %%
def deep(name):
    model = keras.Sequential([keras.Input((64,))])
    for _ in range(DEPTH):
        model.add(keras.layers.Dense(64, "relu", kernel_initializer=schemes[name][1]))
    model.add(keras.layers.Dense(10, "softmax"))
    model.compile(keras.optimizers.SGD(0.005, momentum=0.9), "sparse_categorical_crossentropy")
    return model


histories = {}
for name in ("He", "Xavier", "0.03 N(0, 1)"):
    runs = []
    for seed in SEEDS:
        keras.utils.set_random_seed(seed)
        model = deep(name)
        runs.append(model.fit(x, y, 32, EPOCHS, verbose=0).history["loss"])
    histories[name] = np.array(runs)

figure, axes = plt.subplots(figsize=(6.4, 3.4))
for name, losses in histories.items():
    epochs, color = np.arange(1, EPOCHS + 1), schemes[name][2]
    axes.plot(epochs, losses.mean(axis=0), "o-", color=color, label=name, markersize=4)
    axes.fill_between(epochs, losses.min(0), losses.max(0), color=color, alpha=0.15)
axes.axhline(np.log(10), color="black", linestyle=":")
axes.text(EPOCHS, np.log(10) * 1.05, "guessing", ha="right")
axes.set(xlabel="epoch", ylabel="training loss", ylim=(0, 2.7))
axes.legend(frameon=False)
plt.show()

unfit = kt.checkup(deep("0.03 N(0, 1)"), x, y)
print("checkup, before any training:")
print(unfit.summary())

# %% [markdown]
# ## Born dead
#
# The right variance is not everything. A narrow ReLU layer can be off for every input, by chance,
# and then nothing gets through it, neither signal nor gradient, for ever. The probability has
# bounds in closed form, `kt.theory.born_dead_probability`, which make a good test of theory against
# dice: ten layers, one input, no biases, four thousand networks for each width.

# %%


def share_born_dead(width, depth, initializer, biased=False):
    """Of networks that are constant: the first outputs of all of them are one wide kernel."""
    h = np.linspace(-np.sqrt(3), np.sqrt(3), 11).reshape(1, 11, 1).repeat(NETWORKS, axis=0)
    for fan_in in (1, *[width] * (depth - 2)):
        kernel = numpy_of(initializer((fan_in, NETWORKS * width)))
        bias = numpy_of(initializer((NETWORKS * width,))) if biased else np.zeros(NETWORKS * width)
        kernel = kernel.reshape(fan_in, NETWORKS, width).transpose(1, 0, 2)
        h = np.maximum(h @ kernel + bias.reshape(NETWORKS, 1, width), 0)
    return np.mean(np.ptp(h, axis=1).max(axis=1) == 0)


widths = (2, 3, 4, 5, 7, 10)
bounds = np.array([kt.theory.born_dead_probability(10, width) for width in widths])
keras.utils.set_random_seed(0)
he = np.array([share_born_dead(width, 10, kt.initializers.He()) for width in widths])
asymmetric = np.array(
    [
        share_born_dead(width, 10, kt.initializers.RandomizedAsymmetric(bias=True), biased=True)
        for width in widths
    ]
)
figure, axes = plt.subplots(figsize=(6.4, 3.4))
axes.fill_between(widths, *(100 * bounds.T), color="C3", alpha=0.2, label="between the bounds")
axes.plot(widths, 100 * he, "o", color="C3", label="He, simulated")
axes.plot(widths, 100 * asymmetric, "o-", color="C0", label="RandomizedAsymmetric")
axes.set(xlabel="units in each of ten layers", ylabel="born dead (%)", xticks=widths)
axes.legend(frameon=False)
plt.show()
for row in zip(widths, he, bounds, asymmetric, strict=True):
    width, simulated, (lower, upper), treated = row
    print(
        f"width {width:>2}: {lower:.3f} <= {simulated:.3f} <= {upper:.3f};  treated {treated:.3f}"
    )

# %% [markdown]
# Above a width of ten one can forget about it, and a leaky rectifier is never dead at all.
#
# ## When no formula fits: LSUV
#
# Formulas know one activation, and normal inputs. `kt.surgery.lsuv` measures instead: layer by
# layer it divides the kernel by the deviation that comes out on a batch of *your* data. Here a
# network of thirty layers with three kinds of activations and inputs of mean 2.

# %%
keras.utils.set_random_seed(0)
mixed = ["gelu", "softplus", "tanh"] * 10
model = keras.Sequential([keras.Input((64,))])
for activation in mixed:
    model.add(keras.layers.Dense(64, kernel_initializer=kt.initializers.He()))
    model.add(keras.layers.Activation(activation))
sums = [layer.output for layer in model.layers if isinstance(layer, keras.layers.Dense)]
view = keras.Model(model.inputs, sums)


def deviations(batch):
    return [float(np.std(z)) for z in view.predict(batch, verbose=0)]


shifted = x[:256] + 2
before = deviations(shifted)
kt.surgery.lsuv(model, shifted, verbose=0)
after = deviations(shifted)
figure, axes = plt.subplots(figsize=(6.4, 2.8))
axes.plot(np.arange(1, 31), before, "o-", color="C1", label="He")
axes.plot(np.arange(1, 31), after, "o-", color="C0", label="after lsuv")
axes.set(xlabel="layer", ylabel="deviation of its sums", ylim=(0, None))
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# ## What this does not show
#
# - The theory is of the first step. Afterwards the weights move, and nothing keeps the variance at
#   1. What if it grows during training? That is what batch normalization is for: notebook 3.
# - With He, fifty layers keep the *size* of a signal, but not the differences between signals:
#   all inputs come out ever more alike. That is notebook 7.
# - Unit variance by LSUV does not say that signals are useful: sums may differ from unit to unit
#   and hardly from image to image.
#
# What to try next: `DEPTH = 5`, where the start hardly matters; leaky rectifiers with
# `kt.initializers.He(negative_slope=0.3)`; `kt.initializers.ForActivation("gelu")`, the gain of any
# activation by integration.

# %%
final = {name: losses[:, -1].mean() for name, losses in histories.items()}
assert np.allclose(formula, differences, atol=1e-8)
assert units["zeros"] == units["all alike"] == 1
assert units["0.03 N(0, 1)"] == 32
assert report.root_causes[0].condition == "symmetric_units"
assert linear["normalized inputs"][-1] < linear["raw inputs"][-1] / 2
assert worst < 0.03
assert np.sqrt(theory["0.03 N(0, 1)", "relu"][-1]) < 1e-30
assert np.allclose(theory["Xavier", "linear"], 1)
assert np.allclose(theory["He", "relu"], theory["He", "relu"][0])
for case in theory:
    assert abs(np.log(np.median(measured[case][:, -1]) / theory[case][-1])) < 4
assert final["He"] < final["Xavier"] < final["0.03 N(0, 1)"]
assert "poor_initialization" in {f.condition for f in unfit.findings}
error = 4 * np.sqrt(bounds[:, 0] * (1 - bounds[:, 0]) / NETWORKS)
assert np.all(bounds[:, 0] - error <= he)
assert np.all(he <= bounds[:, 1])
assert np.all(asymmetric <= he)
assert max(abs(deviation - 1) for deviation in after) < 0.05
