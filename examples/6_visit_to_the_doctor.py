# %% [markdown]
# # 6. Five networks that do not learn, and not one error message
#
# A sick network does not raise. Its loss stands still, or falls and stops too high, and it is left
# to you to find out which of a dozen causes it is. Here are five networks, each with one mistake
# that people make every day. None of them gets far. A doctor watches each of them train, names the
# cause, says what to change, and `kt.surgery.treat` changes it. All five diagnoses are right, on
# all of three seeds; four of the five treatments cure, and one does not.
#
# A sixth network is healthy. It is here because a doctor who finds something in everyone is of
# no use either.

# %%
import warnings

import keras
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import kerastricks as kt

EPOCHS = 6
DEPTH = 6
SEEDS = (0, 1, 2)

# Of one of the five Keras does warn. It is right, and asked to be quiet for the sake of the others.
warnings.filterwarnings("ignore", "You are using a softmax over axis -1")
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "figure.dpi": 80})

pixels, digits = load_digits(return_X_y=True)
pixels, pixels_test, y, y_test = train_test_split(
    pixels.astype("float32"), digits, stratify=digits, random_state=0
)
mean, deviation = pixels.mean(), pixels.std()
x, x_test = (pixels - mean) / deviation, (pixels_test - mean) / deviation

# %% [markdown]
# ## The patients
#
# 1. **Raw inputs.** The intensities come from a sensor that counts to 4,096; nobody has scaled
#    them. Two layers of tanh.
# 2. **Deep sigmoids.** Six of them, with a start that looks harmless: 0.03 N(0, 1).
# 3. **Zeros.** Someone wanted the runs to be reproducible and set all kernels to zero.
# 4. **Haste.** Six ReLU layers, He's start, and Adam with ten times too large steps.
# 5. **One softmax.** Even or odd? One output unit, and softmax because it is a classifier.
# 6. **Healthy.** Leaky rectifiers, He, batch normalization.

# %%


def network(name, hidden, optimizer, inputs=(x, x_test), classes=10):
    """A compiled model and its data."""
    head = keras.layers.Dense(classes, activation="softmax", name="output")
    model = keras.Sequential([keras.Input((64,)), *hidden, head], name=name)
    loss = "sparse_categorical_crossentropy" if classes > 1 else "binary_crossentropy"
    model.compile(optimizer, loss, metrics=["accuracy"])
    targets = (y, y_test) if classes > 1 else ((y % 2)[:, None], (y_test % 2)[:, None])
    return model, *inputs, *targets


def dense(count, activation, start, units=64):
    return [keras.layers.Dense(units, activation, kernel_initializer=start) for _ in range(count)]


def raw():
    hidden = dense(2, "tanh", kt.initializers.Xavier())
    return network("raw", hidden, keras.optimizers.SGD(0.01), (256 * pixels, 256 * pixels_test))


def sigmoids():
    hidden = dense(DEPTH, "sigmoid", kt.initializers.ScaledNormal(0.03))
    return network("sigmoids", hidden, keras.optimizers.SGD(0.1, momentum=0.9))


def zeros():
    return network("zeros", dense(2, "relu", "zeros"), keras.optimizers.SGD(0.1))


def haste():
    return network("haste", dense(DEPTH, "relu", kt.initializers.He()), keras.optimizers.Adam(0.1))


def one_softmax():
    hidden = dense(2, "relu", kt.initializers.He())
    return network("one_softmax", hidden, keras.optimizers.Adam(0.003), classes=1)


