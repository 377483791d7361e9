"""From a sample's name to its random numbers: Threefry in numpy."""

import numpy as np

SEED = 11


def threefry(key, counter):
    """Threefry-2x32, 20 rounds, on arrays of uint32."""
    keys = [*key, key[0] ^ key[1] ^ np.uint32(0x1BD11BDA)]
    x, y = counter[0] + keys[0], counter[1] + keys[1]
    for group in range(5):
        for bits in ((13, 15, 26, 6), (17, 29, 16, 24))[group % 2]:
            x = x + y
            y = (y << np.uint32(bits) | y >> np.uint32(32 - bits)) ^ x
        x, y = x + keys[(group + 1) % 3], y + keys[(group + 2) % 3] + np.uint32(group + 1)
    return x, y


def uniform(words):
    return (words >> np.uint32(8)) * 2.0**-24


def numbers(count, position, transform=0, epoch=0, seed=SEED):
    """The uniform numbers of one sample."""
    blocks = np.arange((count + 1) // 2, dtype="uint32") + np.uint32(transform << 16)
    key = [np.full_like(blocks, word) for word in (seed, epoch)]
    words = threefry(key, (np.full_like(blocks, position), blocks))
    return uniform(np.stack(words, axis=-1).ravel())[:count]


def pixel_noise(u, shape):
    """Two numbers a value, of the key that four numbers make."""
    whole = [np.uint32(each * 2**24) for each in u]
    key = whole[0] ^ (whole[1] << np.uint32(16)), whole[2] ^ (whole[3] << np.uint32(16))
    place = np.arange(np.prod(shape), dtype="uint32").reshape(shape)
    words = threefry([np.full_like(place, word) for word in key], (place, np.zeros_like(place)))
    return [uniform(word) for word in words]


def between(u, low, high):
    return low + u * (high - low)
