# %% [markdown]
# # 1. Ten sigmoid layers pass on a millionth of the gradient
#
# The slope of a sigmoid is at most 1/4. Ten of them in a row multiply to at most
# $(1/4)^{10} \approx 10^{-6}$, and that is before any weight has had its say. This is why networks
# had two hidden layers for twenty years, and why the advice now is one word: *ReLU*. The advice
# comes with small print, and this notebook measures it:
#
# - where the gradient goes, layer by layer;
# - saturation: units that pass on nothing at all;
# - zero-centering: what all-positive inputs do to a step of gradient descent;
# - the cost of $e^x$, in nanoseconds;
# - death: how a ReLU stops learning for ever, and why a leaky one does not;
# - $a \neq 1$.

# %%
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import kerastricks as kt

DEPTH = 10
WIDTH = 64
EPOCHS = 8
SEEDS = (0, 1, 2)
RATES = (0.001, 0.01, 0.03, 0.1)

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "figure.dpi": 80})

images, labels = load_digits(return_X_y=True)
images = ((images - images.mean()) / images.std()).astype("float32")
x, x_test, y, y_test = train_test_split(images, labels, stratify=labels, random_state=0)

# %% [markdown]
# ## Four activations and their slopes
#
# Backpropagation multiplies by the slope, the lower row.
#
# - **sigmoid** $1 / (1 + e^{-x})$: between 0 and 1, slope at most 1/4, flat at both ends.
# - **tanh**: between -1 and 1, slope at most 1. Zero-centered, and otherwise a sigmoid:
#   $\tanh x = 2\,\sigma(2x) - 1$.
# - **ReLU** $\max(x, 0)$: slope exactly 1 for $x > 0$, however many of them follow each other, and
#   exactly 0 for $x < 0$.
# - **leaky ReLU**: a slope $a$ for $x < 0$, here 0.3.

# %%
SLOPE = 0.3
functions = {
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "ReLU": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(z.dtype)),
    "leaky ReLU": (lambda z: np.maximum(z, SLOPE * z), lambda z: np.where(z > 0, 1, SLOPE)),
}
colors = dict(zip(functions, ("C3", "C1", "C0", "C2"), strict=True))

z = np.linspace(-6, 6, 601)
figure, axes = plt.subplots(2, 4, figsize=(10, 4), sharex=True, sharey="row")
for column, (name, (value, slope)) in enumerate(functions.items()):
    axes[0, column].plot(z, value(z), colors[name])
    axes[1, column].plot(z, slope(z), colors[name])
    axes[0, column].set(title=name, ylim=(-1.5, 3))
    axes[1, column].set(ylim=(-0.05, 1.1))
axes[0, 0].set_ylabel("value")
axes[1, 0].set_ylabel("slope")
plt.show()

# %% [markdown]
# ## Where the gradient goes
#
# Fifty random networks of ten layers, each activation with the start that is recommended for it
# (notebook 2), and the digits as inputs. A gradient of size 1 enters at the top; what is left of it
# at each layer on the way down?

# %%
GAINS = {"sigmoid": 1, "tanh": 1, "ReLU": np.sqrt(2), "leaky ReLU": np.sqrt(2 / (1 + SLOPE**2))}


def on_the_way_down(name, rng):
    """Root mean square of the gradient of each layer's sums, from the first layer to the last."""
    value, slope = functions[name]
    h, sums, kernels = x[:256], [], []
    for _ in range(DEPTH):
        kernels.append(rng.normal(size=(h.shape[1], WIDTH)) * GAINS[name] / np.sqrt(h.shape[1]))
        sums.append(h @ kernels[-1])
        h = value(sums[-1])
    gradient, sizes = rng.normal(size=h.shape), []
    for kernel, z in zip(reversed(kernels), reversed(sums), strict=True):
        gradient = gradient * slope(z)
        sizes.append(np.sqrt(np.mean(gradient**2)))
        gradient = gradient @ kernel.T
    return sizes[::-1]


rng = np.random.default_rng(0)
gradients = {name: np.array([on_the_way_down(name, rng) for _ in range(50)]) for name in functions}
figure, axes = plt.subplots(figsize=(6.4, 3.6))
layers = np.arange(1, DEPTH + 1)
for name, sizes in gradients.items():
    axes.plot(layers, np.median(sizes, axis=0), "o-", color=colors[name], label=name)
    low, high = np.percentile(sizes, (5, 95), axis=0)
    axes.fill_between(layers, low, high, color=colors[name], alpha=0.15)
axes.plot(layers, 0.25 ** (DEPTH + 1 - layers), ":", color="black", label="(1/4) per layer")
axes.set(yscale="log", xlabel="layer", ylabel="size of the gradient", xticks=layers)
axes.legend(frameon=False)
plt.show()
reaching = {name: np.median(sizes[:, 0]) for name, sizes in gradients.items()}
print("reaches the first layer:", {name: f"{size:.1e}" for name, size in reaching.items()})

