"""Rules that span keys or documents: references that lead nowhere, ids used twice, limits nobody can keep.

They read the documents as written, and parse only the piece they judge. So a mistake elsewhere in a document
does not hide what is wrong here, and every mistake is reported at once.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from math import ceil, floor
from typing import Any

from optimizer.errors import Finding
from optimizer.strategy import fields
from optimizer.strategy.audience import Attribute, CategoryAttribute, Condition, NumberAttribute, TextAttribute
from optimizer.strategy.documents import MAX_SEGMENTS, MAX_VARIANTS, Holdout, period
from optimizer.strategy.fields import EVERYONE_ELSE
from optimizer.strategy.findings.brand import brand_findings, brand_section_findings
from optimizer.strategy.findings.cut_off import cut_off_findings
from optimizer.strategy.findings.derived import derived_findings
from optimizer.strategy.findings.limits import campaign_limit_findings, capacity_findings, strategy_limit_findings
from optimizer.strategy.findings.policy import model_findings
from optimizer.strategy.findings.warm_starts import control_findings, default_policy_findings, warm_start_findings
from optimizer.strategy.notify import notify_findings
from optimizer.strategy.pieces import ids, items, n_sent, n_variants, piece, twice, unknown
from optimizer.strategy.policy_settings import PolicySettings, resolved_policy
from optimizer.strategy.rules import Test, accepted, can_be_met, covers, is_empty
from optimizer.strategy.wording import meant, numeral, one_of, span, stands
from optimizer.strategy.yaml.source import Path, Source, shortened

_OPERATORS = {
    "category": ("is", "in", "not_in"),
    "number": ("at_least", "at_most", "above", "below", "equals"),
    "boolean": ("is",),
}


_SIGNS = {">=": "at_least", "<=": "at_most", "≥": "at_least", "≤": "at_most", ">": "above", "<": "below", "=": "equals"}
_COMPARED = re.compile(rf"\s*({'|'.join(_SIGNS)})=?\s*(-?\d{{1,12}}(?:\.\d{{1,6}})?)\s*\Z", re.ASCII)


def reference_findings(strategy: Source | None, campaigns: Sequence[Source]) -> Iterator[Finding]:
    """Findings across keys and documents; those of one key alone are `wording.schema_findings`.

    Args:
        strategy: the strategy as written; without it (None), what depends on it is not judged.
        campaigns: the campaigns as written, in the order they are read in.
    """
    if strategy:
        yield from _strategy_findings(strategy)
        yield from strategy_limit_findings(strategy)
        yield from derived_findings(strategy)
        yield from notify_findings(strategy)
        yield from brand_section_findings(strategy)
        yield from capacity_findings(strategy, len(campaigns))
        yield from default_policy_findings(strategy)
    by_id = {
        name: campaign for campaign in reversed(campaigns) if isinstance(name := campaign.value(("campaign",)), str)
    }
    file_of: dict[str, str] = {}
    for campaign in campaigns:
        name = campaign.value(("campaign",))
        if isinstance(name, str):
            if name in file_of:
                yield campaign.finding(("campaign",), f"an id of its own: {file_of[name]} has this one")
            file_of.setdefault(name, campaign.file)
        yield from _campaign_findings(campaign)
        yield from cut_off_findings(campaign)
        if strategy:
            yield from _serves_findings(strategy, campaign)
            yield from _holdout_findings(strategy, campaign)
            yield from _policy_findings(strategy, campaign)
            yield from control_findings(strategy, campaign)
            yield from warm_start_findings(strategy, campaign, by_id)
            yield from _period_findings(strategy, campaign)
            yield from _rule_findings(strategy, campaign)
            yield from campaign_limit_findings(strategy, campaign)
            yield from brand_findings(strategy, campaign)


def _ids_twice(source: Source, key: str) -> Iterator[Finding]:
    return twice(source, (((*path, "id"), source.value((*path, "id"))) for path, _ in items(source, (key,))))


def _strategy_findings(strategy: Source) -> Iterator[Finding]:
    yield from _ids_twice(strategy, "objectives")
    for path, _ in items(strategy, ("attributes",)):
        yield from twice(strategy, items(strategy, (*path, "values")))
        declared = piece(Attribute, strategy, path)
        if isinstance(declared, NumberAttribute) and _has_no_number(declared):
            low = numeral(declared.minimum or 0.0)
            yield strategy.finding((*path, "maximum"), f"a number of {low} or more: the minimum")
    settings = piece(PolicySettings, strategy, ("policy_defaults",))
    if settings:
        yield from _cap_below_floor(strategy, ("policy_defaults",), settings)


def _has_no_number(declared: NumberAttribute) -> bool:
    low, high = declared.minimum, declared.maximum
    return low is not None and high is not None and low > high


def _cap_below_floor(source: Source, path: Path, *layers: PolicySettings) -> Iterator[Finding]:
    policy = resolved_policy(*layers)
    if policy.cap < policy.floor and layers[0].model_fields_set & {"cap", "floor"}:
        key = "cap" if "cap" in layers[0].model_fields_set else "floor"
        allowed = (
            f"a number of {numeral(policy.floor)} or more: the floor"
            if key == "cap"
            else f"a number of {numeral(policy.cap)} or less: the cap"
        )
        yield source.finding((*path, key), allowed)


def _segment_names(campaign: Source) -> Collection[str]:
    excluded = campaign.value(("everyone_else",)) == "exclude"
    return dict.fromkeys((*ids(campaign, "segments"), *(() if excluded else (EVERYONE_ELSE,))))


def _campaign_findings(campaign: Source) -> Iterator[Finding]:
    for key in ("messages", "targetings", "segments"):
        yield from _ids_twice(campaign, key)
    for path, message in items(campaign, ("messages",)):
        words = ("subject", "body", "fields")
        # A misspelt key has a finding of its own, and so does one without a value.
        if (
            isinstance(message, dict)
            and not any((*path, key) in campaign.keys for key in words)
            and not any(meant(key, words) for key in message)
        ):
            yield campaign.finding((*path, "subject"), "words to show: at least one of subject, body, fields")
    segments = _segment_names(campaign)
    for path, _ in items(campaign, ("targetings",)):
        chosen = (*path, "only_segments")
        yield from twice(campaign, items(campaign, chosen))
        for reference, _ in items(campaign, chosen):
            yield from unknown(campaign, reference, segments)
    n = n_variants(campaign)
    if n > MAX_VARIANTS and ("targetings",) in campaign.keys:
        allowed = f"at most {MAX_VARIANTS} variants (messages x targetings)"
        yield campaign.finding(("targetings",), allowed, on_key=True, found=f"{n:,} variants")
    yield from _control_findings(campaign)
    yield from _retired_findings(campaign)
    yield from _expected_findings(campaign, segments)


def _expected_findings(campaign: Source, segments: Collection[str]) -> Iterator[Finding]:
    expected = ("expects", "segments")
    shares = dict(items(campaign, expected))
    for path in shares:
        if path[-1] not in segments:
            yield campaign.finding(path, one_of(segments, str(path[-1])), on_key=True)
    total = sum(share for share in shares.values() if isinstance(share, int | float))
    if total > 1 + 1e-9:
        yield campaign.finding(expected, "shares that sum to at most 1", on_key=True, found=f"shares of {total:g}")


def _control_findings(campaign: Source) -> Iterator[Finding]:
    control = campaign.value(("control",))
    if not isinstance(control, dict):
        return
    yield from unknown(campaign, ("control", "message"), ids(campaign, "messages"))
    targetings = ids(campaign, "targetings")
    if "targeting" not in control and targetings:
        yield campaign.finding(
            ("control", "targeting"), f"this key, as the campaign has targetings: {one_of(targetings)}"
        )
    elif "targeting" in control and ("targetings",) not in campaign.keys:
        yield campaign.finding(("control", "targeting"), "no such key: the campaign has no targetings", on_key=True)
    elif "targeting" in control:
        yield from unknown(campaign, ("control", "targeting"), targetings)


def _retired_findings(campaign: Source) -> Iterator[Finding]:
    for key in ("messages", "targetings"):
        found = [(path, item) for path, item in items(campaign, (key,)) if isinstance(item, dict)]
        retired = [path for path, item in found if item.get("retired") is True]
        if found and len(retired) == len(found):
            yield campaign.finding((*retired[-1], "retired"), f"at least one of the {key} that is not retired")
            continue
        control = campaign.value(("control", key[:-1]))
        if control is not None and any(campaign.value((*path, "id")) == control for path in retired):
            yield campaign.finding(("control", key[:-1]), f"one of the {key} that is not retired")


def _serves_findings(strategy: Source, campaign: Source) -> Iterator[Finding]:
    if objectives := ids(strategy, "objectives"):
        yield from unknown(campaign, ("serves",), objectives)


def _holdout_findings(strategy: Source, campaign: Source) -> Iterator[Finding]:
    held_out = [piece(Holdout, source, ("holdout",)) for source in (campaign, strategy)]
    if any(holdout and holdout.share > 0 for holdout in held_out) and not stands(campaign, ("control",)):
        whose = "the campaign" if held_out[0] and held_out[0].share > 0 else strategy.file
        yield campaign.finding(
            ("control",),
            f"this key, as {whose} holds recipients out: nothing, or the message they get instead",
        )


def _policy_findings(strategy: Source, campaign: Source) -> Iterator[Finding]:
    settings = []
    for source, key in ((campaign, "policy"), (strategy, "policy_defaults")):
        written = piece(PolicySettings, source, (key,)) if (key,) in source.keys else PolicySettings()
        if written is None:
            return
        settings.append(written)
    own = settings[0].model_fields_set
    policy, n = resolved_policy(*settings), n_sent(campaign)
    yield from model_findings(strategy, campaign, settings, policy)
    if n == 0:
        return
    yield from _cap_below_floor(campaign, ("policy",), *settings)
    variants = f"{n} variant{'s' if n > 1 else ''}"
    whose = {key: "" if key in own else f" in {strategy.file}, or as the default" for key in ("floor", "cap")}
    if n * policy.floor > 1:
        allowed = f"a floor of {floor(10_000 / n) / 10_000} or less for {variants}: floors add up to at most 1"
        yield _about(campaign, "floor", own, allowed, f"{numeral(policy.floor)}{whose['floor']}")
    if n * policy.cap < 1:
        allowed = f"a cap of {ceil(10_000 / n) / 10_000} or more for {variants}: caps add up to at least 1"
        yield _about(campaign, "cap", own, allowed, f"{numeral(policy.cap)}{whose['cap']}")


def _about(campaign: Source, key: str, own: set[str], allowed: str, found: str) -> Finding:
    """A finding at a policy key, or at the messages when the campaign left that key to the strategy."""
    if key in own:
        return campaign.finding(("policy", key), allowed)
    return campaign.finding(("messages",), allowed, on_key=True, found=f"a {key} of {found}")


def _period_findings(strategy: Source, campaign: Source) -> Iterator[Finding]:
    zone = piece(fields.Zone, strategy, ("time_zone",))
    starts, ends = (piece(fields.DateOrMoment, campaign, (key,)) for key in ("starts", "ends"))
    if zone and starts and ends:
        start, end = period(starts, ends, zone)
        if start is not None and end is not None and end <= start:
            yield campaign.finding(("ends",), f"a time after {campaign.value(('starts',))}, when it starts")


def _rule_findings(strategy: Source, campaign: Source) -> Iterator[Finding]:
    earlier: list[tuple[Path, dict[str, Test]]] = []
    names = [path[-1] for path, _ in items(strategy, ("attributes",)) if isinstance(path[-1], str)]
    # More of them have a finding of their own, and comparing each with each would take long.
    for segment, _ in islice(items(campaign, ("segments",)), MAX_SEGMENTS):
        tests: dict[str, Test] = {}
        conditions = list(items(campaign, (*segment, "when")))
        for path, _ in conditions:
            findings, test = _condition(strategy, campaign, path, names)
            yield from findings
            if test is not None:
                tests[str(path[-1])] = test
        if not conditions or len(tests) < len(conditions):
            continue
        for other, wider in earlier:
            if covers(wider, tests):
                yield campaign.finding(
                    (*segment, "when"),
                    f"recipients that segment {shortened(str(campaign.value((*other, 'id'))))} on line "
                    f"{campaign.values[other].line} does not take first: "
                    "put this segment before it, or narrow that one",
                    on_key=True,
                )
                break
        earlier.append((segment, tests))


def _condition(
    strategy: Source, campaign: Source, path: Path, names: Sequence[str]
) -> tuple[list[Finding], Test | None]:
    """Findings of one condition, and what it accepts when there are none."""
    name = str(path[-1])
    if name not in names:
        return [campaign.finding(path, f"an attribute, {one_of(names, name)}", on_key=True)], None
    declared = piece(Attribute, strategy, ("attributes", name))
    condition = piece(Condition, campaign, path)
    if isinstance(declared, NumberAttribute) and _has_no_number(declared):
        declared = None
    hidden = any(broken[: len(path)] == path for broken in campaign.broken)
    if declared is None or condition is None or hidden:
        return [], None
    if declared.sensitive or isinstance(declared, TextAttribute):
        usable = [n for n in names if _may_be_in_rules(strategy.value(("attributes", n)))]
        what = "not sensitive" if declared.sensitive else "no text, which only fills placeholders"
        return [campaign.finding(path, f"an attribute that is {what}, {one_of(usable)}", on_key=True)], None
    findings = list(_operator_findings(campaign, path, declared, condition.stated()))
    if findings:
        return findings, None
    test = accepted(declared, condition)
    if is_empty(test) or not can_be_met(declared, test):
        return [campaign.finding(path, "bounds and values that at least one recipient can meet")], None
    return [], test


def _may_be_in_rules(declared: object) -> bool:
    return isinstance(declared, dict) and declared.get("sensitive") is not True and declared.get("type") != "text"


def _operator_findings(
    campaign: Source, path: Path, declared: Attribute, stated: Mapping[str, Any]
) -> Iterator[Finding]:
    operators = _OPERATORS[declared.type]
    if not stated:
        yield campaign.finding(path, one_of(operators))
    for operator, value in stated.items():
        place = (*path, operator)
        if operator not in operators:
            written_out = isinstance(campaign.value(path), dict)
            allowed = one_of(operators) if written_out else _values_of(declared, value)
            yield campaign.finding(place, f"{allowed}: {path[-1]} is a {declared.type}", on_key=written_out)
        elif isinstance(value, tuple | list):
            for index, item in enumerate(value):
                if not _fits(declared, item):
                    yield campaign.finding((*place, index), _values_of(declared, item))
        elif not _fits(declared, value):
            yield campaign.finding(place, _values_of(declared, value))


def _fits(declared: Attribute, value: Any) -> bool:
    if isinstance(declared, CategoryAttribute):
        return value in declared.values
    if isinstance(declared, NumberAttribute):
        low, high = declared.minimum, declared.maximum
        return (low is None or low <= value) and (high is None or value <= high)
    return isinstance(value, bool)


def _values_of(declared: Attribute, value: Any) -> str:
    if isinstance(declared, CategoryAttribute):
        return one_of(declared.values, value)
    if isinstance(declared, NumberAttribute):
        return span(declared.minimum, declared.maximum) + _comparison(value)
    return "true or false"


def _comparison(value: Any) -> str:
    """How ``>= 90`` is written."""
    match = _COMPARED.match(value) if isinstance(value, str) else None
    return f", as in {{{_SIGNS[match[1]]}: {match[2]}}}" if match else ""
