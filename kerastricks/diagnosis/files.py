"""Files that are written whole, or not at all."""

import errno
import os
import shutil
from contextlib import suppress
from os import PathLike
from pathlib import Path


def write_whole(path: str | PathLike[str], text: str) -> None:
    """Write a file; where that fails, an older one is still there as it was.

    Args:
        path: The file; its folder must exist.
        text: What it is to hold, in UTF-8.

    Raises:
        OSError: If it cannot be written.
    """
    place = Path(path).resolve()  # of a link, what it leads to
    data = text.encode()
    if place.exists() and not place.is_file():
        place.write_bytes(data)  # a device or a pipe
        return
    beside = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        beside.write_bytes(data)
        if place.exists():
            shutil.copymode(place, beside)  # who may read the older one may read this one
        os.replace(beside, place)
    except OSError as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EBUSY) or not place.exists():
            error.filename, error.filename2 = os.fspath(path), None
            raise
        place.write_bytes(data)  # its folder takes no files, or it is a mount of its own
