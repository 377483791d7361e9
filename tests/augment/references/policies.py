"""Policies: which operations a sample gets, how strong, one after the other."""

import math

from kerastricks.augment.transforms.auto_augment import pairs

from .colors import contrasted, equalized, posterized, saturated, solarized, stretched
from .geometry import rotated, sheared, shifted
from .pixels import sharpened
from .random_numbers import between

OPERATIONS = {
    "identity": lambda x, a: x,
    "shear_x": lambda x, a: sheared(x, a),
    "shear_y": lambda x, a: sheared(x, 0, a),
    "translate_x": lambda x, a: shifted(x, 0, a),
    "translate_y": lambda x, a: shifted(x, a, 0),
    "rotate": rotated,
    "brightness": lambda x, a: (1 + a) * x,
    "saturation": lambda x, a: saturated(x, 1 + a),
    "contrast": lambda x, a: contrasted(x, 1 + a),
    "sharpness": lambda x, a: sharpened(x, 1 + a),
    "posterize": posterized,
    "solarize": solarized,
    "auto_contrast": lambda x, a: stretched(x),
    "equalize": lambda x, a: equalized(x),
    "invert": lambda x, a: 255 - x,
}
MOVES = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate")
SIGNED = (*MOVES, "brightness", "saturation", "contrast", "sharpness")
FOURTEEN = tuple(OPERATIONS)[:-1]
NINE = (
    "auto_contrast",
    "equalize",
    "posterize",
    "rotate",
    "solarize",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
)


def chosen(u, names, strongest, magnitude):
    """An operation and its amount, of three numbers."""
    name = names[math.floor(u[0] * len(names))]
    strength = between(u[1], *magnitude)
    weakest, most = {"posterize": strongest["posterize"], "solarize": (1, 0)}.get(
        name, (0, strongest.get(name, 0))
    )
    amount = weakest + strength * (most - weakest)
    amount = round(amount) if name == "posterize" else amount
    return name, -amount if name in SIGNED and u[2] < 0.5 else amount


def strongest(shear, shift, degrees, factor, bits):
    return {
        "shear_x": shear,
        "shear_y": shear,
        "translate_x": shift,
        "translate_y": shift,
        "rotate": degrees,
        **dict.fromkeys(SIGNED[5:], factor),
        "posterize": bits,
    }


def operated(x, u, names, most, magnitude):
    name, amount = chosen(u, names, most, magnitude)
    return OPERATIONS[name](x, amount)


def auto_augmented(x, u, whole):
    pair = pairs("imagenet")[math.floor(u[0] * 25)]
    todo = []
    for slot, (index, probability, amount, signed) in enumerate(pair):
        if u[1 + 2 * slot] < probability:
            negative = signed and u[2 + 2 * slot] < 0.5
            todo.append((tuple(OPERATIONS)[int(index)], -amount if negative else amount))
    for name, amount in sorted(todo, key=lambda step: step[0] not in MOVES):
        x = whole(OPERATIONS[name](x, amount))
    return x


def aug_mixed(x, u, whole):
    """Of two chains of one operation each."""
    most = strongest(0.3, 1 / 3, 30, 0, (4, 1))
    left = 1 - u[1]
    shares = left * u[2], left * (1 - u[2])
    out = u[1] * x
    for chain, share in enumerate(shares):
        which = u[6 + 3 * chain : 9 + 3 * chain]
        out = out + share * whole(operated(x, which, NINE, most, (0, 0.6)))
    return out
