"""Audit the locked dependencies: known vulnerabilities, pins, hashes, licences.

Exits with 1 if anything is found. If no vulnerability service can be reached it says so loudly and what was checked
instead, and exits with 0: a machine without that service must not stop the work, and nobody shall think it was checked.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
LOCKS = ("requirements.lock", "requirements-runtime.lock")
SHIPPED = "requirements-runtime.lock"
SERVICES = ("pypi", "osv")
SECONDS = 120
# Licences a commercial deployer can live with; the LGPL ones are used as the libraries they are, unchanged.
_FINE = re.compile(
    r"MIT|BSD|Apache|ISC|PSF|Python Software Foundation|MPL|Mozilla Public|LGPL|Zlib|CC0|Unlicense", re.IGNORECASE
)
_NOT_FINE = re.compile(
    r"(?<!L)(?<!Lesser )\bA?GPL|(?<!Lesser )General Public License|SSPL|BUSL|Commons Clause", re.IGNORECASE
)


@dataclass(frozen=True)
class Pinned:
    """One requirement of a lock file."""

    requirement: Requirement
    hashes: int


def pinned(text: str) -> Iterator[Pinned]:
    """The requirements of a lock file, each with the number of its hashes."""
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            named, *hashes = re.split(r"\s--hash=", line)
            yield Pinned(Requirement(named.strip()), sum(one.startswith("sha256:") for one in hashes))


def badly_pinned(lock: str, text: str) -> Iterator[str]:
    """Requirements that could become something else tomorrow."""
    for one in pinned(text):
        operators = [specifier.operator for specifier in one.requirement.specifier]
        if operators != ["=="] or one.requirement.url is not None:
            yield f"{lock}: {one.requirement}: found no exact version; allowed name==version"
        elif one.hashes == 0:
            yield f"{lock}: {one.requirement}: found no hash; allowed at least one sha256"


def licence_of(name: str) -> str:
    """What a distribution says its licence is."""
    said = metadata(name)
    classifiers = [one for one in said.get_all("Classifier") or [] if one.startswith("License ::")]
    text = said.get("License-Expression") or "; ".join(one.rpartition(" :: ")[2] for one in classifiers)
    return str(text or (said.get("License") or "").partition("\n")[0])


def unfit_licence(licence: str) -> bool:
    """Whether a licence is none that is known to be fine."""
    return bool(_NOT_FINE.search(licence)) or not _FINE.search(licence)


def badly_licensed_or_other_than_locked(text: str) -> Iterator[str]:
    """Distributions of this environment that differ from the lock, or may not be shipped."""
    for one in pinned(text):
        requirement = one.requirement
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            yield f"{requirement.name}: found nothing installed; allowed {requirement.specifier} as locked (make setup)"
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            yield f"{requirement.name}: found {found} installed; allowed {requirement.specifier} as locked (make setup)"
        licence = licence_of(requirement.name)
        if unfit_licence(licence):
            yield f"{requirement.name}: found licence {licence or 'unknown'!r}; allowed a permissive one, MPL or LGPL"


@dataclass(frozen=True)
class Verdict:
    """What a vulnerability service said of a lock file."""

    audited: int
    skipped: int
    vulnerable: tuple[str, ...]


def verdict_of(report: Mapping[str, object]) -> Verdict:
    """The verdict in pip-audit's JSON."""
    dependencies = report["dependencies"]
    assert isinstance(dependencies, list)  # noqa: S101
    skipped = sum("skip_reason" in one for one in dependencies)
    vulnerable = tuple(
        f"{one['name']} {one['version']}: {flaw['id']}, mended in {', '.join(flaw['fix_versions']) or 'no version yet'}"
        for one in dependencies
        for flaw in one.get("vulns", ())
    )
    return Verdict(len(dependencies) - skipped, skipped, vulnerable)


def asked(service: str, lock: Path) -> Verdict | None:
    """What a service says of a lock file; None if it cannot be reached."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--require-hashes", "--disable-pip"]
    command += ["--vulnerability-service", service, "--format", "json", "--progress-spinner", "off", "--timeout", "15"]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)  # noqa: S603
        return verdict_of(json.loads(ran.stdout))
    except (subprocess.TimeoutExpired, json.JSONDecodeError):
        return None


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{text}\n")


def main() -> int:
    """Audit, and say what to exit with."""
    findings = [found for lock in LOCKS for found in badly_pinned(lock, (ROOT / lock).read_text())]
    findings += badly_licensed_or_other_than_locked((ROOT / SHIPPED).read_text())
    # The whole lock holds what is shipped and the tools that build and test it.
    whole = ROOT / LOCKS[0]
    best = Verdict(0, sum(1 for _ in pinned(whole.read_text())), ())
    for service in SERVICES:
        verdict = asked(service, whole)
        if verdict is not None and verdict.audited > best.audited:
            best = verdict
        if best.audited and not best.skipped:
            break
    findings += best.vulnerable
    for found in findings:
        say(f"FOUND {found}")
    if best.skipped:
        say("=" * 100)
        say(f"NOT CHECKED FOR KNOWN VULNERABILITIES: {best.skipped} of {best.audited + best.skipped} dependencies.")
        say(f"None of the services ({', '.join(SERVICES)}) could be reached from here, or they do not know them.")
        say("Checked instead: exact versions and hashes of every requirement, installed versions, licences.")
        say("Run `make audit` where a service can be reached before anything is released.")
        say("=" * 100)
    else:
        say(f"{best.audited} dependencies have no known vulnerability" if not best.vulnerable else "")
    say(f"{len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
