"""How often Python looks for cycles of garbage in a process that serves."""

from __future__ import annotations

import gc

NEW_OBJECTS = 50_000  # containers made and not freed yet, at which the young ones are looked at; Python's own is 700
YOUNG, MIDDLE = 20, 50  # collections of a generation to one of the next


def keep_what_is_there() -> None:
    """Never look for cycles again in what has been loaded by now, which stays."""
    gc.collect()
    gc.freeze()


def collect_seldom() -> None:
    """Look for cycles seldom, and never again at what is there already: modules, routes, models, the documents.

    Nearly everything that a request makes is freed when its last reference goes. With Python's own thresholds the
    search for cycles took a good part of a decision's time, and every full one, over some hundred thousand objects that
    stay for ever, kept all callers waiting. To be called once, when everything that lasts has been loaded.
    """
    keep_what_is_there()
    gc.set_threshold(NEW_OBJECTS, YOUNG, MIDDLE)
