"""The dependency audit: what it finds, and what it says when it cannot look."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.scripts import loaded_script

ROOT = Path(__file__).parents[2]
HASH = "--hash=sha256:" + "0" * 64


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    return loaded_script(ROOT / "scripts" / "audit.py", "audit_script")


def test_our_own_locks_pin_every_version_by_hash(audit: ModuleType) -> None:
    for lock in audit.LOCKS:
        text = (ROOT / lock).read_text()
        assert list(audit.badly_pinned(lock, text)) == []
        assert sum(1 for _ in audit.pinned(text)) > 40


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (f"rich==14.1 \\\n    {HASH}", None),
        (f"rich==14.1 ; python_version < '4' \\\n    {HASH} \\\n    {HASH}", None),
        ("rich==14.1", "no hash"),
        (f"rich>=14.1 \\\n    {HASH}", "no exact version"),
        (f"rich \\\n    {HASH}", "no exact version"),
        (f"rich @ https://example.com/rich.whl \\\n    {HASH}", "no exact version"),
    ],
)
def test_a_requirement_that_could_become_something_else_is_found(
    audit: ModuleType, line: str, found: str | None
) -> None:
    findings = list(audit.badly_pinned("a.lock", f"# a comment\n{line}\n"))
    assert [one for one in findings if found and found in one] == findings
    assert bool(findings) == (found is not None)


@pytest.mark.parametrize(
    ("licence", "unfit"),
    [
        ("MIT", False),
        ("BSD-3-Clause", False),
        ("LGPL-3.0-only", False),
        ("GNU Lesser General Public License v3 (LGPLv3)", False),
        ("Mozilla Public License 2.0 (MPL 2.0)", False),
        ("GPL-3.0-or-later", True),
        ("AGPL-3.0", True),
        ("GNU General Public License v3 (GPLv3)", True),
        ("MIT AND GPL-2.0-only", True),
        ("Proprietary", True),
        ("", True),
    ],
)
def test_licences_are_told_apart(audit: ModuleType, licence: str, unfit: bool) -> None:
    assert audit.unfit_licence(licence) is unfit


def test_another_version_than_the_locked_one_is_found(audit: ModuleType) -> None:
    (found,) = audit.badly_licensed_or_other_than_locked(f"rich==0.0.1 \\\n    {HASH}")
    assert "rich: found" in found
    (absent,) = audit.badly_licensed_or_other_than_locked(f"no-such-thing-anywhere==1 \\\n    {HASH}")
    assert "found nothing installed" in absent
    assert not list(audit.badly_licensed_or_other_than_locked(f"winreg==1 ; sys_platform == 'no' \\\n    {HASH}"))


FLAW = {"name": "rich", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"], "aliases": []}]}
FINE = {"name": "rich", "version": "1", "vulns": []}
SKIPPED = {"name": "rich", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize(
    ("report", "code", "said"),
    [
        ([FINE], 0, "have no known vulnerability"),
        ([FLAW], 1, "FOUND rich 1: PYSEC-1, mended in 2"),
        ([SKIPPED], 0, "NOT CHECKED FOR KNOWN VULNERABILITIES"),
        ([FLAW, SKIPPED], 1, "NOT CHECKED FOR KNOWN VULNERABILITIES: 1 of 2"),
        (None, 0, "NOT CHECKED FOR KNOWN VULNERABILITIES"),
    ],
    ids=["fine", "vulnerable", "unknown to the service", "partly", "no service"],
)
def test_what_was_not_checked_is_said_and_only_findings_fail(
    audit: ModuleType,
    report: Any,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    verdict = None if report is None else audit.verdict_of({"dependencies": report})
    monkeypatch.setattr(audit, "asked", lambda _service, _lock: verdict)
    monkeypatch.setattr(audit, "badly_licensed_or_other_than_locked", lambda _text: [])
    assert audit.main() == code
    shown = capsys.readouterr().out
    assert said in shown
    assert ("NOT CHECKED" in shown) == (report is None or SKIPPED in report)
