import re
import subprocess
import sys

import keras
import pytest

from kerastricks.__main__ import main, parser


def run(*arguments, **options):
    command = [sys.executable, "-m", "kerastricks", *arguments]
    return subprocess.run(command, capture_output=True, text=True, **options)


@pytest.mark.slow
def test_the_main_job(tmp_path):
    result = run("demo", cwd=tmp_path)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    for name in ("vanishing_gradients", "saturated_units", "dying_units", "Before and after"):
        assert name in result.stdout
    accuracies = [float(each) for each in re.findall(r"([\d.]+)%\s+│", result.stdout)]
    assert len(accuracies) == 4
    assert min(accuracies[1::2]) >= 95.0
    assert max(accuracies[::2]) < 30.0
    page = (tmp_path / "kerastricks-report.html").read_text(encoding="utf-8")
    assert page.count("<section>") == 4
    assert page.count("<svg") == 20
    assert str(tmp_path / "kerastricks-report.html") in result.stdout.replace("\n", "")


def test_help_explains_the_command(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["demo", "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for part in ("--output", "--epochs", "--seed", "1,797", "Exit status"):
        assert part in text


@pytest.mark.parametrize(
    "arguments", [[], ["dance"], ["demo", "--epochs", "0"], ["demo", "--seed", "-1"]]
)
def test_bad_arguments_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        parser().parse_args(arguments)
    assert stop.value.code == 2
    assert "error" in capsys.readouterr().err


def test_a_missing_folder_is_said_before_training(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(keras.Model, "fit", lambda *_, **__: pytest.fail("trained first"))
    assert main(["demo", "--output", str(tmp_path / "nowhere" / "report.html")]) == 2
    assert "does not exist" in capsys.readouterr().out.replace("\n", " ")
    assert main(["demo", "--output", str(tmp_path)]) == 2
