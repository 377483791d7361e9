"""Cases of the operations on images, as functions of the package that has them."""

import numpy as np

SHAPES = {"HW": (7, 9), "HWC": (8, 6, 3), "BHWC": (3, 9, 8, 2), "one": (1, 6, 7, 1)}
FLOATS, WHOLE = ("float32", "float64", "float16"), ("uint8", "int32", "int64")
FILLS = ("constant", "reflect", "wrap", "nearest")


def picture(shape, dtype="float32", seed=0):
    """Values from 0 to 255, of floats with fractions."""
    values = np.random.default_rng(seed).uniform(0, 255, SHAPES.get(shape, shape))
    return np.floor(values).astype(dtype) if dtype in WHOLE else values.astype(dtype)


def transforms(count, seed=1):
    """Projective ones that stay close to the picture."""
    spread = [0.2, 0.2, 2, 0.2, 0.2, 2, 0.01, 0.01]
    drawn = np.random.default_rng(seed).uniform(-1, 1, (count, 8)) * spread
    return (drawn + np.eye(1, 8) + np.eye(1, 8, 4)).astype("float32")


def warps(image):
    cases = {}
    for kind in SHAPES:
        count = SHAPES[kind][0] if len(SHAPES[kind]) == 4 else 1
        for mode in ("nearest", "bilinear"):
            for dtype in FLOATS + WHOLE:
                x = picture(kind, dtype)
                cases[f"rotate/{dtype}/{mode}/{kind}"] = lambda x=x, mode=mode: image.rotate(
                    x, 0.3, mode, "reflect"
                )
            x = picture(kind)
            for fill in ("constant", "reflect", "nearest"):
                cases[f"transform/{mode}/{fill}/{kind}"] = (
                    lambda x=x, mode=mode, fill=fill, count=count: image.transform(
                        x, transforms(count), mode, fill, fill_value=17.5
                    )
                )
                cases[f"translate/{mode}/{fill}/{kind}"] = lambda x=x, mode=mode, fill=fill: (
                    image.translate(x, [2.5, -13.25], mode, fill, None, 3.0)
                )
    batch = picture("BHWC")
    angles, shifts = [0.1, -1.3, 3.0], [[1, 0], [-2, 3], [0.5, 0.25]]
    cases |= {
        "rotate/angles": lambda: image.rotate(batch, angles),
        "rotate/angles/bilinear": lambda: image.rotate(batch, np.array(angles), "BILINEAR"),
        "rotate/fill/uint8": lambda: image.rotate(picture("HWC", "uint8"), 1.0, fill_value=200),
        "rotate/quarter": lambda: image.rotate(picture((6, 6, 3)), np.pi / 2),
        "rotate/half": lambda: image.rotate(picture((7, 5)), np.pi),
        "translate/each": lambda: image.translate(batch, shifts),
        "translate/each/bilinear": lambda: image.translate(batch, shifts, "bilinear", "NEAREST"),
        "transform/smaller": lambda: image.transform(
            batch, transforms(1), "bilinear", output_shape=[4, 5]
        ),
        "transform/larger": lambda: image.transform(
            picture("HW"), transforms(1)[0], fill_mode="nearest", output_shape=(12, 11)
        ),
        "transform/infinite": lambda: image.transform(
            picture((3, 3)), [1, 0, 0, 0, 1, 0, -0.5, 0], "bilinear", "nearest", fill_value=9.0
        ),
        "wrap/near": lambda: image.translate(picture("HWC"), [3, -2], "nearest", "wrap"),
        "wrap/far": lambda: image.translate(picture("HWC"), [6, 0], "nearest", "wrap"),
        "wrap/between": lambda: image.translate(picture("HWC"), [2.5, 0], "bilinear", "wrap"),
        "angles/one": lambda: image.angles_to_projective_transforms(0.7, 5, 8),
        "angles/several": lambda: image.angles_to_projective_transforms(
            np.float32([0.1, 2]), np.float32(5), np.float32(8)
        ),
        "translations/one": lambda: image.translations_to_projective_transforms([1, -2.5]),
        "translations/several": lambda: image.translations_to_projective_transforms(shifts),
        "compose/one": lambda: image.compose_transforms([transforms(1)[0]]),
        "compose/two": lambda: image.compose_transforms([transforms(1)[0], transforms(1, 5)[0]]),
        "compose/batches": lambda: image.compose_transforms(
            [transforms(3), transforms(3, 5), transforms(3, 6)]
        ),
        "compose/in order": lambda: image.transform(
            batch, image.compose_transforms([transforms(3), transforms(3, 5)]), "bilinear"
        ),
    }
    for dtype in ("uint8", "float32", "int32"):
        x = picture("HWC", dtype)
        cases |= {
            f"translate_xy/{dtype}": lambda x=x: image.translate_xy(x, [2, -1], [1, 2, 3]),
            f"translate_xy/scalar/{dtype}": lambda x=x: image.translate_xy(x, [-9, 0], 7),
            f"shear_x/{dtype}": lambda x=x: image.shear_x(x, 0.4, [1, 2, 3]),
            f"shear_x/scalar/{dtype}": lambda x=x: image.shear_x(x, -1.0, 7),
            f"shear_y/{dtype}": lambda x=x: image.shear_y(x, -0.3, [1, 2, 3]),
        }
    return cases


