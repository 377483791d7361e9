import keras
import pytest

from kerastricks.diagnosis.losses import loss_of
from kerastricks.diagnosis.observation import Loss

NAME = "sparse_categorical_crossentropy"


@pytest.mark.parametrize("ignored", [None, -1, 255])
def test_the_ignored_class_is_the_one_that_was_set(ignored):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=ignored)
    assert loss_of(loss) == Loss(NAME, from_logits=True, ignore_class=ignored)


def test_a_string_and_a_function_ignore_no_class():
    for loss in (NAME, keras.losses.sparse_categorical_crossentropy):
        assert loss_of(loss) == Loss(NAME, from_logits=False, ignore_class=None)


def raising(self):
    raise NotImplementedError


@pytest.mark.parametrize(
    "get_config", [raising, lambda self: None, lambda self: {"ignore_class": "void"}]
)
def test_a_loss_whose_configuration_is_of_no_use_has_its_name(get_config):
    class MyOwnLoss(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return keras.ops.mean(y_pred - y_true, axis=-1)

    MyOwnLoss.get_config = get_config
    assert loss_of(MyOwnLoss()) == Loss("my_own_loss")
