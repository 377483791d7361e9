# %% [markdown]
# # 7. Sixty plain layers, no shortcuts, no normalization: 93% instead of 50%
#
# Deep networks are built of residual blocks and normalization layers. Is that because plain chains
# of layers cannot be trained? Sixty ReLU layers with the best start there is get half of the digits
# right after ten epochs. The very same sixty layers with another slope on the negative side get
# nine of ten, and nothing else is added. The slope is not tuned: it is solved from the depth.
#
# You will see
#
# - what goes wrong in a deep ReLU network whose variance is perfectly right;
# - the slope that a depth can bear, theory beside measurement;
# - both networks in training, on three seeds;
# - the same for convolutions, whose kernels have to start as something else than noise.

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits, load_sample_image
from sklearn.model_selection import train_test_split

import kerastricks as kt

DEPTH = 60
WIDTH = 64
EPOCHS = 10
RATE = 0.01
SEEDS = (0, 1, 2)

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "figure.dpi": 80})

images, labels = load_digits(return_X_y=True)
images = images - images.mean(axis=0)
images = (images / np.sqrt(np.mean(images**2, axis=1, keepdims=True))).astype("float32")
x, x_test, y, y_test = train_test_split(images, labels, stratify=labels, random_state=0)
rng = np.random.default_rng(0)


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


# %% [markdown]
# ## The right size is not enough
#
# He's start keeps the size of a signal through any depth (notebook 2). But a network has to tell
# inputs *apart*, and a ReLU brings them closer: two orthogonal inputs leave one ReLU layer with a
# cosine of $1/\pi = 0.32$ between them, for half of what distinguished them has been cut off.
# After fifty layers it is 0.988, and the last layer sees a hundred digits as a hundred times the
# same.
#
# A leaky rectifier $s\,(\max(x, 0) + a \min(x, 0))$ with $s = \sqrt{2 / (1 + a^2)}$ brings them
# closer by
#
# $$C(c) = \frac{(1 - a)^2 \left(\sqrt{1 - c^2} + (\pi - \arccos c)\, c\right) / \pi + 2 a c}
# {1 + a^2},$$
#
# from ReLU at $a = 0$ to nothing at all at $a = 1$, where the network is linear and useless. In
# between there is an $a$ with which orthogonal inputs come out at a cosine $\eta$ of, say, 0.9:
# nonlinear, and not too much. `kt.layers.TailoredReLU(depth)` solves for it.

# %%
tailored = kt.layers.TailoredReLU(DEPTH)
print(f"depth {DEPTH}, eta 0.9: slope {tailored.negative_slope:.4f}")


def cosines(slope, depth, networks=20, width=400):
    """Between two inputs that start orthogonal, layer by layer, in random networks."""
    scale, seen = np.sqrt(2 / (1 + slope**2)), []
    for _ in range(networks):
        pair, row = np.linalg.qr(rng.normal(size=(width, 2)))[0].T, []
        for _ in range(depth):
            pair = pair @ rng.normal(size=(width, width)) / np.sqrt(width)
            pair = scale * np.where(pair > 0, pair, slope * pair)
            row.append(pair[0] @ pair[1] / np.prod(np.linalg.norm(pair, axis=1)))
        seen.append(row)
    return np.array(seen)


slopes = {"ReLU": (0.0, "C3"), "tailored": (tailored.negative_slope, "C0")}
figure, axes = plt.subplots(1, 2, figsize=(10, 3.4))
layers = np.arange(1, DEPTH + 1)
ends = {}
for name, (slope, color) in slopes.items():
    theory = kt.theory.correlation_through_depth(DEPTH, slope)
    measured = cosines(slope, DEPTH)
    axes[0].plot(layers, theory, color=color, label=f"{name}, a = {slope:.2f}")
    axes[0].errorbar(
        layers[4::5], measured.mean(0)[4::5], measured.std(0)[4::5], fmt=".", color=color
    )
    ends[name] = theory[-1], measured[:, -1].mean(), measured[:, -1].std()
axes[0].set(xlabel="layer", ylabel="cosine of two inputs", ylim=(0, 1.02))
axes[0].legend(frameon=False, loc="lower right")
depths = np.arange(12, 301, 8)
for eta in (0.5, 0.8, 0.9):
    solved = [kt.theory.tailored_slope(int(d), eta) if d > 16 else np.nan for d in depths]
    axes[1].plot(depths, solved, label=f"eta = {eta}")
axes[1].set(xlabel="layers", ylabel="slope a", ylim=(0, 1))
axes[1].legend(frameon=False)
plt.show()
for name, (theory, mean, spread) in ends.items():
    print(f"{name:<9} behind layer {DEPTH}: {theory:.4f} in theory, {mean:.4f} ± {spread:.4f}")

# %% [markdown]
# Lines are the theory, dots random networks of width 400 with their spread. To the right: the
# deeper, the more linear each layer has to be.
#
# ## Training
#
# Sixty layers of 64 units: once ReLU with He's start, once `TailoredReLU` with orthogonal kernels,
# which keep the norm of a signal exactly and not only on average; and for fairness the ReLU with
# orthogonal kernels as well, scaled by $\sqrt 2$. No shortcuts, no normalization, no warm-up, plain
# gradient descent with momentum. One compiled model serves all seeds.

# %%


