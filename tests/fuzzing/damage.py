"""Ways in which files get damaged, or are made to hurt."""

import io
import json
import re
import struct
import warnings
import zipfile

import h5py
import numpy as np
from hypothesis import strategies as st

fractions = st.floats(0, 1, exclude_max=True)
odd_values = st.sampled_from(
    [
        None,
        True,
        -1,
        0,
        2**31,
        2**63,
        -(2**70),
        1e308,
        float("nan"),
        "",
        "x" * 10_000,
        "../../etc/passwd",
        "\x00\u202e\ud800",
        [],
        {},
        [[[[]]]],
        {"class_name": "Dense"},
        {"class_name": "Lambda", "config": {}},
        {"class_name": "function", "config": "system", "module": "os", "registered_name": "system"},
        [2**31, 2**31],
        "float128",
    ]
)
ODD_NAMES = ("../config.json", "/config.json", "config.json\x01", "CONFIG.JSON", "", "a/" * 200)

bytes_damage = st.one_of(
    st.tuples(st.just("cut"), fractions),
    st.tuples(st.just("flip"), st.lists(st.tuples(fractions, st.integers(0, 7)), min_size=1)),
    st.tuples(
        st.just("fill"), fractions, st.sampled_from([1, 16, 300]), st.sampled_from(["00", "ff"])
    ),
    st.tuples(st.just("drop"), fractions, st.sampled_from([1, 8, 512])),
    st.tuples(st.just("insert"), fractions, st.binary(min_size=1, max_size=64)),
    st.tuples(st.just("swap"), fractions),
)
archive_damage = st.one_of(
    st.tuples(st.just("json"), fractions, odd_values),
    st.tuples(st.just("json"), fractions, odd_values),
    st.tuples(st.just("exchange"), fractions, fractions),
    st.tuples(st.just("remove"), fractions),
    st.tuples(st.just("twice"), fractions),
    st.tuples(st.just("rename"), fractions, st.sampled_from(ODD_NAMES)),
    st.tuples(st.just("claim"), fractions, st.sampled_from([0, 2**20, 2**31, 2**32 - 2])),
    st.tuples(st.just("member"), fractions, bytes_damage),
)
hdf5_damage = st.one_of(
    st.tuples(st.just("json"), fractions, odd_values),
    st.tuples(st.just("json"), fractions, odd_values),
    st.tuples(st.just("array"), fractions, st.sampled_from(["huge", "text", "scalar", "gone"])),
    st.tuples(st.just("attribute"), fractions, st.sampled_from([b"\xff", 3, np.zeros(0), "["])),
)
json_damage = st.tuples(fractions, odd_values)


def damaged_bytes(data, damage):
    """The bytes of any file, damaged."""
    kind, *rest = damage
    if kind == "flip":
        changed = bytearray(data)
        for where, bit in rest[0]:
            if changed:
                changed[int(where * len(changed))] ^= 1 << bit
        return bytes(changed)
    place = int(rest[0] * len(data))
    if kind == "cut":
        return data[:place]
    if kind == "fill":
        return data[:place] + bytes.fromhex(rest[2]) * rest[1] + data[place + rest[1] :]
    if kind == "drop":
        return data[:place] + data[place + rest[1] :]
    if kind == "insert":
        return data[:place] + rest[1] + data[place:]
    return data[place:] + data[:place]


def damaged_archive(data, damage):
    """A zip archive that is whole, of parts that are not what they should be."""
    kind, where, *rest = damage
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = [(info.filename, archive.read(info)) for info in archive.infolist()]
    chosen = int(where * len(parts))
    if kind == "json":
        chosen = next(n for n, (name, _) in enumerate(parts) if name == "config.json")
        text = damaged_json(parts[chosen][1].decode(), where, rest[0])
        parts[chosen] = parts[chosen][0], text.encode("utf-8", "surrogatepass")
    elif kind == "exchange":
        other = int(rest[0] * len(parts))
        (name, first), (other_name, second) = parts[chosen], parts[other]
        parts[chosen], parts[other] = (name, second), (other_name, first)
    elif kind == "remove":
        del parts[chosen]
    elif kind == "twice":
        parts.append((parts[chosen][0], b"{}"))
    elif kind == "rename":
        parts[chosen] = rest[0], parts[chosen][1]
    elif kind == "member":
        parts[chosen] = parts[chosen][0], damaged_bytes(parts[chosen][1], rest[0])
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of names that are there twice
        for name, part in parts:
            archive.writestr(zipfile.ZipInfo(name), part)
    written = bytearray(written.getvalue())
    if kind == "claim":
        # The size of a part, as the directory at the end of the archive has it.
        entries = [found.start() for found in re.finditer(rb"PK\x01\x02", written)]
        struct.pack_into("<I", written, entries[chosen] + 24, rest[0])
    return bytes(written)


def damaged_hdf5(data, damage):
    """An HDF5 file that is whole, with other things in it."""
    kind, where, what = damage
    image = io.BytesIO(data)
    with h5py.File(image, "r+") as file:
        if kind == "json":
            keys = ["model_config", "training_config"]
            key = keys[int(where * 1000) % 2]
            text = damaged_json(file.attrs[key], where, what)
            file.attrs[key] = np.bytes_(text.encode("utf-8", "surrogatepass"))
        elif kind == "attribute":
            holders = [file]
            file.visititems(lambda _, member: holders.append(member))
            pairs = [(holder, key) for holder in holders for key in holder.attrs]
            holder, key = pairs[int(where * len(pairs))]
            holder.attrs[key] = what
        else:
            arrays = []
            file.visititems(
                lambda name, member: arrays.append(name) if hasattr(member, "shape") else None
            )
            name = arrays[int(where * len(arrays))]
            del file[name]
            if what == "huge":  # no numbers are stored, whatever the shape
                file.create_dataset(name, (2**40,), "float32", chunks=(2**20,))
            elif what == "text":
                file[name] = "text"
            elif what == "scalar":
                file[name] = 1.0
    return image.getvalue()


def damaged_notebook(data, damage):
    """A notebook that is JSON, with other things in it."""
    return damaged_json(data, *damage).encode()


def damaged_json(text, where, value):
    """JSON with one value exchanged, however deep."""
    config = json.loads(text)
    places = list(_places(config))
    holder, key = places[int(where * len(places))]
    holder[key] = value
    return json.dumps(config)


def _places(value):
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])
