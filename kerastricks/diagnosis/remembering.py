"""What has followed from the looks of a run, handed on to the process that goes on with it."""

from collections import deque
from collections.abc import Mapping
from typing import Any, ClassVar


class Remembering:
    """Has some of its attributes handed on, in values that `encoding` knows."""

    _REMEMBERED: ClassVar[tuple[str, ...]] = ()

    def remembered(self) -> dict[str, Any]:
        """What is to be handed on."""
        held = {name: getattr(self, name) for name in self._REMEMBERED}
        return {n: list(v) if isinstance(v, deque) else v for n, v in held.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what was handed on."""
        for name in self._REMEMBERED:
            before = getattr(self, name)
            queue = isinstance(before, deque)
            setattr(self, name, deque(state[name], before.maxlen) if queue else state[name])