def healthy():
    hidden = []
    for _ in range(DEPTH):
        start = kt.initializers.He(negative_slope=0.3)
        hidden.append(keras.layers.Dense(64, use_bias=False, kernel_initializer=start))
        hidden.append(kt.layers.BatchNormalization(alpha=0.1))
        hidden.append(kt.layers.LeakyReLU(negative_slope=0.3))
    decay = keras.optimizers.schedules.CosineDecay(0.01, EPOCHS * -(-len(x) // 32))
    return network("healthy", hidden, keras.optimizers.Adam(decay))


patients = {
    "raw inputs": (raw, "unnormalized_inputs"),
    "deep sigmoids": (sigmoids, "poor_initialization"),
    "zeros": (zeros, "symmetric_units"),
    "haste": (haste, "learning_rate_too_high"),
    "one softmax": (one_softmax, "constant_output"),
    "healthy": (healthy, None),
}

# %% [markdown]
# ## The visit
#
# The doctor is a callback. It changes nothing in the training, and stays silent here
# (`verbose=0`), so that we can ask afterwards. Then the treatment: a new model with the remedies,
# for the same data. It trains as long as the sick one did.

# %%


before, after, reports, curves, treatments = {}, {}, {}, {}, {}
for name, (build, _) in patients.items():
    before[name], after[name], reports[name] = [], [], []
    for seed in SEEDS:
        keras.utils.set_random_seed(seed)
        model, inputs, inputs_test, targets, targets_test = build()
        doctor = kt.callbacks.TrainingDoctor(verbose=0)
        sick = model.fit(inputs, targets, 32, EPOCHS, verbose=0, callbacks=[doctor])
        report = doctor.report
        before[name].append(model.evaluate(inputs_test, targets_test, verbose=0)[1])
        reports[name].append(report)
        if report.healthy:
            continue
        treated, treatments[name] = kt.surgery.treat(model, report, return_trials=True, verbose=0)
        cured = treated.fit(inputs, targets, 32, EPOCHS, verbose=0)
        after[name].append(treated.evaluate(inputs_test, targets_test, verbose=0)[1])
        curves.setdefault(name, (sick.history["loss"], cured.history["loss"]))

# %% [markdown]
# ## What it said
#
# Root causes stand first, and what follows from them below. The number of the step says since
# when: most of this was wrong before the first update, and could have been had without any
# training by `kt.checkup(model, x, y)`.

# %%
for name, found in reports.items():
    print(f"=== {name}\n{found[0].summary()}\n")

# %% [markdown]
# ## Before and after

# %%
rows = []
for name, trials in treatments.items():
    for trial in trials:
        rows.append(f"{name:<14} {trial.condition:<24} {trial.remedy}")
print("\n".join(rows))

# %%
figure, grid = plt.subplots(1, 5, figsize=(12, 2.6), sharey=True)
for axis, (name, (sick, treated)) in zip(grid, curves.items(), strict=True):
    epochs = np.arange(1, EPOCHS + 1)
    axis.plot(epochs, sick, "C3", label="sick")
    axis.plot(epochs, treated, "C2", label="treated")
    axis.set(title=name, xlabel="epoch", yscale="log")
grid[0].set_ylabel("training loss")
grid[0].legend(frameon=False)
plt.show()
print(f"{'right on test digits':<22} before             after      (mean, least and most of seeds)")
for name in patients:
    cells = [
        f"{np.mean(a):>5.1%} ({min(a):.1%}, {max(a):.1%})" if a else "not needed"
        for a in (before[name], after[name])
    ]
    print(f"{name:<22} {cells[0]:<18}  {cells[1]}")

# %% [markdown]
# Four are cured at once. The deep sigmoids are not, and their green line is missing because it is
# not a number: with rectifiers in their place the signal arrives, but the learning rate of 0.1 with
# momentum stayed, which the sigmoids had borne since nothing reached them. A treatment is an
# hypothesis. Watch the treated network, too.
#
# The last picture is the most treacherous. The loss of the one softmax falls like that of a healthy
# network, for Keras computes it from what goes into the softmax, and its answer is 1 for everyone.
#
# ## What this does not show
#
# - Each patient has one mistake. Two at once may hide each other; then `treat(..., data=(x, y))`
#   tries remedies one by one on held-out samples.
# - The doctor judges training, not taste: it does not know that your labels are wrong, your
#   network too small or your test set in your training set.
# - How often it is right on networks that it has not been shaped on is measured in
#   `docs/diagnosis-accuracy.md`.
#
# What to try next: a second visit of the treated sigmoids, and a smaller rate for them; two
# mistakes at once; a network of your own; the page with pictures, `report.to_html("report.html")`.

# %%
for name, (_, expected) in patients.items():
    for report in reports[name]:
        if expected is None:
            assert report.healthy
        else:
            assert expected in {finding.condition for finding in report.root_causes}, name
cured = [name for name, a in after.items() if a and min(a) > max(before[name]) + 0.05]
assert {"raw inputs", "zeros", "haste", "one softmax"} <= set(cured)
assert min(before["healthy"]) > 0.9