# %% [markdown]
# The rectifiers' lines are level. The sigmoids' is as steep as the bound says. tanh loses a
# little in each layer: its slope is 1 at zero only.
#
# ## Saturation
#
# A quarter is the best that a sigmoid can do, and it does it in the middle only. At both ends it is
# flat: a unit whose sums are large answers 0 or 1 whatever comes in, and passes on next to nothing.
# What makes sums large is the size of the weights, or of the inputs. One layer, the digits, and
# weights of three sizes, in multiples of $1/\sqrt n$:

# %%
value, slope = functions["sigmoid"]
kernel = np.random.default_rng(0).normal(size=(64, WIDTH)) / 8
saturated, left = {}, {}
figure, grid = plt.subplots(1, 3, figsize=(9, 2.6), sharey=True, layout="constrained")
for axis, times in zip(grid, (1, 4, 16), strict=True):
    z = times * x @ kernel
    saturated[times] = np.mean(np.abs(value(z) - 0.5) > 0.475)
    left[times] = np.mean(slope(z))
    share = np.full(z.size, 1 / z.size)
    axis.hist(value(z).ravel(), bins=40, range=(0, 1), weights=share, color="C3")
    axis.set(title=f"weights x {times}: slope {left[times]:.3f}", xlabel="answer of a unit")
grid[0].set_ylabel("share")
plt.show()
print({f"x {times}": f"{share:.0%} saturated" for times, share in saturated.items()})

# %% [markdown]
# Saturated means here: within 0.025 of 0 or 1, where less than a tenth of the slope is left. What
# does the doctor say to the largest of them, before any training?

# %%
keras.utils.set_random_seed(0)
large = kt.initializers.ScaledNormal(16 / 8)
model = keras.Sequential(
    [
        keras.Input((64,)),
        keras.layers.Dense(WIDTH, "sigmoid", kernel_initializer=large),
        keras.layers.Dense(10, "softmax"),
    ]
)
model.compile(keras.optimizers.SGD(0.01, momentum=0.9), "sparse_categorical_crossentropy")
stuck = kt.checkup(model, x, y)
print(stuck.summary())

# %% [markdown]
# The slope and the size of the weights pull in opposite directions: small weights keep the slope
# and shrink the gradient by themselves, large ones saturate. A rectifier has no such ends.
#
# ## Does it matter? Training, and the doctor
#
# The same networks in Keras, three seeds, plain gradient descent with momentum.

# %%


def network(name, optimizer, depth=DEPTH):
    start = kt.initializers.Xavier() if name in ("sigmoid", "tanh") else kt.initializers.He()
    model = keras.Sequential([keras.Input((64,))], name=name.replace(" ", "_"))
    for _ in range(depth):
        model.add(keras.layers.Dense(WIDTH, kernel_initializer=start))
        if name == "leaky ReLU":
            model.add(kt.layers.LeakyReLU(negative_slope=SLOPE))
        else:
            model.add(keras.layers.Activation(name.lower()))
    model.add(keras.layers.Dense(10, "softmax"))
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


histories = {}
for name in functions:
    runs = []
    for seed in SEEDS:
        keras.utils.set_random_seed(seed)
        model = network(name, keras.optimizers.SGD(0.01, momentum=0.9))
        runs.append(model.fit(x, y, 32, EPOCHS, verbose=0).history["loss"])
    histories[name] = np.array(runs)

figure, axes = plt.subplots(figsize=(6.4, 3.6))
for name, losses in histories.items():
    epochs = np.arange(1, EPOCHS + 1)
    axes.plot(epochs, losses.mean(axis=0), "o-", color=colors[name], label=name, markersize=4)
    axes.fill_between(epochs, losses.min(0), losses.max(0), color=colors[name], alpha=0.15)
axes.axhline(np.log(10), color="black", linestyle=":")
axes.text(EPOCHS, np.log(10) * 1.2, "guessing", ha="right")
axes.set(yscale="log", xlabel="epoch", ylabel="training loss", ylim=(None, 4.5))
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# The sigmoids have not started; a loss of $\ln 10$ is guessing among ten. The others all train, and
# tanh is not slower than the rectifiers. "Faster convergence in practice" was found on large
# convolutional networks and images; on ten narrow layers and digits it cannot be seen, and that is
# a result, too: what decides here is whether gradient arrives, not how much.
#
# What does the doctor say
# of the first epoch of such a training?

# %%


def examined(name, optimizer, depth=DEPTH):
    keras.utils.set_random_seed(0)
    doctor = kt.callbacks.TrainingDoctor(verbose=0)
    network(name, optimizer, depth).fit(x, y, 32, 1, verbose=0, callbacks=[doctor])
    return doctor.report