def cutouts(image):
    cases = {}
    for dtype in ("uint8", "float32", "float16", "int64"):
        x = picture("BHWC", dtype)
        cases |= {
            f"cutout/{dtype}": lambda x=x: image.cutout(x, 4, (5, 3)),
            f"cutout/each/{dtype}": lambda x=x: image.cutout(
                x, (2, 6), [[1, 1], [9, 0], [4, 7]], constant_values=9
            ),
        }
    x = picture("one")
    return cases | {
        "cutout/corner": lambda: image.cutout(x, (4, 2)),
        "cutout/all": lambda: image.cutout(x, 40, (3, 3), 5),
        "cutout/array": lambda: image.cutout(x, np.int32([2, 4]), np.int32([3, 3])),
        "random_cutout/too large": lambda: image.random_cutout(x, (8, 10), 1),
    }


def colors(image):
    cases = {}
    for dtype in ("float32", "float64", "float16"):
        x = (picture((4, 5, 3)) / 255).astype(dtype)
        for number, settings in enumerate(
            [{}, {"delta_hue": 1.1}, {"scale_saturation": 0.3}, {"scale_value": 1.7}]
        ):
            cases[f"hsv/{dtype}/{number}"] = lambda x=x, s=settings: image.adjust_hsv_in_yiq(x, **s)
    mild = picture((2, 6, 5, 3), "uint8") // 4 + 90
    cases |= {
        "hsv/all": lambda: image.adjust_hsv_in_yiq(picture((2, 4, 5, 3)), -0.4, 1.2, 0.8),
        "hsv/uint8": lambda: image.adjust_hsv_in_yiq(mild, 0.5, 0.8, 1.1),
        "hsv/uint8/nothing": lambda: image.adjust_hsv_in_yiq(mild),
        "hsv/uint8/beyond": lambda: image.adjust_hsv_in_yiq(mild, 0.5, 1.5, 1.9),
        "random_hsv/fixed": lambda: image.random_hsv_in_yiq(
            picture((4, 5, 3)), 0, 0.7, 0.7, 1.2, 1.2
        ),
    }
    a, b = picture("HWC", "uint8"), picture("HWC", "uint8", 7)
    for factor in (0.0, 1.0, 0.3, 0.5, 1.7, -0.4):
        cases[f"blend/uint8/{factor}"] = lambda f=factor: image.blend(a, b, f)
        cases[f"blend/float32/{factor}"] = lambda f=factor: image.blend(
            picture("HW"), picture("HW", seed=3), f
        )
    for kind in SHAPES:
        for dtype in ("uint8", "float32"):
            x = picture(kind, dtype)
            for factor in (0.0, 1.0, 0.4, 2.5):
                cases[f"sharpness/{dtype}/{factor}/{kind}"] = lambda x=x, f=factor: image.sharpness(
                    x, f
                )
        cases[f"equalize/{kind}"] = lambda kind=kind: image.equalize(picture(kind, "uint8"))
    rng = np.random.default_rng(3)
    dark = np.minimum(rng.exponential(20, (2, 40, 30, 3)), 255)
    cases |= {
        "equalize/dark": lambda: image.equalize(dark.astype("uint8")),
        "equalize/dark/int32": lambda: image.equalize(dark.astype("int32")[0]),
        "equalize/dark/float32": lambda: image.equalize(np.floor(dark[0, ..., 0], dtype="float32")),
        "equalize/constant": lambda: image.equalize(np.full((20, 20, 3), 7, "uint8")),
        "equalize/two": lambda: image.equalize(np.uint8([[3] * 300, [200] * 300])),
        "equalize/bins": lambda: image.equalize((dark / 4).astype("uint8"), bins=64),
        "equalize/fractions": lambda: image.equalize(picture("HW")),
    }
    return cases


