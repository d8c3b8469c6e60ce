"""Rotation: every stored recipient gets another key at once, and everything that is known of them goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from tests.contract.erasing_traces import files_of, found_in

from optimizer.deployment import Deployment
from optimizer.domain.instants import DAY
from optimizer.errors import ConfigurationError, Unavailable
from optimizer.policy.draw import recipient_key
from optimizer.services.keys.pseudonyms import PERSONS_AS_THEY_ARE, RECIPIENT_KEY, Pseudonyms, fingerprint
from optimizer.services.recipients.disclosing import disclose
from optimizer.services.recipients.profiles import put_profile
from optimizer.services.recipients.suppressing import suppress
from optimizer.settings import Settings
from optimizer.storage.recipients import Profile
from optimizer.storage.scrubbing import scrub

KEY = bytes(range(16))
NEXT = bytes(range(16, 32))
APPROVAL = "approval: {required: false}\n"
CONTACTS = (APPROVAL, f"{APPROVAL}contact_policy:\n  - {{at_most: 2, per: P7D}}\n")
NOT_HERE = r"recipient key: found none with fingerprint \w+; allowed the "


@pytest.fixture
def town(house: Any, files: Any, edited: Callable[..., Any]) -> Any:
    """A house with a contact rule in which Ann was decided about, Bob is suppressed and Carl waits in quarantine."""
    return furnished(house, edited(files, "strategy.yaml", CONTACTS))


def furnished(house: Any, documents: Any) -> Any:
    house.apply(documents)
    live = house.deployment.live
    with house.deployment.store.writing() as ledger:
        put_profile(ledger, live, "ann", Profile({"country": "GB"}, {"email": True}), house.now, {"tcf": "CPX"})
        suppress(ledger, live, ["bob"], None, actor="clerk", note="by phone", now=house.now)
    house.decided("ann", "a1", attributes={"days": 100})
    for n in range(20):
        house.decided(f"p{n}", campaign="newsletter")
    house.record(house.report(None, "clicked", recipient="carl", campaign_id="winback"))
    return house


def kept(house: Any, recipient: str) -> Any:
    with house.deployment.store.reading() as ledger:
        found = disclose(ledger, house.deployment.live, recipient, house.now)
    return (
        found.profile,
        found.consents,
        [one[1:] for one in found.suppressions],
        [about.decision.decision_id for about in found.decisions],
        [(one.event_id, one.reason) for one in found.quarantine],
    )


def keys_in(house: Any) -> set[str]:
    with house.deployment.store.reading() as ledger:
        return {decision.recipient_key for decision in ledger.decisions.stream()}


def test_persons_and_keys_are_one_to_one_and_lead_back() -> None:
    persons = [recipient_key(b"s" * 32, f"p{n}") for n in range(1_000)]
    one, other = Pseudonyms(1, KEY), Pseudonyms(1, NEXT)
    keys = one.keys_of(persons)
    assert len(set(keys)) == len(set(persons)) == 1_000
    assert one.persons_of(keys) == persons
    assert set(keys).isdisjoint({*other.keys_of(persons), *persons})
    assert one.keys_of(persons[5:6]) == keys[5:6]
    assert (one.keys_of([]), one.persons_of([])) == ([], [])
    assert PERSONS_AS_THEY_ARE.keys_of(persons) == PERSONS_AS_THEY_ARE.persons_of(persons) == persons


def test_the_permutation_is_that_of_the_standard() -> None:
    """FIPS 197, appendix C.1."""
    pseudonyms = Pseudonyms(1, bytes.fromhex("000102030405060708090a0b0c0d0e0f"))
    assert pseudonyms.key_of("00112233445566778899aabbccddeeff") == "69c4e0d86a7b0430d8cdb78070b4c55a"
    assert pseudonyms.person_of("69c4e0d86a7b0430d8cdb78070b4c55a") == "00112233445566778899aabbccddeeff"


def test_everything_that_is_known_goes_on_under_another_key(town: Any) -> None:
    deployment = town.deployment
    before = {name: kept(town, name) for name in ("ann", "bob", "carl", "p3")}
    asked = town.decided("ann", "a1", attributes={"days": 100}).decision
    persons = keys_in(town)
    for rotation in (1, 2):
        done = deployment.rotate_recipient_key()
        assert done.number == rotation
        assert {name: kept(town, name) for name in before} == before
        assert town.decided("ann", "a1").decision.decision_id == asked.decision_id
        assert keys_in(town).isdisjoint(persons)
        found = town.verify()
        assert found.clean
        assert found.recomputed == 21
    town.decided("ann", "a2")
    assert town.decided("ann", "a3").decision.reason == "contact_policy"
    assert town.decided("bob", "b1").decision.reason == "recipient_suppressed"
    assert town.decided("new", "n1").decision.recipient_key not in persons


def test_the_same_people_are_held_out_before_and_after(town: Any) -> None:
    people = [f"q{n}" for n in range(60)]
    before = {name: town.decided(name, "h1", campaign="members").decision.group for name in people}
    assert len(set(before.values())) > 1
    town.deployment.rotate_recipient_key()
    assert {name: town.decided(name, "h2", campaign="members").decision.group for name in people} == before


def test_an_old_key_and_the_new_files_recognise_nobody(town: Any) -> None:
    live, store = town.deployment.live, town.deployment.store
    person = recipient_key(live.secret, "ann")
    town.deployment.rotate_recipient_key()
    with store.reading() as ledger:
        old = live.at(ledger).pseudonyms.key_of(person)
    traces = {"person": person.encode(), "old key": old.encode()}
    assert set(found_in(files_of(store), traces)) >= {"old key"}
    town.deployment.rotate_recipient_key()
    scrub(store, whole=not store.is_sqlite)
    assert found_in(files_of(store, write_ahead=store.is_sqlite), traces) == {}


def test_a_quarantined_report_is_used_once_its_decision_is_there(town: Any) -> None:
    from optimizer.services.outcomes.quarantine import retry

    town.deployment.rotate_recipient_key()
    town.decided("carl", "c1")
    with town.deployment.store.writing() as ledger:
        event_ids = ledger.quarantine.event_ids()
        (one,) = retry(ledger, town.deployment.live, event_ids, town.now + DAY)
    assert one.status == "accepted"


def test_a_worker_that_finds_the_new_key_goes_on_by_itself(town: Any, second_worker: Any) -> None:
    assert second_worker.decided("ann", "a1").decision.decision_id == town.decided("ann", "a1").decision.decision_id
    town.deployment.rotate_recipient_key()
    assert kept(second_worker, "ann") == kept(town, "ann")
    assert second_worker.decided("bob", "b2").decision.reason == "recipient_suppressed"


@pytest.fixture
def elsewhere(new_database: Callable[[str], str], tmp_path: Path, deploy: Callable[..., Deployment]) -> Any:
    """Opens workers on one database that have folders of their own: ``elsewhere("a", "keys")``."""
    url, opened = new_database("sqlite"), []

    def make(folder: str, keys: str | None = None) -> Deployment:
        settings = Settings(
            database_url=SecretStr(url),
            secret=SecretStr("correct horse battery staple 0123456789"),
            recipient_key=None if keys is None else SecretStr(keys),
            actor="tester",
        )
        opened.append(Deployment(tmp_path / folder, settings))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def test_a_worker_without_the_new_key_refuses_in_one_sentence(elsewhere: Any, make_house: Any, files: Any) -> None:
    here, there = make_house(elsewhere("here")), make_house(elsewhere("there"))
    here.apply(files)
    there.decided("ann", "a1")
    here.deployment.rotate_recipient_key()
    for ask in (lambda: there.decided("ann", "a1"), lambda: kept(there, "ann")):
        with pytest.raises(Unavailable, match=NOT_HERE):
            ask()
    with pytest.raises(ConfigurationError, match=NOT_HERE):
        elsewhere("there")
    (state := there.deployment.folder / ".optimizer").mkdir(parents=True)
    (state / "recipient-key").write_text((here.deployment.folder / ".optimizer" / "recipient-key").read_text())
    assert there.decided("ann", "a1").decision.decision_id == here.decided("ann", "a1").decision.decision_id


def test_keys_of_the_environment_are_rotated_while_every_worker_has_both(
    elsewhere: Any, make_house: Any, files: Any
) -> None:
    first, second = KEY.hex(), NEXT.hex()
    here, there = make_house(elsewhere("here", first)), make_house(elsewhere("there", f"{first},{second}"))
    here.apply(files)
    asked = here.decided("ann", "a1").decision
    here.deployment.rotate_recipient_key()
    there.deployment.rotate_recipient_key()
    assert there.decided("ann", "a1").decision.decision_id == asked.decision_id
    with pytest.raises(Unavailable, match="recipient key"):
        here.decided("ann", "a1")
    last = make_house(elsewhere("last", second))
    assert last.decided("ann", "a1").decision.decision_id == asked.decision_id
    with pytest.raises(ConfigurationError, match="OPTIMIZER_RECIPIENT_KEY: found 0 keys that are not in force"):
        last.deployment.rotate_recipient_key()
    assert not (last.deployment.folder / ".optimizer").exists()


@pytest.mark.parametrize("wrong", ["", "abc", "00" * 15, "00" * 16 + "," + "11" * 16 + "," + "22" * 16, "not hex" * 4])
def test_a_key_that_is_none_is_refused(elsewhere: Any, wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="OPTIMIZER_RECIPIENT_KEY: found something else than a key"):
        elsewhere("here", wrong)


def test_the_file_is_private_and_holds_the_key_in_force_alone(town: Any) -> None:
    folder = town.deployment.folder / ".optimizer"
    assert not (folder / "recipient-key").exists()
    for _ in range(2):
        town.deployment.rotate_recipient_key()
    (file,) = folder.glob("recipient-key*")
    assert file.stat().st_mode & 0o777 == 0o600
    with town.deployment.store.reading() as ledger:
        assert fingerprint(bytes.fromhex(file.read_text())) == ledger.revisions.read(RECIPIENT_KEY)
        (entry, _) = ledger.audit.latest(2)
    assert (entry.entry.action, entry.entry.note) == ("rotate_recipient_key", "rotation 2")


DIE = """
import os, signal, sys
from pathlib import Path
from optimizer.deployment import Deployment
from optimizer.settings import read_settings
from optimizer.services.keys.recipient_keys import RecipientKeys
from optimizer.storage.persons import Persons
from optimizer.storage.versions import Revisions
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
place, name = {"rename": (Persons, "rename"), "write": (Revisions, "write"), "settle": (RecipientKeys, "settle"),
    "replace": (Path, "replace")}[sys.argv[2]], None
