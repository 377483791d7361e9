import ast
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerastricks.addons.__main__ import main

pytest.importorskip("libcst")  # of the extra `addons`

from kerastricks.addons._check.command import files
from kerastricks.addons._check.program import MAGIC, examined


def names(source):
    return [use.name for use in examined("a.py", source.encode()).uses]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import tensorflow_addons as tfa\ntfa.layers.TLU()", ["", "layers.TLU"]),
        ("import tensorflow_addons\ntensorflow_addons.image.rotate", ["", "image.rotate"]),
        ("import tensorflow_addons.layers as L\nL.TLU", ["layers", "layers.TLU"]),
        ("from tensorflow_addons import layers as L\nL.TLU", ["layers", "layers.TLU"]),
        ("from tensorflow_addons.layers import TLU as X, CRF\nX()", ["layers.TLU", "layers.CRF"]),
        ("from tensorflow_addons.layers.tlu import TLU\nTLU.build", ["layers.tlu.TLU"]),
        ("from tensorflow_addons.layers import *", ["layers"]),
        ("def f():\n import tensorflow_addons as t\n return t.rnn.NASCell", ["", "rnn.NASCell"]),
        ("import tensorflow_addons as tfa\ndef f(tfa): return tfa.layers.TLU", [""]),
        ("import tensorflow_addons as tfa\ng(tfa)", ["", ""]),
        ("tfa.layers.TLU; 'tensorflow_addons'; from .tensorflow_addons import x", []),
        (
            "import tensorflow_addons as tfa\n@tfa.layers.TLU\ndef f(x: tfa.types.Number): ...",
            ["", "layers.TLU", "types.Number"],
        ),
    ],
)
def test_uses_are_found_by_whatever_name(source, expected):
    assert names(source) == expected


def test_a_use_says_where_it_is_and_what_to_write():
    source = b"import tensorflow_addons as tfa\n\nx = [tfa.optimizers.LazyAdam(1e-3)]\n"
    use = examined("a.py", source).uses[1]
    assert use.sentence().startswith("a.py:3:6: tfa.optimizers.LazyAdam -> keras.optimizers.Adam")
    assert (use.kind, use.replacement) == ("keras", "keras.optimizers.Adam")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("import tensorflow_addons as tfa\ntfa.layers.TLU", "import kerastricks.addons as tfa"),
        ("import os, tensorflow_addons as a # x", "import os, kerastricks.addons as a # x"),
        ("import tensorflow_addons", "import kerastricks.addons as tensorflow_addons"),
        (
            "import tensorflow_addons.layers\ntensorflow_addons.layers.TLU",
            "import kerastricks.addons as tensorflow_addons",
        ),
        (
            "from tensorflow_addons.layers.tlu import ( TLU )",
            "from kerastricks.addons.layers import ( TLU )",
        ),
        ("from tensorflow_addons import image as i", "from kerastricks.addons import image as i"),
        (
            "import tensorflow_addons.image as i\ni.rotate",
            "import kerastricks.addons.image as i",
        ),
    ],
)
def test_an_import_is_rewritten_where_nothing_else_changes(before, after):
    first = examined("a.py", before.encode()).after.decode().splitlines()[0]
    assert first == after


@pytest.mark.parametrize(
    "source",
    [
        "import tensorflow_addons as tfa\ntfa.losses.PinballLoss",
        "import tensorflow_addons as tfa\ntfa.layers.tlu.TLU",
        "import tensorflow_addons as tfa\ngetattr(tfa, name)",
        "import tensorflow_addons as tfa\ntfa.register_all()",
        "import tensorflow_addons as tfa\nL = tfa.layers",
        "from tensorflow_addons.layers import TLU, CRF",
        "from tensorflow_addons.layers import *",
        "from tensorflow_addons import layers, losses",
        "from tensorflow_addons import seq2seq",
        "import tensorflow_addons.rnn as r",
    ],
)
def test_an_import_is_left_where_something_else_would_have_to_change(source):
    assert examined("a.py", source.encode()).after == source.encode()


STATEMENTS = st.sampled_from(
    [
        "import tensorflow_addons as tfa",
        "import  numpy,tensorflow_addons  as   t ;x=1",
        "from  tensorflow_addons.layers  import(TLU,)",
        "from tensorflow_addons.layers import CRF, TLU as T",
        "if  x :y = tfa.layers.TLU( )  # ä",
        "t.losses.PinballLoss",
        "z = '''\ttensorflow_addons\\n'''",
        "def f( a,b = (1,) ):  return tfa.image.rotate  ",
        "\t",
        "# comment",
    ]
)


@pytest.mark.compiling
@settings(max_examples=40, deadline=None)
@given(
    st.lists(STATEMENTS, max_size=8),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.sampled_from(["utf-8", "latin-1", "utf-8-sig"]),
)
def test_nothing_but_imports_changes(lines, newline, ended, encoding):
    head = ["# -*- coding: latin-1 -*-"] if encoding == "latin-1" else []
    source = newline.join(head + lines) + newline * ended
    program = examined("a.py", source.encode(encoding))
    after = program.after.decode(encoding)
    ast.parse(program.after)
    before_lines, after_lines = source.split(newline), after.split(newline)
    assert len(before_lines) == len(after_lines)
    for before, now in zip(before_lines, after_lines, strict=True):
        assert before == now or (
            before.split()[0] in ("import", "from") and before.split("import")[-1:] != [now]
        )
        if before != now:
            assert "tensorflow_addons" in before
            assert "kerastricks.addons" in now
    assert examined("a.py", program.after).after == program.after


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "a.py").write_bytes(b"import tensorflow_addons as tfa\r\ntfa.layers.TLU()\r\n")
    (tmp_path / "package" / "b.py").write_text("import tensorflow_addons as tfa\ntfa.rnn.NASCell")
    (tmp_path / "package" / "c.py").write_text("import tensorflow_addons as (")
    (tmp_path / "clean.py").write_text("import numpy")
    (tmp_path / ".hidden" / "d.py").write_text("import tensorflow_addons")
    cells = [
        {"cell_type": "code", "source": ["%matplotlib inline\n", "import tensorflow_addons as t"]},
        {"cell_type": "markdown", "source": ["import tensorflow_addons"]},
        {"cell_type": "code", "source": ["!ls\n", "t.text.crf_decode()"]},
    ]
    (tmp_path / "n.ipynb").write_text(json.dumps({"cells": cells}))
    return tmp_path


