"""Whether the library of HDF5 comes to an end with a file's global heaps, where its texts lie."""

import mmap
import struct

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_HEAP = b"GCOL\x01\0\0\0"
_HEADER = 16
"""Bytes of the header of a heap, and of each object in it."""


def check_heaps(data: bytes | mmap.mmap) -> None:
    """Raise ValueError where an object of a heap has a size that cannot be.

    HDF5 1.14.6 goes from object to object by their sizes: for ever where free space has none. The
    format: HDF5 File Format Specification 3.0, sections II.A (superblock) and III.E (global heap).
    """
    start = data[:16]
    if start[:8] != _SIGNATURE or len(start) < 16 or start[14 if start[8] < 2 else 10] != 8:
        raise ValueError("its HDF5 does not begin as h5py would have it.")
    at = data.find(_HEAP)
    while at >= 0:
        (size,) = struct.unpack_from("<Q", data, at + 8) if at + _HEADER <= len(data) else (0,)
        if not _HEADER <= size <= len(data) - at or not _comes_to_an_end(data, at, at + size):
            raise ValueError("it is damaged: the sizes in a heap of its HDF5 cannot be.")
        at = data.find(_HEAP, at + size)


def _comes_to_an_end(data: bytes | mmap.mmap, begin: int, end: int) -> bool:
    at = begin + _HEADER
    while end - at >= _HEADER:
        number, _, _, size = struct.unpack_from("<HHIQ", data, at)
        # The size of free space, which is number 0, counts its header.
        needed = _HEADER + (size + 7) // 8 * 8 if number else size
        if not _HEADER <= needed <= end - at:
            return False
        at += needed
    return True