report = examined("sigmoid", keras.optimizers.SGD(0.01, momentum=0.9))
print(report.summary())

# %% [markdown]
# ## Zero-centering
#
# Sigmoid and ReLU put out nothing negative. Then, for a neuron and one image, the gradients of all
# its incoming weights, $\partial L / \partial w_i = \delta\, h_i$, have the sign of $\delta$:
# they all go up together, or all down. Where one weight should grow and another shrink, the way is
# a zigzag. Two weights suffice to see it: a linear neuron learns $w = (1, -1)$ from inputs of
# variance 1 around a mean of 0, or around a mean of 3, each at three quarters of the largest rate
# that is stable.

# %%


def descent(mean, steps=40):
    data = np.random.default_rng(0).normal(mean, 1, size=(2000, 2))
    curvature = data.T @ data / len(data)
    rate = 1.5 / np.linalg.eigvalsh(curvature)[-1]
    weights = [np.array([2.0, 2.0])]
    for _ in range(steps):
        weights.append(weights[-1] - rate * curvature @ (weights[-1] - np.array([1, -1])))
    return np.array(weights)


paths = {"centered inputs": descent(0), "inputs around 3": descent(3)}
figure, axes = plt.subplots(1, 2, figsize=(9, 3.2))
for (name, path), color in zip(paths.items(), ("C0", "C3"), strict=True):
    axes[0].plot(path[:, 0], path[:, 1], ".-", color=color, label=name, linewidth=0.8)
    distance = np.linalg.norm(path - np.array([1, -1]), axis=1)
    axes[1].plot(distance, color=color, label=name)
axes[0].plot(1, -1, "k*", markersize=12)
axes[0].set(title="the way of two weights", xlabel="$w_1$", ylabel="$w_2$")
axes[1].set(title="distance to the solution", xlabel="step", yscale="log")
axes[1].legend(frameon=False)
plt.show()

positive = {}
for name, (value, _) in functions.items():
    h = value(rng.normal(size=(2000, WIDTH)) * GAINS[name])
    positive[name] = np.mean(np.maximum((h >= 0).sum(axis=1), (h <= 0).sum(axis=1)) == WIDTH)
    print(
        f"{name:<11} mean output {h.mean():+.2f}; one sign for a whole image: {positive[name]:.0%}"
    )

# %% [markdown]
# A whole batch adds up many such gradients, of both signs of $\delta$, which is why this is a
# brake and not a wall: ReLU trains well all the same. Batch normalization (notebook 3) takes the
# brake off.
#
# ## The cost of $e^x$
#
# Sigmoid and tanh compute an exponential for each number, a rectifier compares it with zero.

# %%
numbers = rng.normal(size=65_536).astype("float32")
kernel = rng.normal(size=(256, 256)).astype("float32")


def nanoseconds(function, *arguments, repeats=300):
    """The best of many runs, for each of the numbers."""
    best = np.inf
    for _ in range(repeats):
        started = time.perf_counter()
        function(*arguments)
        best = min(best, time.perf_counter() - started)
    return 1e9 * best / numbers.size


buffer, zeros = np.empty_like(numbers), np.zeros_like(numbers)


def sigmoid():
    np.exp(np.negative(numbers, out=buffer), out=buffer)
    np.reciprocal(np.add(buffer, 1, out=buffer), out=buffer)


def leaky():
    np.maximum(np.multiply(numbers, np.float32(SLOPE), out=buffer), numbers, out=buffer)


cost = {
    "sigmoid": nanoseconds(sigmoid),
    "tanh": nanoseconds(lambda: np.tanh(numbers, out=buffer)),
    "ReLU": nanoseconds(lambda: np.maximum(numbers, zeros, out=buffer)),
    "leaky ReLU": nanoseconds(leaky),
}
product = nanoseconds(np.matmul, numbers.reshape(256, 256), kernel)
figure, axes = plt.subplots(figsize=(6.4, 2.4))
names = [*cost, "the 256 products before it"]
bars = axes.barh(names, [*cost.values(), product], color=[*colors.values(), "C7"])
axes.bar_label(bars, fmt="%.2f", padding=3)
axes.set(xlabel="nanoseconds a number, numpy")
axes.invert_yaxis()
plt.show()

# %% [markdown]
# A comparison is several times cheaper than anything with an exponential in it, as the
# [lecture](../docs/lecture.md) says. The gray bar is the caveat: a dense layer of 256 units has
# spent far more on its sums already. And on a GPU the difference is gone, since reading the number
# from memory takes longer.
#
# ## Death
#
# If a ReLU's sum is negative for every image, its output is 0, its slope is 0, none of its weights
# gets any gradient, and nothing will ever change that. One step that is too large is enough. Count
# the units that are silent on all training images after two epochs of Adam, at four learning
# rates.

# %%