def test_a_folder_is_listed_and_what_cannot_be_parsed_holds_nothing_up(folder, capsys):
    assert main(["check", str(folder)]) == 1
    out = capsys.readouterr().out
    assert f"{folder}/a.py:2:1: tfa.layers.TLU -> kerastricks.addons.layers.TLU" in out
    assert "b.py:2:1: tfa.rnn.NASCell -> nothing takes its place." in out
    assert "n.ipynb:cell 3:2:1: t.text.crf_decode -> nothing" in out
    assert "c.py: cannot be parsed: line 1" in out
    assert "6 uses: 4 are in kerastricks.addons, 0 in Keras, 2 in neither." in out
    assert ".hidden" not in out


def test_json_has_the_same(folder, capsys):
    assert main(["check", str(folder), "--format", "json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert len(report["uses"]) == 6
    assert [failure["path"] for failure in report["failed"]] == [str(folder / "package" / "c.py")]
    assert {use["kind"] for use in report["uses"]} == {"here", "nothing"}


def test_write_rewrites_shows_and_leaves_the_rest(folder, capsys):
    before = {path: path.read_bytes() for path in files([folder])}
    assert main(["check", "--write", str(folder)]) == 1
    assert "+import kerastricks.addons as tfa" in capsys.readouterr().out
    changed = {path for path, data in before.items() if path.read_bytes() != data}
    assert changed == {folder / "a.py"}
    assert (folder / "a.py").read_bytes() == (
        b"import kerastricks.addons as tfa\r\ntfa.layers.TLU()\r\n"
    )
    assert main(["check", str(folder / "a.py")]) == 0


def test_write_does_not_follow_links_out_of_the_folder(tmp_path):
    (tmp_path / "inside").mkdir()
    source = "import tensorflow_addons as tfa\ntfa.layers.TLU()\n"
    (tmp_path / "outside.py").write_text(source)
    (tmp_path / "inside" / "link.py").symlink_to(tmp_path / "outside.py")
    assert main(["check", "--write", str(tmp_path / "inside")]) == 0
    assert (tmp_path / "outside.py").read_text() == source


def test_nothing_is_run_and_pipes_are_passed_by(tmp_path):
    """A program says what it likes where it is imported, and a pipe never ends."""
    trap = f"import tensorflow_addons\nopen({str(tmp_path / 'sprung')!r}, 'w')\n"
    (tmp_path / "trap.py").write_text(trap)
    (tmp_path / "sitecustomize.py").write_text(trap)
    os.mkfifo(tmp_path / "pipe.py")
    assert main(["check", str(tmp_path)]) == 1
    assert not (tmp_path / "sprung").exists()


def test_the_name_of_a_file_adds_no_line(tmp_path, capsys):
    path = tmp_path / "a\nNothing to do.\x1b[2J.py"
    path.write_text("import tensorflow_addons as tfa\ntfa.layers.TLU()\n")
    main(["check", "--write", str(tmp_path)])
    said = capsys.readouterr().out
    assert "+import kerastricks.addons as tfa" in said
    assert "\x1b" not in said
    assert not any(line.startswith("Nothing") for line in said.splitlines())


def test_a_long_line_of_a_notebook_is_read_once():
    """Tried from each space anew, this takes an hour."""
    assert not MAGIC.match(" " * 10**6 + ";")
    assert MAGIC.match(" a, b = !ls")


def test_of_a_notebook_only_what_is_no_python_is_left_out(tmp_path, capsys):
    sources = [
        "%%time\nimport tensorflow_addons as tfa",
        "!pip install \\\n  foo\nnames = !ls\ntfa?\nx = ('%d'\n  % 5)\ntfa.layers.TLU",
        "if x:\n  tfa.layers.CRF (",
        "%%bash\necho (",
        "tfa.rnn.NASCell",
    ]
    cells = [{"cell_type": "code", "source": source} for source in sources]
    (tmp_path / "n.ipynb").write_text(json.dumps({"cells": cells}))
    assert main(["check", str(tmp_path), "--format", "json"]) == 1
    report = json.loads(capsys.readouterr().out)
    places = [(use["cell"], use["line"], use["name"]) for use in report["uses"]]
    assert places == [(1, 2, ""), (2, 7, "layers.TLU"), (5, 1, "rnn.NASCell")]
    assert [failure["error"][:14] for failure in report["failed"]] == ["cell 3, line 2"]


def test_unusable_arguments_leave_with_two(tmp_path, capsys):
    for arguments in (["check"], ["check", str(tmp_path / "no")], ["check", "--format", "x", "."]):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2
    assert main(["check", str(tmp_path)]) == 0


def test_without_libcst_it_says_what_to_install(folder, monkeypatch, capsys):
    import sys

    for name in [name for name in sys.modules if name.startswith("kerastricks.addons._check")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "libcst", None)
    with pytest.raises(SystemExit) as stop:
        main(["check", str(folder)])
    assert stop.value.code == 2
    assert "pip install 'kerastricks[addons]'" in capsys.readouterr().err
