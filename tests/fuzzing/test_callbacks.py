"""Every callback with arguments drawn from its signature, and the doctor's journal, damaged.

A clear error, or the training is the one that it would be without, and what the callback leaves
behind can be read.
"""

import importlib.util
import json
import tempfile
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import strategies as st

import kerastricks as kt
import kerastricks.addons as tfa
from kerastricks.diagnosis import journal

SPEC = importlib.util.spec_from_file_location("arguments", Path(__file__).with_name("arguments.py"))
arguments = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(arguments)
amounts, drawn_from, numbers = arguments.amounts, arguments.drawn_from, arguments.numbers

SPEC = importlib.util.spec_from_file_location("damage", Path(__file__).with_name("damage.py"))
damage = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(damage)
CALLBACKS = [getattr(room, name) for room in (kt.callbacks, tfa.callbacks) for name in room.__all__]
DOCTORS = [getattr(kt.callbacks, name) for name in kt.callbacks.__all__]
X = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")


class Training:
    """The same training of the same model, however often."""

    def __init__(self, optimizer="sgd"):
        self.model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "tanh")])
        self.model.compile(optimizer, "mse")
        self.start = self.state()
        self.plain = self.run([])

    def state(self):
        variables = [*self.model.variables, *self.model.optimizer.variables]
        return [(v, np.array(keras.ops.convert_to_numpy(v))) for v in variables]

    def run(self, callbacks, state=None, epochs=1, **how):
        for variable, value in state or self.start:
            variable.assign(value)
        self.model.stop_training = False
        return self.model.fit(
            X,
            X[:, :3],
            batch_size=4,
            shuffle=False,
            epochs=epochs,
            verbose=0,
            callbacks=callbacks,
            **how,
        ).history["loss"]


def holds(report):
    """Whether a report can be written down, and says what reports say."""
    written = json.loads(json.dumps(report.to_dict()))
    assert {finding["condition"] for finding in written["findings"]} <= set(kt.diagnosis.CONDITIONS)
    assert report.summary().replace("\n", "").isprintable()


@amounts(8, 120)
def test_callbacks(examples, fuzz, attempted, count, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # words that are no folders may become some
    plain, averaging = Training(), Training(tfa.optimizers.MovingAverage("sgd"))

    def hold(drawn):
        kind, given = drawn
        training = averaging if kind is tfa.callbacks.AverageModelCheckpoint else plain
        given = {
            name: value.replace("{folder}", str(tmp_path)) if isinstance(value, str) else value
            for name, value in given.items()
        }
        with warnings.catch_warnings():
            # Of a mode that is not known, a metric that is not there, a short training.
            warnings.simplefilter("ignore")
            callback = attempted(lambda: kind(**given))
            if callback is None:
                return
            losses = attempted(lambda: training.run([callback]))
        if losses is None:
            return
        if not training.model.stop_training:
            assert losses == training.plain, f"{kind.__name__}(**{given}) changes the training"
        if kind in DOCTORS:
            holds(callback.report)
            assert callback.report.timeline.moments
            if given.get("backup_dir") == f"{tmp_path}/seen":  # kept until the training has ended
                assert not list(tmp_path.glob("seen/*")) or training.model.stop_training
        elif hasattr(callback, "get_config"):
            config = json.loads(json.dumps(callback.get_config()))
            again = json.loads(json.dumps(kind.from_config(config).get_config()))
            assert again == config  # in a file a tuple is a list
        elif kind is tfa.callbacks.AverageModelCheckpoint and list(tmp_path.glob("model.keras")):
            if not given.get("save_weights_only"):
                assert keras.saving.load_model(tmp_path / "model.keras").count_params() == 15
            (tmp_path / "model.keras").unlink()
        count("right", kind)

    kinds = CALLBACKS if examples > 10 * len(CALLBACKS) else ()

    def drawn(some):
        return drawn_from(some)

    fuzz(drawn(CALLBACKS), examples, hold, kinds, drawn)


class Killer(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            raise RuntimeError("killed")


ENTRY_DAMAGE = st.tuples(damage.fractions, damage.fractions, damage.odd_values)


def damaged_journal(whole, how):
    """A journal of entries that are whole, one of which says or holds what it should not."""
    which, where, value = how
    with tempfile.NamedTemporaryFile() as file:
        file.write(whole)
        file.flush()
        entries = list(journal.read(file.name))
    chosen = int(which * len(entries))
    data = journal.MAGIC
    for number, entry in enumerate(entries):
        kind, numbers_, facts = entry.kind, entry.numbers, entry.facts
        if number == chosen:
            changed = json.loads(damage.damaged_json(json.dumps([kind, facts]), where, value))
            kind, facts = changed if isinstance(changed[1], dict) else (changed[0], {})
            if where > 0.9:
                numbers_ = np.full(numbers_.shape, [np.nan, np.inf, 1e38][number % 3], "float32")
        data += journal.packed(kind, numbers_, facts)
    return data


@amounts(6, 150)
def test_damaged_journals(examples, fuzz, count, tmp_path):
    training = Training()
    path = tmp_path / "seen" / "TrainingDoctor.journal"
    plain = training.run([], epochs=3)

    def doctor():
        return kt.callbacks.TrainingDoctor(every=1, backup_dir=tmp_path / "seen")

    with pytest.raises(RuntimeError, match="killed"):
        training.run([doctor(), Killer()], epochs=3)
    whole = path.read_bytes()
    state = training.state()

    def hold(drawn):
        change, how = drawn
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(change(whole, how))
        again = doctor()
        losses = training.run([again], state, epochs=3, initial_epoch=2)
        assert losses == plain[2:], "the training is another one"
        holds(again.report)
        moments = [moment.step for moment in again.report.timeline.moments]
        # What was seen before the end, as far as it is there; or why it is not.
        # A whole entry is taken at its word, also if another number of steps was made by then.
        *_, claimed = how or (None,)
        known = moments[-1] == 11 or (type(claimed) is int and moments[-4] == claimed > 7)
        assert known or str(path) in again.report.unobserved, moments
        assert moments == sorted(set(moments))
        begin = moments[-4] if known else 0
        assert moments[-4:] == list(range(begin, begin + 4))
        count("right" if known else "error")
        return moments

    assert hold((lambda whole, how: whole, None)) == list(range(12))
    of_entries = st.tuples(st.just(damaged_journal), ENTRY_DAMAGE)
    of_bytes = st.tuples(st.just(damage.damaged_bytes), damage.bytes_damage)
    fuzz(of_bytes | of_entries, examples, hold)
