"""Keys, from a terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from optimizer.deployment import Deployment, now
from optimizer.domain.instants import DAY, HOUR
from optimizer.settings import read_settings
from optimizer.storage.access import StoredKey

CREATE = ("key", "create", "--name", "shop", "--scope", "decide")


def stored(folder: Path) -> list[StoredKey]:
    deployment = Deployment(folder, read_settings())
    try:
        with deployment.store.reading() as ledger:
            return ledger.keys.all()
    finally:
        deployment.close()


def test_a_key_is_shown_once_and_listed_by_its_ends(workspace: Path, run: Any) -> None:
    made = run(*CREATE, "-w", workspace)
    key = made.out.strip()
    assert made.code == 0
    assert key.startswith("opt_live_")
    listed = run("key", "list", "-w", workspace)
    assert key not in listed.out
    assert f"{key[:13]}…{key[-4:]}" in listed.out
    assert "shop" in listed.out


def test_expiry_and_rate_are_kept(workspace: Path, run: Any) -> None:
    run(*CREATE, "--expires", "2100-01-01", "--rate", "500/s", "--burst", "2000", "-w", workspace)
    run(*CREATE, "--expires", "2100-01-01T09:00:00-05:00", "--rate", "7/s", "-w", workspace)
    begun = now()
    run(*CREATE, "--valid-for", "P90D", "-w", workspace)
    day, moment, lasting = stored(workspace)
    assert (day.expires_at, day.per_second, day.burst) == (4_102_444_800_000_000, 500, 2_000)
    assert (moment.expires_at, moment.per_second, moment.burst) == (4_102_444_800_000_000 + 14 * HOUR, 7, 14)
    assert lasting.expires_at is not None
    assert begun + 90 * DAY <= lasting.expires_at <= now() + 90 * DAY
    assert (lasting.per_second, lasting.burst) == (None, None)


def test_a_rotation_shows_the_new_key_and_when_the_old_one_ends(workspace: Path, run: Any) -> None:
    old = run(*CREATE, "-w", workspace).out.strip()
    rotated = run("key", "rotate", "shop", "--overlap", "PT1H", "--json", "-w", workspace)
    told = json.loads(rotated.out)
    assert told["key"] != old
    assert told["scopes"] == ["decide"]
    listed = json.loads(run("key", "list", "--json", "-w", workspace).out)["keys"]
    assert [one["standing"] for one in listed] == ["live", "live"]
    assert listed[0]["expires_at"] is not None
    assert listed[1]["expires_at"] is None


def test_a_revoked_key_is_listed_only_among_all(workspace: Path, run: Any) -> None:
    first = run(*CREATE, "-w", workspace).out.strip()
    run(*CREATE, "-w", workspace)
    done = run("key", "revoke", "shop", "--ending", first[-4:], "-w", workspace)
    assert done.code == 0
    assert f"{first[:13]}…{first[-4:]}" in done.out
    listed = run("key", "list", "-w", workspace).out
    assert f"{first[:13]}…{first[-4:]}" not in listed
    assert "revoked" in run("key", "list", "--all", "-w", workspace).out
    told = json.loads(run("key", "revoke", "shop", "--json", "-w", workspace).out)
    assert [one["standing"] for one in told["revoked"]] == ["revoked"]
    assert "no live keys" in run("key", "list", "-w", workspace).out


NONSENSE: list[tuple[tuple[str, ...], str]] = [
    (("--expires", "2020-01-01"), "expires: found 2020-01-01T00:00:00.000000Z; allowed a time after"),
    (("--expires", "tomorrow"), "--expires: found 'tomorrow'; allowed a date such as"),
    (("--valid-for", "90 days"), "--valid-for: found '90 days'; allowed an ISO 8601 duration such as P90D"),
    (("--valid-for", "P1D", "--expires", "2100-01-01"), "allowed one of them"),
    (("--rate", "500"), "--rate: found '500'; allowed 1/s to"),
    (("--rate", "0/s"), "--rate: found '0/s'; allowed 1/s to"),
    (("--rate", "1/s", "--burst", "0"), "--burst"),
    (("--burst", "5"), "--burst: found no --rate beside it"),
]


def test_what_makes_no_sense_is_told_and_makes_no_key(workspace: Path, run: Any) -> None:
    for arguments, said in NONSENSE:
        refused = run(*CREATE, *arguments, "-w", workspace)
        assert refused.code == 2, arguments
        assert said in refused.err
    assert stored(workspace) == []


def test_a_name_nobody_has_is_told(workspace: Path, run: Any) -> None:
    for command in ("rotate", "revoke"):
        refused = run("key", command, "nobody", "-w", workspace)
        assert refused.code == 2
        assert "key: found no live key 'nobody'; allowed none; no key is live" in refused.err


def test_names_are_shown_as_they_are(workspace: Path, run: Any) -> None:
    name = "[red]a<b>[/red]"
    run("key", "create", "--name", name, "--scope", "analyse", "-w", workspace)
    assert name in run("key", "list", "-w", workspace).out