def filters(image):
    cases = {}
    for kind in SHAPES:
        for padding in ("REFLECT", "CONSTANT", "SYMMETRIC"):
            for shape in (3, (2, 5), (4, 1)):
                x = picture(kind)
                for name in ("mean_filter2d", "median_filter2d", "gaussian_filter2d"):
                    cases[f"{name}/{padding}/{shape}/{kind}"] = (
                        lambda x=x, name=name, shape=shape, padding=padding: getattr(image, name)(
                            x, shape, padding=padding, constant_values=7
                        )
                    )
    for name in ("mean_filter2d", "median_filter2d", "gaussian_filter2d"):
        for dtype in FLOATS[1:] + WHOLE:
            cases[f"{name}/{dtype}"] = lambda name=name, dtype=dtype: getattr(image, name)(
                picture("HWC", dtype)
            )
    low = picture((8, 9, 2), "uint8") // 3
    return cases | {
        "gaussian_filter2d/sigma": lambda: image.gaussian_filter2d(picture("HWC"), 5, 2.5),
        "gaussian_filter2d/sigmas": lambda: image.gaussian_filter2d(
            picture("BHWC"), [3, 5], (0.5, 3.0)
        ),
        "gaussian_filter2d/sigma 0": lambda: image.gaussian_filter2d(picture("HW"), 3, 0.0),
        "median_filter2d/7": lambda: image.median_filter2d(picture("HWC"), (5, 7), "symmetric"),
        "median_filter2d/even/uint8": lambda: image.median_filter2d(low, 2),
        "median_filter2d/even/bright": lambda: image.median_filter2d(picture("HWC", "uint8"), 2),
        "median_filter2d/even/int32": lambda: image.median_filter2d(
            picture("HWC", "int32") - 100, (2, 3)
        ),
    }


def interpolations(image):
    cases = {}
    rng = np.random.default_rng(4)
    for dtype in FLOATS:
        x = picture((2, 7, 6, 3), dtype)
        for places in FLOATS:
            points = rng.uniform(-2, 9, (2, 11, 2)).astype(places)
            flow = rng.uniform(-3, 3, (2, 7, 6, 2)).astype(places)
            cases[f"dense_image_warp/{dtype}/{places}"] = lambda x=x, f=flow: (
                image.dense_image_warp(x, f)
            )
            for indexing in ("ij", "xy"):
                cases[f"interpolate_bilinear/{dtype}/{places}/{indexing}"] = (
                    lambda x=x, p=points, i=indexing: image.interpolate_bilinear(x, p, i)
                )
    return cases


