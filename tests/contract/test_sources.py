"""What several sources say of a recipient, kept, merged and taken away, on both databases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.domain.instants import DAY, HOUR
from optimizer.domain.sayings import Saying
from optimizer.errors import InvalidRequest, NotFound
from optimizer.policy.draw import recipient_key
from optimizer.services.exports.archiving import export_ledger, import_ledger
from optimizer.services.recipients.disclosing import disclose
from optimizer.services.recipients.erasing import erase
from optimizer.services.recipients.profiles import Told, hear, put_attributes, put_profile, stored_profile
from optimizer.storage.recipients import Profile

SOURCES = "sources: [crm, site, esp]\n"
FRESH = ("  vip: {type: boolean}", "  vip: {type: boolean, fresh_for: P30D, sources: [crm, site]}")


@pytest.fixture
def documents(files: Mapping[str, str]) -> dict[str, str]:
    strategy = files["strategy.yaml"].replace(*FRESH) + SOURCES
    return {**files, "strategy.yaml": strategy}


@pytest.fixture
def heard(house: Any, documents: Any) -> Any:
    """A house that hears several sources."""
    house.apply(documents)
    return house


def say(house: Any, recipient: str, source: str, at: int, **attributes: Any) -> None:
    with house.deployment.store.writing() as ledger:
        put_attributes(ledger, house.deployment.live, recipient, source, attributes, at, house.now)


def put(house: Any, recipient: str, source: str | None, consent: Any = None, **attributes: Any) -> None:
    with house.deployment.store.writing() as ledger:
        profile = Profile(attributes, consent or {})
        put_profile(ledger, house.deployment.live, recipient, profile, house.now, source=source)


def known(house: Any, recipient: str) -> Profile:
    with house.deployment.store.reading() as ledger:
        return stored_profile(ledger, house.deployment.live, recipient, house.now)


def test_what_sources_say_is_merged_by_precedence_and_decided_by(heard: Any) -> None:
    now = heard.now
    say(heard, "ann", "site", now - HOUR, days=120, country="US")
    assert heard.decided("ann").decision.segment_id == "lapsed"
    say(heard, "ann", "crm", now - 2 * HOUR, days=3)
    say(heard, "ann", "esp", now, days=500, country="GB")
    profile = known(heard, "ann")
    assert profile.attributes == {"days": 3, "country": "US"}
    assert profile.said["days"] == {
        "site": Saying(120, now - HOUR),
        "crm": Saying(3, now - 2 * HOUR),
        "esp": Saying(500, now),
    }
    assert heard.decided("ann", "r2").decision.segment_id == "american"
    assert heard.verify().clean


def test_a_word_that_is_no_longer_fresh_counts_no_more_from_that_very_instant(heard: Any) -> None:
    say(heard, "ann", "crm", heard.now - 30 * DAY, vip=True)
    say(heard, "ann", "site", heard.now - DAY, vip=False)
    assert heard.decided("ann", campaign="members").decision.attributes == {"vip": True}
    heard.now += 1
    assert heard.decided("ann", "r2", campaign="members").decision.attributes == {"vip": False}
    assert known(heard, "ann").attributes == {"vip": False}
    heard.now += 40 * DAY  # by now neither is fresh: the newest
    assert known(heard, "ann").attributes == {"vip": False}
    assert heard.verify().clean


def test_another_order_of_precedence_counts_at_once(heard: Any, documents: Any) -> None:
    say(heard, "ann", "site", heard.now, country="US")
    say(heard, "ann", "crm", heard.now, country="GB")
    assert known(heard, "ann").attributes == {"country": "GB"}
    changed = documents["strategy.yaml"].replace("[crm, site, esp]", "[site, crm]")
    heard.apply({**documents, "strategy.yaml": changed})
    assert known(heard, "ann").attributes == {"country": "US"}
    assert heard.decided("ann").decision.segment_id == "american"


def test_what_comes_late_does_not_replace_what_is_newer(heard: Any) -> None:
    say(heard, "ann", "site", heard.now - HOUR, country="US", days=5)
    say(heard, "ann", "site", heard.now - DAY, country="GB", vip=True)
    assert known(heard, "ann").attributes == {"country": "US", "days": 5, "vip": True}
    say(heard, "ann", "site", heard.now, country=None)
    assert known(heard, "ann").attributes == {"days": 5, "vip": True}
    say(heard, "ann", "site", heard.now - 5, country="GB")
    assert known(heard, "ann").attributes == {"days": 5, "vip": True}


def test_putting_a_profile_replaces_what_that_source_said_and_nothing_else(heard: Any) -> None:
    say(heard, "ann", "site", heard.now, country="US", days=5)
    put(heard, "ann", "esp", consent={"email": True}, days=9)
    put(heard, "ann", None, country="GB")
    assert known(heard, "ann").attributes == {"country": "GB", "days": 5}
    put(heard, "ann", "crm", consent={"email": False})
    profile = known(heard, "ann")
    assert (profile.attributes, profile.consent) == ({"country": "US", "days": 5}, {"email": False})
    put(heard, "ann", "site")
    assert known(heard, "ann").attributes == {"days": 9}
    say(heard, "ann", "site", heard.now - 1, country="US")  # from before it was replaced
    assert known(heard, "ann").attributes == {"days": 9}


def test_a_source_that_is_not_believed_about_an_attribute_cannot_say_it(heard: Any) -> None:
    with pytest.raises(InvalidRequest, match="/attributes/vip: found source esp; allowed crm or site"):
        say(heard, "ann", "esp", heard.now, vip=True)
    with pytest.raises(InvalidRequest, match="source esp"):
        put(heard, "ann", "esp", vip=True)
    with pytest.raises(InvalidRequest, match="/attributes/days"):
        say(heard, "ann", "crm", heard.now, days="many")
    with pytest.raises(NotFound):
        known(heard, "ann")


def test_a_profile_from_before_there_were_sources_is_believed_after_all_of_them(house: Any, documents: Any) -> None:
    key = "0" * 32
    with house.deployment.store.writing() as ledger:
        ledger.recipients.put(key, Profile({"country": "GB", "days": 5}), house.now)
        assert ledger.recipients.with_sayings([key])[key].said == {
            "country": {"api": Saying("GB", house.now)},
            "days": {"api": Saying(5, house.now)},
        }
    put(house, "bob", None, country="US", days=7)
    assert known(house, "bob").said["days"] == {"api": Saying(7, house.now)}
    house.apply(documents)
    assert known(house, "bob").attributes == {"country": "US", "days": 7}
    say(house, "bob", "esp", house.now - DAY, days=8)
    assert known(house, "bob").attributes == {"country": "US", "days": 8}


TOLD = st.lists(
    st.builds(
        Told,
        st.sampled_from(["ann", "bob"]),
        st.sampled_from(["crm", "site", "esp"]),
        st.dictionaries(st.sampled_from(["country", "days"]), st.none()).flatmap(
            lambda names: st.fixed_dictionaries(
                {name: st.sampled_from([None, "US", "GB"] if name == "country" else [None, 1, 2]) for name in names}
            )
        ),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=6,
)


def test_any_order_and_any_number_of_times_gives_the_same_profile(sqlite_house: Any, documents: Any) -> None:
    sqlite_house.apply(documents)
    numbers = iter(range(10_000))

    def after(told: list[Told], portions: int) -> list[Any]:
        number = next(numbers)
        named = [Told(f"{one.recipient}{number}", one.source, one.attributes, one.at) for one in told]
        with sqlite_house.deployment.store.writing() as ledger:
            for start in range(portions):
                hear(ledger, sqlite_house.deployment.live, named[start::portions], sqlite_house.now)
        found = []
        for name in ("ann", "bob"):
            with sqlite_house.deployment.store.reading() as ledger:
                live = sqlite_house.deployment.live
                found.append(disclose(ledger, live, f"{name}{number}", sqlite_house.now).profile)
        return [None if one is None else (one.attributes, one.said) for one in found]

    @given(TOLD, st.randoms(use_true_random=False))
    def check(told: list[Told], random: Any) -> None:
        shuffled = told + told[: len(told) // 2]
        random.shuffle(shuffled)
        assert after(told, 1) == after(shuffled, random.randint(1, 3))

    check()


def test_two_workers_that_hear_of_one_person_at_once_lose_nothing(heard: Any, deploy: Any, database_url: str) -> None:
    other, begun, failed = deploy(database_url), Event(), []
    say(heard, "ann", "esp", 1, days=1)  # else the second would wait for the row anyway

    def tell() -> None:
        try:
            with other.store.reading() as ledger:
                other.live.at(ledger)
            begun.set()
            with other.store.writing() as ledger:
                hear(ledger, other.live, [Told("ann", "site", {"days": 2}, 2)], heard.now)
        except BaseException as error:  # shown by the assertion
            failed.append(error)

    second = Thread(target=tell)
    live = heard.deployment.live
    with heard.deployment.store.writing() as ledger:
        key = live.at(ledger).pseudonyms.key_of(recipient_key(live.secret, "ann"))
        ledger.recipients.hold([key], heard.now)  # the first that `hear` does
        second.start()
        assert begun.wait(20)
        second.join(0.3)  # it has read by now, if nothing keeps it from that
        assert second.is_alive()
        hear(ledger, live, [Told("ann", "crm", {"days": 3}, 3)], heard.now)
    second.join(60)
    assert failed == []
    assert known(heard, "ann").said["days"] == {"esp": Saying(1, 1), "crm": Saying(3, 3), "site": Saying(2, 2)}


def test_what_was_said_is_shown_archived_and_erased_with_the_person(
    heard: Any, tmp_path: Path, new_database: Any, database: str, deploy: Any
) -> None:
    say(heard, "ann", "site", heard.now, country="US")
    say(heard, "ann", "crm", heard.now, country="GB")
    said = known(heard, "ann").said
    live = heard.deployment.live
    with heard.deployment.store.reading() as ledger:
        found = disclose(ledger, live, "ann", heard.now)
        assert found.profile is not None
        assert (found.profile.said, found.believed) == (said, {"country": "crm"})
        export_ledger(ledger, tmp_path / "all.ledger", heard.now)
    copy = deploy(new_database(database))
    with copy.store.writing(alone=True) as ledger:
        import_ledger(ledger, tmp_path / "all.ledger")
    with copy.store.reading() as ledger:
        assert stored_profile(ledger, copy.live, "ann", heard.now).said == said
    with heard.deployment.store.writing(alone=True) as ledger:
        erase(ledger, live, ["ann"], forget_suppressions=False, random_id=lambda: "f" * 32, actor="t", now=heard.now)
    with heard.deployment.store.reading() as ledger:
        assert disclose(ledger, live, "ann", heard.now).is_empty
