from kerastricks.diagnosis.rules.no_nonlinearity import no_nonlinearity


def linear(make, units, count=1, start=0):
    """Hidden layers of these units and an output of ten."""
    names = [f"layer{i}" for i in range(len(units))]
    weights = [make.kernel(name, units=n) for name, n in zip(names, units, strict=True)]
    weights.append(make.kernel("output", units=10))
    return make.window(count, start=start, weights=weights, linear=tuple(names))


def test_a_model_with_a_nonlinearity_is_healthy(make):
    assert not list(no_nonlinearity(make.window(3)))


def test_a_model_of_one_layer_is_healthy(make):
    assert not list(no_nonlinearity(linear(make, [])))


def test_one_hidden_layer_is_enough(make):
    (one,) = no_nonlinearity(linear(make, [64]))
    (two,) = no_nonlinearity(linear(make, [64, 32]))
    assert (one.severity, one.layer, one.onset) == ("warning", None, 0)
    assert one.message.startswith("1 hidden layer computes")
    assert two.message.startswith("2 hidden layers compute")
    assert two.evidence["linear_hidden_layers"] == ["layer0", "layer1"]


def test_it_has_been_so_since_the_first_observation(make):
    (finding,) = no_nonlinearity(linear(make, [64], count=5, start=3))
    assert finding.onset == 3


def test_a_bottleneck_limits_the_rank(make):
    """A linear autoencoder, a low-rank classifier: there the hidden layer does something."""
    (narrow,) = no_nonlinearity(linear(make, [64, 9]))
    (wide,) = no_nonlinearity(linear(make, [64, 10]))
    assert (narrow.severity, wide.severity) == ("note", "warning")


def test_frozen_layers_have_no_weights_to_be_seen(make):
    (finding,) = no_nonlinearity([make.observation(weights=[], linear=("hidden",))])
    assert finding.severity == "warning"