def network(kind):
    keras.utils.set_random_seed(0)
    start = {
        "ReLU, He": kt.initializers.He(),
        "ReLU, orthogonal": kt.initializers.Orthogonal(gain=2**0.5),
        "tailored, orthogonal": kt.initializers.Orthogonal(),
    }[kind]
    model = keras.Sequential([keras.Input((64,))])
    for _ in range(DEPTH):
        model.add(keras.layers.Dense(WIDTH, kernel_initializer=start))
        tailored = kind.startswith("tailored")
        model.add(kt.layers.TailoredReLU(DEPTH) if tailored else keras.layers.ReLU())
    model.add(keras.layers.Dense(10, "softmax"))
    optimizer = keras.optimizers.SGD(RATE, momentum=0.9, global_clipnorm=1.0)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def restart(model, seed):
    """New weights, and an optimizer that has not seen any."""
    keras.utils.set_random_seed(seed)
    model.set_weights(keras.models.clone_model(model).get_weights())
    for variable in model.optimizer.variables:
        if variable.name != "learning_rate":
            variable.assign(keras.ops.zeros_like(variable))


colors = {"ReLU, He": "C3", "ReLU, orthogonal": "C1", "tailored, orthogonal": "C0"}
losses, right = {}, {}
for kind in colors:
    model = network(kind)
    losses[kind], right[kind] = [], []
    for seed in SEEDS:
        restart(model, seed)
        losses[kind].append(model.fit(x, y, 32, EPOCHS, verbose=0).history["loss"])
        right[kind].append(model.evaluate(x_test, y_test, 512, verbose=0)[1])

figure, axes = plt.subplots(figsize=(6.4, 3.6))
epochs = np.arange(1, EPOCHS + 1)
for kind, runs in losses.items():
    for number, run in enumerate(runs):
        label = kind if number == 0 else None
        axes.plot(epochs, run, color=colors[kind], alpha=0.7, label=label)
axes.axhline(np.log(10), color="black", linestyle=":")
axes.text(EPOCHS, np.log(10) * 1.15, "guessing", ha="right")
axes.set(yscale="log", xlabel="epoch", ylabel="training loss", ylim=(None, 4))
axes.legend(frameon=False)
plt.show()
for kind, values in right.items():
    each = ", ".join(f"{v:.1%}" for v in values)
    print(f"{kind:<21} right on test digits: {np.mean(values):.1%} ({each})")

# %% [markdown]
# ## Convolutions
#
# A convolution of random numbers mixes each pixel with its neighbors, sixty times over, with
# random signs: the picture turns into noise whose size differs from place to place, and a
# network of `padding="same"` loses the border on the way. A *delta-orthogonal* kernel is zero
# everywhere but in its middle, where it is an orthogonal matrix of the channels: at the start, the
# image passes, turned in channel space, with each pixel's norm as it was. What the neighbors are
# worth is then learned.

# %%
photograph = load_sample_image("china.jpg")[::8, ::8] / 127.5 - 1.0
tensor = np.zeros((1, *photograph.shape[:2], 16), "float32")
tensor[0, ..., :3] = photograph
kept, pictures = {}, {}
for name, start in {
    "random kernels": kt.initializers.LeCun(seed=0),
    "delta-orthogonal": kt.initializers.DeltaOrthogonal(seed=0),
}.items():
    out, path = tensor, []
    for _ in range(DEPTH):
        layer = keras.layers.Conv2D(16, 3, padding="same", use_bias=False, kernel_initializer=start)
        out = numpy_of(layer(out))
        path.append(np.linalg.norm(out) / np.linalg.norm(tensor))
    kept[name], pictures[name] = path, np.linalg.norm(out[0], axis=-1)

figure, axes = plt.subplots(
    1, 4, figsize=(11, 2.6), width_ratios=(1, 1, 1, 1.2), layout="constrained"
)
axes[0].imshow(np.linalg.norm(photograph, axis=-1), cmap="gray")
axes[0].set(title="the photograph,\nnorm of each pixel")
for axis, (name, picture) in zip(axes[1:], pictures.items(), strict=False):
    axis.imshow(picture, cmap="gray")
    axis.set(title=f"{DEPTH} layers,\n{name}")
for axis in axes[:3]:
    axis.axis("off")
for (name, path), color in zip(kept.items(), ("C3", "C0"), strict=True):
    axes[3].plot(layers, path, color=color, label=name)
axes[3].set(xlabel="layer", title="share of the norm\nthat is left")
axes[3].set_ylim(0, 1.05)
axes[3].legend(frameon=False, loc="lower left")
plt.show()
print({name: f"{path[-1]:.4f}" for name, path in kept.items()})

# %% [markdown]
# Linear convolutions, to see the kernels alone; with `TailoredReLU` between them the same chain is
# what the paper trains to 50 and 101 layers on ImageNet without shortcuts, competitive with
# residual networks.
#
# ## What this does not show
#
# - That one should. A residual network with normalization trains faster, and forgives more. The
#   result is that the slope alone decides whether such a depth trains at all.
# - The digits do not need sixty layers; three do better in a tenth of the time.
# - Adam, a smaller rate or a longer training gets ReLU chains of this depth going at times. With a
#   hundred layers those times are rarer.
#
# What to try next: `DEPTH = 100`, with the slope that belongs to it; `eta=0.5`; `RATE = 0.03`; the
# doctor on the ReLU chain.

# %%
for name, (theory, mean, spread) in ends.items():
    assert abs(mean - theory) < max(0.02, 2 * spread), name
assert abs(ends["tailored"][0] - 0.9) < 1e-6
assert ends["ReLU"][0] > 0.97
best_relu = max(right["ReLU, He"] + right["ReLU, orthogonal"])
assert min(right["tailored, orthogonal"]) > best_relu
assert min(right["tailored, orthogonal"]) > 0.7
assert abs(kept["delta-orthogonal"][-1] - 1) < 1e-3