deployment = Deployment(Path(sys.argv[1]), read_settings())
setattr(*place, die)
deployment.rotate_recipient_key()
"""


@pytest.mark.slow
@pytest.mark.parametrize(("moment", "rotations"), [("rename", 0), ("write", 0), ("settle", 1), ("replace", 1)])
def test_a_rotation_that_is_killed_leaves_a_working_installation(
    tmp_path: Path, make_house: Any, files: Any, moment: str, rotations: int
) -> None:
    folder = tmp_path / "shop"
    house = make_house(Deployment(folder, Settings(actor="tester")))
    house = furnished(house, files)
    before = {name: kept(house, name) for name in ("ann", "bob", "carl", "p3")}
    house.deployment.close()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPTIMIZER_")}
    killed = subprocess.run([sys.executable, "-c", DIE, str(folder), moment], timeout=60, env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list((folder / ".optimizer").glob("recipient-key.*"))) == 1  # the draft
    for _ in range(2):
        house = make_house(Deployment(folder, Settings(actor="tester")), house.now)
        with house.deployment.store.reading() as ledger:
            assert ledger.revisions.all().get(RECIPIENT_KEY, 0) == rotations
        assert {name: kept(house, name) for name in before} == before
        assert house.verify().clean
        house.deployment.rotate_recipient_key()
        rotations += 1
        assert {name: kept(house, name) for name in before} == before
        assert [file.name for file in (folder / ".optimizer").glob("recipient-key*")] == ["recipient-key"]
        house.deployment.close()
