"""Two conventions for one share: alpha and momentum, keep and rate."""

from decimal import Decimal


def complement(share: float) -> float:
    """Returns 1 - share, in the decimals in which the share is written.

    Floats give 1 - 0.99 = 0.010000000000000009. Configs and messages should say 0.01, and
    converting back must give 0.99 again.

    >>> complement(0.99), complement(complement(0.99))
    (0.01, 0.99)
    """
    return float(1 - Decimal(repr(share)))
