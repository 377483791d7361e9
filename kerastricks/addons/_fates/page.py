"""The table of all names, as docs/addons.md has it."""

from kerastricks.addons._fates.fate import Fate
from kerastricks.addons._fates.table import FATES


def markdown() -> str:
    """Every name of TensorFlow Addons and what became of it, one table a package.

    Returns:
        Markdown; a title of the third level and a table for each package.

    Example:
        >>> print(markdown().partition("### tfa.callbacks")[2][:60].strip())
        | name | now | what differs, or what to do |
        |---|---|---|
    """
    return "\n".join(_section(package, fates) for package, fates in FATES.items())


def _section(package: str, fates: dict[str, Fate]) -> str:
    rows = [f"| `{name}` | {_place(fate)} | {fate.note} |" for name, fate in fates.items()]
    title = f"### tfa.{package}".rstrip(".")
    head = ["| name | now | what differs, or what to do |", "|---|---|---|"]
    return "\n".join([title, "", *head, *sorted(rows, key=str.lower), ""])


def _place(fate: Fate) -> str:
    if fate.kind == "nothing":
        return "nothing"
    since = "" if fate.since == (3, 10) else f" (Keras {'.'.join(map(str, fate.since))} on)"
    return f"`{fate.use.removeprefix('kerastricks.')}`{since}"
