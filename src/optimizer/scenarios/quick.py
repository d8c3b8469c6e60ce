"""A scenario from a command line: a log alone, and a few words about its columns."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from optimizer.errors import DocumentError, InvalidRequest, RequestFinding
from optimizer.history.opening import History, open_history
from optimizer.scenarios.histories import MappedHistory
from optimizer.scenarios.reading import ScenarioRead, checked_scenario
from optimizer.strategy.fields import RESERVED

_NEEDED = ("variant", "reward", "propensity")


def quick_scenario(file: Path, columns: Mapping[str, str], policies: Sequence[str]) -> ScenarioRead:
    """The scenario that judges policies on one file.

    Args:
        file: the log.
        columns: variant, reward, propensity and segment: a column each; the propensity may be a number or `estimate`.
            None at all where the file says so itself.
        policies: a variant each, or shares such as ``offer=0.7,news=0.3``; none for each variant alone.

    Raises:
        InvalidRequest: a column is missing, a policy cannot be read, no row can be used, or what was said does
            not fit the file.
    """
    scenario = _alone(file, columns)
    said = [_policy(text) for text in policies]
    if not said:
        written = _checked(file, scenario).document.history
        mapping = written if isinstance(written, MappedHistory) else None
        said = [(name, {"always": name}) for name in open_history(file, mapping).usable_contents().variant_ids]
    names = _names([text for text, _ in said])
    entries = [{"name": name, **policy} for name, (_, policy) in zip(names, said, strict=True)]
    return _checked(file, {**scenario, "policies": entries})


def _alone(file: Path, columns: Mapping[str, Any]) -> dict[str, Any]:
    """A scenario without policies."""
    missing = [name for name in _NEEDED if name not in columns]
    if columns and missing:
        raise InvalidRequest(RequestFinding(f"--{missing[0]}", "none", f"a column of {file}, as others are named"))
    history: dict[str, Any] = {"file": str(file.resolve()), **columns}
    if "propensity" in columns:
        history["propensity"] = _number_or_text(columns["propensity"])
    return {
        "scenario": "quick",
        "question": f"What would other policies have earned on {file.name}?",
        "history": history,
    }


def quick_history(file: Path, columns: Mapping[str, Any]) -> History:
    """The history of one file.

    Args:
        file: the log.
        columns: as of `quick_scenario`, also recipient, and attributes as a list of columns.

    Raises:
        InvalidRequest: a column is missing, or what was said does not fit the file.
    """
    written = _checked(file, {**_alone(file, columns), "policies": [{"name": "logged", "always": "any"}]})
    mapping = written.document.history
    return open_history(file, mapping if isinstance(mapping, MappedHistory) else None)


def _checked(file: Path, scenario: Mapping[str, Any]) -> ScenarioRead:
    try:
        return checked_scenario(str(file), json.dumps(scenario, ensure_ascii=False), file.parent)
    except DocumentError as error:
        findings = [RequestFinding(found.key, found.found, found.allowed) for found in error.findings]
        raise InvalidRequest(*findings) from None


def _names(texts: Sequence[str]) -> list[str]:
    """Short ids that say which policy each is, all different."""
    found: list[str] = []
    for number, text in enumerate(texts, start=1):
        name = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")[:40] or f"policy-{number}"
        found.append(f"{name}-{number}" if name in {*found, *RESERVED} else name)
    return found


def _number_or_text(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _policy(text: str) -> tuple[str, dict[str, Any]]:
    if "=" not in text:
        return text, {"always": text}
    shares = {}
    for pair in text.split(","):
        name, _, share = pair.rpartition("=")
        try:
            shares[name.strip()] = float(share)
        except ValueError:
            allowed = "a variant, or shares that add up to 1: a=0.7,b=0.3"
            raise InvalidRequest(RequestFinding("--policy", pair, allowed)) from None
    return text, {"shares": shares}
