"""Profiles: the declared attributes kept of a recipient, who said so, and what the recipient has agreed to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from optimizer.domain.decision import Attributes, AttributeValue
from optimizer.domain.instants import Instant
from optimizer.domain.sayings import API, Said, Saying, newer
from optimizer.errors import InvalidRequest, NotFound, RequestFinding
from optimizer.policy.draw import recipient_key, recipient_keys
from optimizer.services.live import Live, Loaded
from optimizer.storage.consents import Consent
from optimizer.storage.recipients import Profile
from optimizer.storage.rows import Later
from optimizer.storage.store import Ledger
from optimizer.strategy.attributes import check_attributes
from optimizer.strategy.believing import believed, believes, merged
from optimizer.strategy.documents import Strategy


@dataclass(frozen=True, slots=True)
class Told:
    """What a source says of some of a recipient's attributes.

    Attributes:
        recipient: the caller's id.
        attributes: by name; None means that the source does not know it, or no longer.
        at: when it was so.
    """

    recipient: str
    source: str
    attributes: Mapping[str, AttributeValue | None]
    at: Instant


def put_profile(
    ledger: Ledger,
    live: Live,
    recipient: str,
    profile: Profile,
    now: Instant,
    texts: Mapping[str, str] | None = None,
    source: str | None = None,
) -> None:
    """Replace what a source says of a recipient; what changes about consents is kept with its time.

    Args:
        ledger: the ledger.
        live: gives the secret and the declared attributes.
        recipient: the caller's id.
        profile: what is known from now on.
        now: the instant.
        texts: by name, the words in which consents were given; None leaves those there are.
        source: who says so; by default the first one that is declared.

    Raises:
        Conflict: no strategy has been applied yet, so no attribute is declared.
        InvalidRequest: an attribute is not declared, its value is not allowed, or the source is not believed about it.
    """
    loaded = live.at(ledger)
    strategy = loaded.strategy
    source = source or (strategy.sources[0].id if strategy.sources else API)
    _check(strategy, source, profile.attributes)
    key = loaded.pseudonyms.key_of(recipient_key(live.secret, recipient))
    before, history = ledger.recipients.hold([key], now)[key], ledger.consents.of(key)
    standing = _words(history)
    words = {name: one.words for name, one in standing.items()} if texts is None else dict(texts)
    changes = [
        Consent(name, now, profile.consent.get(name), words.get(name))
        for name in sorted({*before.consent, *profile.consent, *standing, *words})
        if before.consent.get(name) != profile.consent.get(name)
        or (standing[name].words if name in standing else None) != words.get(name)
    ]
    said = _replaced(before.said, source, profile.attributes, now)
    known = merged(strategy, said, now)
    ledger.recipients.put(key, Profile(known, profile.consent, profile.time_zone, said), now)
    ledger.consents.add(key, changes)


def put_attributes(
    ledger: Ledger,
    live: Live,
    recipient: str,
    source: str,
    attributes: Mapping[str, AttributeValue | None],
    at: Instant,
    now: Instant,
) -> None:
    """Add what a source says of a recipient; what it said of an attribute at a later instant stays.

    Raises:
        Conflict, InvalidRequest: as `put_profile`.
    """
    told = Told(recipient, source, attributes, at)
    _check(live.at(ledger).strategy, source, attributes)
    hear(ledger, live, [told], now)


def hear(ledger: Ledger, live: Live, told: Sequence[Told], now: Instant) -> None:
    """Add what sources say of recipients, in any order and however often: the newest of each source counts.

    Args:
        ledger: the ledger.
        live: gives the secret and the strategy.
        told: of declared attributes, with values that are allowed (`allowed_attributes`).
        now: the instant.
    """
    told = [one for one in told if one.attributes]
    if not told:
        return
    loaded = live.at(ledger)
    strategy = loaded.strategy
    keys = loaded.pseudonyms.keys_of(recipient_keys(live.secret, [one.recipient for one in told]))
    profiles = ledger.recipients.hold(keys, now)
    changed: dict[str, Said] = {}
    for key, one in zip(keys, told, strict=True):
        before = changed.get(key, profiles[key].said)
        after = _added(before, one)
        if after != before:
            changed[key] = after
    for key, said in sorted(changed.items()):
        profile = replace(profiles[key], attributes=merged(strategy, said, now), said=said)
        ledger.recipients.put(key, profile, now)


def allowed_attributes(
    strategy: Strategy, source: str, attributes: Mapping[str, object]
) -> tuple[dict[str, AttributeValue | None], list[RequestFinding]]:
    """Those of some attributes that a source may say, and what is wrong with the others that are declared.

    Attributes that nobody declared, or about which this source is not believed, are in neither.
    """
    mine = {name: value for name, value in attributes.items() if _is_mine(strategy, source, name)}
    wrong = {name: found for name, value in mine.items() if (found := _wrong(strategy, name, value))}
    kept: dict[str, AttributeValue | None] = {
        name: value  # type: ignore[misc]  # checked: it is of the declared type
        for name, value in mine.items()
        if name not in wrong
    }
    return kept, [finding for found in wrong.values() for finding in found]


def later_profiles(ledger: Ledger, loaded: Loaded, keys: Sequence[str], now: Instant) -> Later[dict[str, Profile]]:
    """The profiles that exist, with the attributes that are believed at an instant: asked for now, looked at later."""
    strategy = None if loaded.workspace is None else loaded.workspace.strategy
    # Where there are no sources, what is believed does not depend on the instant.
    if strategy is None or not strategy.sources:
        return ledger.recipients.later_of(keys)
    return later_known_profiles(ledger, loaded, keys, now)


def known_profiles(ledger: Ledger, loaded: Loaded, keys: Sequence[str], now: Instant) -> dict[str, Profile]:
    """As `later_profiles`, with what each source said."""
    return later_known_profiles(ledger, loaded, keys, now)()


def later_known_profiles(
    ledger: Ledger, loaded: Loaded, keys: Sequence[str], now: Instant
) -> Later[dict[str, Profile]]:
    """The same, together with what else is asked for."""
    stored = ledger.recipients.later_with_sayings(keys)
    if loaded.workspace is None:
        return stored
    strategy = loaded.workspace.strategy
    return lambda: {key: replace(one, attributes=merged(strategy, one.said, now)) for key, one in stored().items()}


def stored_profile(ledger: Ledger, live: Live, recipient: str, now: Instant | None = None) -> Profile:
    """What is known of a recipient, and which source said so.

    Args:
        ledger: the ledger.
        live: gives the secret and the strategy.
        recipient: the caller's id.
        now: what is believed at this instant; by default, what was believed when the profile was written.

    Raises:
        NotFound: nothing is.
    """
    loaded = live.at(ledger)
    key = loaded.pseudonyms.key_of(recipient_key(live.secret, recipient))
    found = ledger.recipients.with_sayings([key]) if now is None else known_profiles(ledger, loaded, [key], now)
    if key not in found:
        raise NotFound(f"recipient: found no stored profile for {recipient!r}")
    return found[key]


def believed_sources(loaded: Loaded, said: Said, at: Instant) -> dict[str, str | None]:
    """By attribute, the source whose word counts at an instant; None where nobody knows anything."""
    if loaded.workspace is None:
        return {}
    strategy = loaded.workspace.strategy
    return {name: believed(strategy, name, by_source, at) for name, by_source in said.items()}


def consent_texts(ledger: Ledger, live: Live, recipient: str) -> dict[str, Consent]:
    """By name, the words of each consent that stands, and since when."""
    key = live.at(ledger).pseudonyms.key_of(recipient_key(live.secret, recipient))
    return _words(ledger.consents.of(key))


def _check(strategy: Strategy, source: str, attributes: Mapping[str, object]) -> None:
    findings = check_attributes(strategy.attributes, attributes)
    for name in attributes:
        only = strategy.attributes[name].sources if name in strategy.attributes else None
        if only is not None and source not in only:
            findings.append(RequestFinding(f"/attributes/{name}", f"source {source}", " or ".join(only)))
    if findings:
        raise InvalidRequest(*findings)


def _is_mine(strategy: Strategy, source: str, name: str) -> bool:
    return name in strategy.attributes and believes(strategy, name, source)


def _wrong(strategy: Strategy, name: str, value: object) -> list[RequestFinding]:
    return check_attributes(strategy.attributes, {name: value}, "/traits")


def _replaced(said: Said, source: str, attributes: Attributes, now: Instant) -> Said:
    """What is said once a source has said everything anew: of what it leaves out, it knows nothing any more."""
    before = [name for name, by_source in said.items() if source in by_source]
    after = {name: dict(by_source) for name, by_source in said.items()}
    for name in dict.fromkeys([*attributes, *before]):
        by_source = after.setdefault(name, {})
        at = max(now, by_source[source].at) if source in by_source else now
        by_source[source] = Saying(attributes.get(name), at)
    return after


def _added(said: Said, told: Told) -> Said:
    after = dict(said)
    for name, value in told.attributes.items():
        one = Saying(value, told.at)
        by_source = after.get(name, {})
        before = by_source.get(told.source, one)
        after[name] = {**by_source, told.source: newer(before, one)}
    return after


def _words(history: Sequence[Consent]) -> dict[str, Consent]:
    """By name, the last change that gave words, unless a later one took them back.

    A change that only says yes or no to the same words is not the one they were given with.
    """
    found: dict[str, Consent] = {}
    for one in history:
        if one.words is None:
            found.pop(one.name, None)
        elif one.name not in found or found[one.name].words != one.words:
            found[one.name] = one
    return found