def silent(model):
    """Share of hidden units that are at or below zero on every training image."""
    sums = [layer.output for layer in model.layers[:-1] if isinstance(layer, keras.layers.Dense)]
    values = keras.Model(model.inputs[0], sums)(x, training=False)
    return np.mean([np.all(keras.ops.convert_to_numpy(z) <= 0, axis=0) for z in values])


kinds = ("ReLU", "leaky ReLU")
dead = np.zeros((2, len(RATES), len(SEEDS)))
right = np.zeros_like(dead)
for row, name in enumerate(kinds):
    for column, rate in enumerate(RATES):
        for trial, seed in enumerate(SEEDS):
            keras.utils.set_random_seed(seed)
            model = network(name, keras.optimizers.Adam(rate), depth=4)
            model.fit(x, y, 32, 2, verbose=0)
            dead[row, column, trial] = silent(model)
            right[row, column, trial] = model.evaluate(x_test, y_test, 512, verbose=0)[1]

figure, axes = plt.subplots(1, 2, figsize=(9, 3.2))
titles = "units below zero on all images (%)", "right (%)"
for axis, values, title in zip(axes, (dead, right), titles, strict=True):
    for row, name in enumerate(kinds):
        axis.plot(RATES, 100 * values[row], ".", color=colors[name], alpha=0.5)
        axis.plot(RATES, 100 * values[row].mean(axis=1), "o-", color=colors[name], label=name)
    axis.set(xscale="log", xlabel="learning rate", title=title, ylim=(-3, 103))
axes[0].legend(frameon=False)
plt.show()

reports = {name: examined(name, keras.optimizers.Adam(RATES[-1]), depth=4) for name in kinds}
print(reports["ReLU"].summary())

# %% [markdown]
# At the largest rate nine of ten ReLU units are dead. Hardly a leaky unit lies below zero for all
# images, and if one does it can return, for $a$ of the gradient comes through. The doctor
# names the cause, which is the rate, and with it the dead. (0.1 is too large for the leaky network
# as well. Being alive is not being well.)
#
# ## a ≠ 1
#
# With $a = 1$ the "activation" is the identity, and a chain of matrices is one matrix, however
# deep. `kt.layers.LeakyReLU` refuses it. Measured on a network of ten layers: how far is
# $f(u + v)$ from $f(u) + f(v)$?

# %%
u, v = x[:100], x[100:200]
bend = {}
for slope in (0.0, 0.3, 0.9, 1.0):
    kernels = [rng.normal(size=(64, WIDTH)) / 8 for _ in range(DEPTH)]

    def f(h, kernels=kernels, slope=slope):
        for kernel in kernels:
            h = h @ kernel
            h = np.where(h > 0, h, slope * h)
        return h

    bend[slope] = np.linalg.norm(f(u + v) - f(u) - f(v)) / np.linalg.norm(f(u + v))
print({f"a = {slope}": f"{value:.1e}" for slope, value in bend.items()})
try:
    kt.layers.LeakyReLU(negative_slope=1.0)
except ValueError as error:
    refusal = str(error)
    print(refusal)

# %% [markdown]
# ## What this does not show
#
# - Small images, narrow layers, one optimizer. With Adam, whose steps do not care about the size of
#   a gradient, or with batch normalization, deep sigmoids do start, later and worse.
# - Nanoseconds are those of one machine and of numpy.
# - Sigmoids have their places: gates, and outputs that are probabilities.
#
# What to try next: `DEPTH = 3`, with which everything trains; SELU or GELU in `functions`; the
# sigmoid with weights four times as large, `GAINS["sigmoid"] = 4.7`, which keep the gradient for
# ten layers: notebook 2 is about that choice.

# %%
final = {name: losses[:, -1].mean() for name, losses in histories.items()}
assert reaching["sigmoid"] < 1e-6 < 0.01 < reaching["tanh"] < reaching["ReLU"]
assert left[16] < left[4] < left[1] < 0.25
assert saturated[1] < 0.05 < 0.5 < saturated[16]
assert "saturated_units" in {finding.condition for finding in stuck.findings}
assert final["sigmoid"] > 2.2
assert max(final[name] for name in ("tanh", "ReLU", "leaky ReLU")) < 1
assert "vanishing_gradients" in {finding.condition for finding in report.findings}
assert positive["sigmoid"] == positive["ReLU"] == 1
assert positive["tanh"] == positive["leaky ReLU"] == 0
assert cost["ReLU"] < min(cost["tanh"], cost["sigmoid"])
assert max(cost.values()) < product
assert dead[0, -1].mean() > 0.5
assert dead[1, -1].mean() < 0.2
assert "learning_rate_too_high" in {finding.condition for finding in reports["ReLU"].findings}
assert bend[1.0] < 1e-5 < bend[0.9]
assert "linear" in refusal
