"""A bounded memory for what is worth computing only once."""

from __future__ import annotations

from typing import Final, TypeVar

K = TypeVar("K")
V = TypeVar("V")

MOST_KEPT: Final = 4_096


class Memory(dict[K, V]):
    """What was computed for a key. When it is full it begins again with nothing, so callers cannot make it grow.

    To forget all of it costs less than to know what was used last, and what is needed is soon there again.
    """

    def __setitem__(self, key: K, value: V) -> None:
        if len(self) >= MOST_KEPT:
            self.clear()
        super().__setitem__(key, value)
