# %% [markdown]
# # Catch a sick network in its first epoch
#
# A deep network that does not learn gives no error: the loss just stands still. This notebook
# trains one on scikit-learn's 1,797 handwritten digits, lets the doctor say what is wrong, and
# repairs it with three parts.

# %%
import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import kerastricks as kt

EPOCHS = 12

images, labels = load_digits(return_X_y=True)
images = ((images - images.mean()) / images.std()).astype(np.float32)
x, x_test, y, y_test = train_test_split(images, labels, stratify=labels, random_state=0)

# %% [markdown]
# ## Ten sigmoid layers that start at 0.03 N(0, 1)
#
# The start looks harmless: small random numbers. But a sigmoid passes at most a quarter of the
# gradient, and 64 weights of size 0.03 pass about a quarter of the signal, so each layer keeps
# less than a tenth.

# %%


def trained(layers, optimizer):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((64,)), *layers, keras.layers.Dense(10, "softmax")])
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    doctor = kt.callbacks.TrainingDoctor()
    model.fit(x, y, epochs=EPOCHS, verbose=0, callbacks=[doctor])
    return model.evaluate(x_test, y_test, verbose=0)[1], doctor.report


sick_layers = [
    keras.layers.Dense(64, "sigmoid", kernel_initializer=kt.initializers.ScaledNormal(0.03))
    for _ in range(10)
]
sick_accuracy, sick = trained(sick_layers, keras.optimizers.SGD(0.5, momentum=0.9))

# %%
print(f"test accuracy {sick_accuracy:.1%}")
print(sick.summary())

# %% [markdown]
# ## The same depth, made to train
#
# - `He` starts the kernels so that the signal keeps its size through leaky rectifiers;
# - `BatchNormalization` keeps it there while the weights move (`alpha` is the weight of the newest
#   batch in the moving averages: 0.1, because this training is short);
# - `LeakyReLU` passes gradient on both sides of zero, so no unit can die.

# %%
healthy_layers = []
for _ in range(10):
    start = kt.initializers.He(negative_slope=0.3)
    healthy_layers += [
        keras.layers.Dense(64, use_bias=False, kernel_initializer=start),
        kt.layers.BatchNormalization(alpha=0.1),
        kt.layers.LeakyReLU(negative_slope=0.3),
    ]
decay = keras.optimizers.schedules.CosineDecay(0.01, EPOCHS * -(-len(x) // 32))
accuracy, report = trained(healthy_layers, keras.optimizers.Adam(decay))
print(f"test accuracy {accuracy:.1%}; {report.summary()}")

# %% [markdown]
# One seed and 450 test images: an accuracy here is good to about a percentage point. What to try
# next: leave out the batch normalization; start with `Xavier`; raise the learning rate until the
# doctor speaks again.

# %%
assert sick.root_causes[0].condition == "poor_initialization"
assert sick_accuracy < 0.2
assert report.healthy
assert accuracy > 0.93
