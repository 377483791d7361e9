from kerastricks.addons._fates import FATES


def test_the_table_has_every_public_name_and_no_other(oracle):
    names = {package: set(found.tolist()) for package, found in oracle("names").items()}
    names[""] = names.pop("top")
    assert {package: set(fates) for package, fates in FATES.items()} == names
