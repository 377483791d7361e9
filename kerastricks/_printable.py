"""Text of strangers, as a terminal or a page may show it."""


def printable(text: str, keep: str = "") -> str:
    r"""A text in which what cannot be seen is spelled out, as `repr` spells it.

    Names in a model's file may hold characters that move the cursor, color a terminal, end a line
    or turn the direction of writing, and so make a report seem to say what it does not.

    Args:
        text: The text.
        keep: Characters that stay as they are, such as `"\n"`.

    Returns:
        The text with letters, digits, signs and spaces alone; the same text if given once more.

    Example:
        >>> print(printable("dense\n\x1b[2Jhealthy"))
        dense\n\x1b[2Jhealthy
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in keep else char.encode("unicode_escape").decode()
        for char in text
    )


def in_one_line(message: object) -> str:
    r"""A message in which names of strangers may be, without the lines that these may add.

    Example:
        >>> print(in_one_line("no layer 'x\nHealthy: no findings.\x1b[2J'.\n\n    Expected: y"))
        no layer 'x Healthy: no findings.\x1b[2J'. Expected: y
    """
    return printable(" ".join(str(message).split()))