def measures(image):
    rng = np.random.default_rng(5)
    cases = {}
    masks = {
        "sparse": rng.random((33, 21)) > 0.03,
        "dense": rng.random((16, 40, 2)) > 0.5,
        "batch": rng.random((3, 20, 18, 2)) > 0.1,
        "one 0": np.arange(600).reshape(20, 30) != 407,
        "row": np.arange(64)[None] % 40 != 3,
        "column": np.arange(64)[:, None] % 40 != 3,
        "no 0": np.ones((5, 6)),
        "no 1": np.zeros((5, 6)),
        "some without 0": np.stack([np.ones((5, 6, 1)), np.eye(5, 6)[..., None]]),
    }
    for name, mask in masks.items():
        for dtype in FLOATS:
            cases[f"distances/{dtype}/{name}"] = lambda m=mask, d=dtype: (
                image.euclidean_dist_transform((m * 9).astype("uint8"), _dtype(image, d))
            )
    cases["distances/float16/far"] = lambda: image.euclidean_dist_transform(
        (np.arange(700)[None] > 0).astype("uint8"), _dtype(image, "float16")
    )
    values = {
        "mask": rng.random((31, 27)) > 0.4,
        "batch": rng.integers(0, 3, (3, 14, 17)),
        "colors": rng.integers(0, 4, (40, 40)),
        "full": np.ones((6, 7)),
        "empty": np.zeros((6, 7)),
        "row": np.array([[1, 1, 0, 2, 2, 1]]),
        "negative": rng.integers(-1, 2, (9, 9)),
        "snake": np.array([[c % 2 == 0 or r == (c // 2 % 2) * 20 for c in range(21)]
                           for r in range(21)]),
    }  # fmt: skip
    for name, value in values.items():
        for dtype in ("bool", "uint8", "int32", "int64", "float32", "float16"):
            if name != "negative" or dtype not in ("bool", "uint8"):
                cases[f"components/{dtype}/{name}"] = lambda v=value, d=dtype: (
                    image.connected_components(v.astype(d))
                )
    return cases


def _dtype(image, name):
    """A dtype as old code gives it: TensorFlow's own."""
    import tensorflow as tf

    return getattr(tf, name)


def gradients(image):
    """What reaches images, flows and points."""
    import tensorflow as tf

    x = tf.constant(picture((2, 6, 5, 2)))
    flow = tf.constant(np.random.default_rng(6).uniform(-2, 2, (2, 6, 5, 2)).astype("float32"))
    weights = tf.constant(picture((2, 6, 5, 2), seed=9))

    def gradient(function, *inputs, of):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            value = tf.reduce_sum(function(*inputs) * weights)
        return tape.gradient(value, inputs[of])

    return {
        "gradient/dense_image_warp/image": lambda: gradient(image.dense_image_warp, x, flow, of=0),
        "gradient/dense_image_warp/flow": lambda: gradient(image.dense_image_warp, x, flow, of=1),
        "gradient/mean_filter2d": lambda: gradient(image.mean_filter2d, x, of=0),
        "gradient/gaussian_filter2d": lambda: gradient(image.gaussian_filter2d, x, of=0),
        "gradient/median_filter2d": lambda: gradient(image.median_filter2d, x, of=0),
        "gradient/adjust_hsv_in_yiq": lambda: gradient(
            lambda rgb: image.adjust_hsv_in_yiq(rgb, 0.5, 0.7, 1.2)[..., :2],
            tf.concat([x, x[..., :1]], -1),
            of=0,
        ),
        "gradient/translate": lambda: gradient(
            lambda images: image.translate(images, [1, -2], "bilinear"), x, of=0
        ),
        "gradient/rotate": lambda: gradient(
            lambda images: image.rotate(images, 0.3, "bilinear"), x, of=0
        ),
    }


def cases(tfa):
    """All cases: functions of no arguments, by name."""
    together = {}
    for family in (warps, cutouts, colors, filters, interpolations, measures, gradients):
        together |= family(tfa.image)
    return together


def compute(tfa):
    """What all cases give."""
    return {name.replace("/", ":"): np.asarray(case()) for name, case in cases(tfa).items()}
