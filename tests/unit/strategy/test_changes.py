from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.domain.instants import SECOND
from optimizer.errors import DocumentError
from optimizer.strategy.fields import parsed_duration
from optimizer.strategy.versions.changes import Change, campaigns_touched, changes
from optimizer.strategy.versions.differences import iso_duration
from optimizer.strategy.workspace import Workspace, read_workspace

Read = Callable[..., Workspace]
Edit = tuple[str, str]


def sentences(found: tuple[Change, ...]) -> list[str]:
    return [change.sentence for change in found]


def test_documents_do_not_differ_from_themselves(read: Read, files: Mapping[str, str]) -> None:
    for workspace in (read(), read_workspace(files)):
        assert changes(workspace, workspace) == ()
    assert changes(read(), read()) == ()


SAME_MEANING: list[tuple[str, tuple[Edit, ...], tuple[Edit, ...]]] = [
    ("another spelling of a duration", (("P1DT12H", "PT36H"),), ()),
    ("a week", (("P7D", "P1W"),), ()),
    ("a default written out", (("value: count}", "value: count}\n    counts_from: decision"),), ()),
    ("a default of a type", (("type: boolean,", "type: boolean, sensitive: false,"),), ()),
    ("a policy that is the default", (), (("cap: 0.9,", "cap: 0.9, model: beta_bernoulli,"),)),
    ("a policy the strategy sets", (), (("cap: 0.9,", "cap: 0.9, floor: 0.04, half_life: P30D,"),)),
    ("a condition in its short form", (), (("newsletter: true}", "newsletter: {is: true}}"),)),
    ("a set in another order", (), (("in: [US, CA]", "in: [CA, US]"),)),
    ("a day and its midnight", (), (("starts: 2026-12-01", "starts: 2026-12-01T00:00:00-05:00"),)),
    ("a comment", (), (("why: Bring", "# hello\nwhy: Bring"),)),
]


@pytest.mark.parametrize(
    ("strategy", "campaign"), [case[1:] for case in SAME_MEANING], ids=[c[0] for c in SAME_MEANING]
)
def test_what_means_the_same_is_no_change(read: Read, strategy: tuple[Edit, ...], campaign: tuple[Edit, ...]) -> None:
    assert changes(read(), read(strategy, campaign)) == ()
    assert changes(read(strategy, campaign), read()) == ()


SALES = """\
  - id: sales
    reward: {outcome: sale, value: first}
    attribution_window: PT90M
"""

OF_THE_STRATEGY: list[tuple[Edit, str, bool | None]] = [
    (("holdout: {share: 0.05}", "holdout: {share: 0.1}"), "holdout share 0.05 becomes 0.1", True),
    (("holdout: {share: 0.05}", "holdout: {share: 0}"), "holdout share 0.05 becomes 0", False),
    (("holdout: {share: 0.05}\n", ""), "holdout share 0.05 becomes 0", False),
    (("P1DT12H", "P2D"), "objective clicks: attribution_window P1DT12H becomes P2D", None),
    (
        ("counts_from: delivered", "counts_from: opened"),
        "objective repeat_purchase: counts_from delivered becomes opened",
        None,
    ),
    (("America/New_York", "America/Toronto"), "time_zone America/New_York becomes America/Toronto", None),
    (("maximum: 5000", "maximum: 4500.5"), "attribute days: maximum 5000 becomes 4500.5", None),
    (("minimum: 0, ", ""), "attribute days: minimum is left out; it was 0", None),
    (("values: [US, CA, GB]", "values: [US, CA, FR, DE]"), "attribute country: values gains FR, DE and loses GB", None),
    (("sensitive: true", "sensitive: false"), "attribute age: sensitive true becomes false", None),
    (("  age:", "  vip: {type: boolean}\n  age:"), "attribute vip is new: {type: boolean}", False),
    (('  age: {type: category, values: ["18-24", "25+"], sensitive: true}\n', ""), "attribute age is gone", True),
    (("required: false", "required: true"), "approval required false becomes true", True),
    (
        ("Grow without annoying anyone", "Grow"),
        'why "Grow without annoying anyone" becomes "Grow"',
        None,
    ),
    (("floor: 0.04", "floor: 0.05"), "policy_defaults floor 0.04 becomes 0.05", None),
    (("half_life: P30D", "half_life: never"), "policy_defaults half_life P30D becomes never", None),
    (("{floor: 0.04, half_life: P30D}", "{floor: 0.04}"), "policy_defaults half_life P30D becomes never", None),
    (
        ("  - id: clicks", f"{SALES}  - id: clicks"),
        "objective sales is new: {reward: {outcome: sale, value: first}, attribution_window: PT1H30M}",
        None,
    ),
]


@pytest.mark.parametrize(("edit", "sentence", "narrows"), OF_THE_STRATEGY)
def test_a_change_of_the_strategy_is_said(read: Read, edit: Edit, sentence: str, narrows: bool | None) -> None:
    found = [change for change in changes(read(), read((edit,))) if change.campaign is None]
    assert [c.sentence for c in found if not c.sentence.startswith(("objectives stand",))] == [sentence]
    assert (found[0].document, found[0].narrows) == ("strategy.yaml", narrows)


OF_THE_CAMPAIGN: list[tuple[Edit, str, bool | None]] = [
    (("ends: 2027-01-15", "ends: 2027-01-10"), "ends earlier: 2027-01-15 becomes 2027-01-10", True),
    (
        ("ends: 2027-01-15", "ends: 2027-01-20T12:00:00Z"),
        "ends later: 2027-01-15 becomes 2027-01-20T12:00:00Z",
        False,
    ),
    (("ends: 2027-01-15\n", ""), "has no end any more; it was 2027-01-15", False),
    (("starts: 2026-12-01", "starts: 2026-12-24"), "starts later: 2026-12-01 becomes 2026-12-24", True),
    (
        ("We saved you 10%", "Still 10% for you"),
        'message ten-percent: subject "We saved you 10%" becomes "Still 10% for you" (2 new arms: start learning anew)',
        None,
    ),
    (
        ("subject: See what is new", "subject: See"),
        'message new-arrivals: subject "See what is new" becomes "See" (2 new arms: start learning anew)',
        None,
    ),
    (
        ("hero.png", "snow.png"),
        "message new-arrivals: field image hero.png becomes snow.png (2 new arms: start learning anew)",
        None,
    ),
    (
        ("legal said yes", "legal said maybe"),
        'message ten-percent: notes "legal said yes" becomes "legal said maybe"',
        None,
    ),
    (
        ("08:00-11:00", "08:00-10:00"),
        "targeting morning: field slot 08:00-11:00 becomes 08:00-10:00 (2 new arms: start learning anew)",
        None,
    ),
    (
        ("only_segments: [lapsed, everyone-else]", "only_segments: [lapsed]"),
        "targeting evening: only_segments loses everyone-else (2 new arms: start learning anew)",
        None,
    ),
    (
        ("only_segments: [lapsed, everyone-else], ", ""),
        "targeting evening: only_segments is left out; it was [lapsed, everyone-else] "
        "(2 new arms: start learning anew)",
        None,
    ),
    (("channel: email", "channel: sms"), "channel email becomes sms (4 new arms: start learning anew)", None),
    (
        ("targetings:", "  - {id: third, subject: Third}\ntargetings:"),
        'message third is new: {subject: "Third"}',
        False,
    ),
    (("newsletter: true", "newsletter: false"), "segment loyal: when newsletter: is true becomes false", None),
    (("below: 400", "at_most: 500"), "segment loyal: when days: at_most is set to 500", None),
    (
        ("  - id: lapsed\n    when:", "  - id: gone\n    when: {days: {above: 900}}\n  - id: lapsed\n    when:"),
        "segment gone is new: {when: {days: {above: 900}}}",
        None,
    ),
    (
        ("{message: new-arrivals, targeting: morning}", "nothing"),
        "control {message: new-arrivals, targeting: morning} becomes nothing",
        None,
    ),
    (("cap: 0.9", "cap: 0.8"), "policy cap 0.9 becomes 0.8", None),
    (("cap: 0.9, ", ""), "policy cap 0.9 becomes 1", None),
    (("cap: 0.9", "cap: 0.9, half_life: never"), "policy half_life P30D becomes never", None),
    (("refresh: PT5M", "refresh: PT90S"), "policy refresh PT5M becomes PT1M30S", None),
    (
        ("failures: 20", "failures: 30"),
        "policy prior {successes: 2, failures: 20} becomes {successes: 2, failures: 30}",
        None,
    ),
    (("cap: 0.9", "cap: 0.9, delay: ignored"), "policy delay estimated becomes ignored", None),
    (("cap: 0.9", "cap: 0.9, delay: {median: P3D}"), "policy delay estimated becomes {median: P3D}", None),
    (("cap: 0.9", "cap: 0.9, alarms: []"), "policy alarms [silence, collapse] becomes []", None),
    (
        ("cap: 0.9", "cap: 0.9, warm_start: {variants: {ten-percent:morning: {trials: 12000, successes: 240}}}"),
        "policy warm_start nothing becomes {variants: {ten-percent:morning: {trials: 12000, successes: 240}}}",
        None,
    ),
    (("serves: repeat_purchase", "serves: clicks"), "serves repeat_purchase becomes clicks", None),
    (("journey_stage: re-engagement\n", ""), 'journey_stage is left out; it was "re-engagement"', None),
]


@pytest.mark.parametrize(("edit", "sentence", "narrows"), OF_THE_CAMPAIGN)
def test_a_change_of_a_campaign_is_said(read: Read, edit: Edit, sentence: str, narrows: bool | None) -> None:
    found = changes(read(), read(campaign=(edit,)))
    assert {change.campaign for change in found} == {"winback"}
    assert {change.document for change in found} == {"campaigns/winback.yaml"}
    (wanted,) = (change for change in found if change.sentence == f"campaign winback: {sentence}")
    assert wanted.narrows == narrows
    assert sum(change.kind != "effect" for change in found) == (2 if "at_most is set" in sentence else 1)


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("model: hierarchical", "model: hierarchical, period: PT6H", "policy period P1D becomes PT6H"),
        (
            "model: contextual, attributes: [country]",
            "model: contextual, attributes: [country], refit: P1D",
            "policy refit PT15M becomes P1D",
        ),
    ],
)
def test_a_change_of_how_a_model_learns_is_said_as_it_is_written(
    read: Read, before: str, after: str, sentence: str
) -> None:
    was, becomes = (read(campaign=(("cap: 0.9", f"cap: 0.9, {keys}"),)) for keys in (before, after))
    (found,) = changes(was, becomes)
    assert found.sentence == f"campaign winback: {sentence}"


def test_leaving_everyone_else_out_narrows(files: Mapping[str, str], edited: Any) -> None:
    after = edited(files, "campaigns/winback.yaml", ("everyone_else: include", "everyone_else: exclude"))
    for there, narrows in ((True, True), (False, False)):
        before_and_after = [read_workspace(files), read_workspace(after)][:: 1 if there else -1]
        found = changes(*before_and_after)[0]
        assert found.subject == "everyone_else"
        assert found.narrows is narrows


def effects(before: Workspace, after: Workspace) -> list[str]:
    said = [change.sentence for change in changes(before, after) if change.kind == "effect"]
    return [sentence.removeprefix("campaign winback: ") for sentence in said]


EFFECTS: list[tuple[tuple[Edit, ...], tuple[Edit, ...], list[str]]] = [
    (
        (),
        (("We saved you 10%", "Still 10% for you"),),
        ["2 new arms start learning anew: ten-percent:morning, ten-percent:evening"],
    ),
    ((), (("legal said yes", "legal said maybe"),), []),
    (
        (),
        (("  - {id: evening, only_segments: [lapsed, everyone-else], notes: after work}\n", ""),),
        ["2 arms leave: ten-percent:evening, new-arrivals:evening; what happened stays in the ledger"],
    ),
    (
        (("approval: {required: false}", "approval: {required: true}"),),
        (("  - {id: evening,", "  - {id: night, only_segments: [loyal]}\n  - {id: evening,"),),
        [
            "2 new arms start learning anew: ten-percent:night, new-arrivals:night; "
            "not served before these words are approved"
        ],
    ),
    (
        (),
        (("serves: repeat_purchase", "serves: clicks"),),
        ["evidence is read anew: what was earned for repeat_purchase says nothing about clicks"],
    ),
    (
        (("approval: {required: false}", "approval: {required: false}\nhygiene: {fastest: PT2S}"),),
        (),
        [
            "objective repeat_purchase changes (hygiene fastest): decisions made so far stay judged by the old one, "
            "later ones by the new one, and both are learned from"
        ],
    ),
    (
        (("approval: {required: false}", 'approval: {required: false}\nhygiene: {largest_value: {visit: "9 USD"}}'),),
        (),
        [],
    ),
    (
        (("counts_from: delivered", "counts_from: opened"),),
        (),
        [
            "objective repeat_purchase changes (counts_from): decisions made so far stay judged by the old one, "
            "later ones by the new one, and both are learned from"
        ],
    ),
    ((("P1DT12H", "P2D"),), (), []),
    ((("Existing customers buy again", "They buy again"),), (), []),
    (
        (),
        (("everyone_else: include", "everyone_else: exclude"), ("[lapsed, everyone-else]", "[lapsed]")),
        [
            "2 new arms start learning anew: ten-percent:evening, new-arrivals:evening",
            "evidence of vanished segments is not used: everyone-else",
        ],
    ),
    (
        (),
        (
            ("at_least: 90, below: 400", "at_least: 120, below: 400"),
            ("- id: lapsed\n", "- id: dormant\n"),
            ("[lapsed,", "[dormant,"),
        ),
        [
            "2 new arms start learning anew: ten-percent:evening, new-arrivals:evening",
            "evidence of vanished segments is not used: lapsed",
            "new segments start without evidence: dormant",
            "evidence stays, though other recipients fall into them: loyal",
        ],
    ),
]


@pytest.mark.parametrize(("strategy", "campaign", "said"), EFFECTS)
def test_what_follows_for_arms_and_evidence_is_said(
    read: Read, strategy: tuple[Edit, ...], campaign: tuple[Edit, ...], said: list[str]
) -> None:
    assert effects(read(), read(strategy, campaign)) == said


def test_where_words_must_be_approved_an_edit_lapses_the_approval(read: Read) -> None:
    approval = ("required: false", "required: true")
    found = changes(read((approval,)), read((approval,), (("See what is new", "See"),)))
    assert "(2 new arms: start learning anew, their approvals lapse)" in found[0].sentence


def test_an_edit_without_targetings_makes_one_new_arm(files: Mapping[str, str], edited: Any) -> None:
    after = edited(files, "campaigns/winback.yaml", ("How are you", "How do you do"))
    found = changes(read_workspace(files), read_workspace(after))
    assert sentences(found) == [
        'campaign winback: message hello: subject "How are you" becomes "How do you do" '
        "(a new arm: starts learning anew)",
        "campaign winback: 1 new arm starts learning anew: hello",
    ]


def test_an_edit_counts_the_new_arms_among_the_variants_that_stay(read: Read) -> None:
    evening = "  - {id: evening, only_segments: [lapsed, everyone-else], notes: after work}\n"
    found = changes(read(), read(campaign=(("See what is new", "See"), (evening, ""))))
    assert found[0].sentence.endswith('becomes "See" (a new arm: starts learning anew)')


def test_a_default_of_the_strategy_is_said_once(read: Read) -> None:
    (found,) = changes(read(), read((("floor: 0.04", "floor: 0.05"),)))
    assert (found.sentence, found.touches) == ("policy_defaults floor 0.04 becomes 0.05", ("winback",))


def test_the_order_of_segments_is_a_change(files: Mapping[str, str], edited: Any) -> None:
    lapsed = "  - id: lapsed\n    when: {days: {at_least: 90}}\n"
    american = "  - id: american\n    when: {country: US}\n"
    after = edited(files, "campaigns/winback.yaml", (lapsed + american, american + lapsed))
    (found,) = changes(read_workspace(files), read_workspace(after))
    assert found.sentence == (
        "campaign winback: segments stand in another order: american, lapsed; the first that matches wins"
    )
    assert found.kind == "reordered"


def test_long_texts_are_shown_where_they_part(read: Read) -> None:
    long = "Once upon a time there was a shop that wrote to people. " * 3
    before, after = (read(campaign=(("Hi {{first_name|there}}", f"{long}{end}"),)) for end in ("Bye", "Cheers"))
    sentence = changes(before, after)[0].sentence
    assert 'body "…' in sentence
    assert 'Bye" becomes "…' in sentence
    assert 'Cheers"' in sentence


def test_a_time_zone_moves_the_days_of_campaigns(read: Read) -> None:
    found = changes(read(), read((("America/New_York", "America/Los_Angeles"),)))
    assert sentences(found) == [
        "time_zone America/New_York becomes America/Los_Angeles",
        "campaign winback: starts later: 2026-12-01 America/New_York becomes 2026-12-01 America/Los_Angeles",
        "campaign winback: ends later: 2027-01-15 America/New_York becomes 2027-01-15 America/Los_Angeles",
    ]


# ---------------------------------------------------------------- whole documents


def test_everything_is_new_where_nothing_is_live(read: Read, files: Mapping[str, str]) -> None:
    assert sentences(changes(None, read())) == [
        "strategy acme-retail is new: 2 objectives (repeat_purchase, clicks)",
        "campaign winback is new: 4 variants serve repeat_purchase from 2026-12-01 until 2027-01-15",
    ]
    assert campaigns_touched(changes(None, read_workspace(files))) == ("members", "newsletter", "winback")


def test_campaigns_come_and_go(files: Mapping[str, str]) -> None:
    without = {path: text for path, text in files.items() if path != "campaigns/members.yaml"}
    came = changes(read_workspace(without), read_workspace(files))
    assert sentences(came) == ["campaign members is new: 2 variants serve opens"]
    assert (came[0].kind, came[0].narrows, came[0].document) == ("added", False, "campaigns/members.yaml")
    (went,) = changes(read_workspace(files), read_workspace(without))
    assert went.sentence.startswith("campaign members is gone")
    assert (went.kind, went.narrows, went.touches) == ("removed", True, ("members",))


def test_another_file_name_is_no_change(files: Mapping[str, str]) -> None:
    renamed = {path.replace("winback", "a-file"): text for path, text in files.items()}
    assert changes(read_workspace(files), read_workspace(renamed)) == ()


def test_a_change_names_the_file_its_campaign_is_in(files: Mapping[str, str], edited: Any) -> None:
    after = edited(files, "campaigns/winback.yaml", ("floor: 0.05", "floor: 0.06"))
    renamed = {path.replace("winback", "a-file"): text for path, text in after.items()}
    (found,) = changes(read_workspace(files), read_workspace(renamed))
    assert found.document == "campaigns/a-file.yaml"
    assert found.campaign == "winback"


# ---------------------------------------------------------------- campaigns touched

TOUCHED: list[tuple[Edit, set[str]]] = [
    (("holdout: {share: 0.05}", "holdout: {share: 0.1}"), {"members", "newsletter", "winback"}),
    (("P7D", "P8D"), {"winback"}),
    (("minimum: 0, ", ""), {"winback"}),
    (("  vip: {type: boolean}", "  vip: {type: boolean, why: We know}"), set()),
    (("currency: USD", "currency: EUR"), {"members", "newsletter", "winback"}),
    (("currency: USD", "why: Growth\ncurrency: USD"), set()),
    (("approval:", "policy_defaults: {floor: 0.01}\napproval:"), {"members", "newsletter"}),
    (("approval:", "policy_defaults: {cap: 0.5}\napproval:"), {"members", "newsletter", "winback"}),
]


@pytest.mark.parametrize(("edit", "touched"), TOUCHED)
def test_a_strategy_wide_change_names_the_campaigns_it_touches(
    files: Mapping[str, str], edited: Any, edit: Edit, touched: set[str]
) -> None:
    found = changes(read_workspace(files), read_workspace(edited(files, "strategy.yaml", edit)))
    (of_strategy,) = (change for change in found if change.campaign is None)
    assert set(of_strategy.touches) == touched
    assert set(campaigns_touched(found)) == touched


def test_notes_for_colleagues_touch_nothing(read: Read) -> None:
    found = changes(read(), read(campaign=(("legal said yes", "legal said maybe"),)))
    assert campaigns_touched(found) == ()


def test_an_attribute_touches_the_campaigns_whose_words_name_it(files: Mapping[str, str], edited: Any) -> None:
    declared = ("  vip: {type: boolean}", "  vip: {type: boolean}\n  first_name: {type: text}")
    before = edited(files, "strategy.yaml", declared)
    before = edited(before, "campaigns/winback.yaml", ("Hi there", "Hi {{first_name|there}}"))
    after = edited(before, "strategy.yaml", ("{type: text}", "{type: text, max_length: 40}"))
    (found,) = changes(read_workspace(before), read_workspace(after))
    assert found.sentence == "attribute first_name: max_length 200 becomes 40"
    assert found.touches == ("winback",)


# ---------------------------------------------------------------- guardrails

GUARDRAILS = """\
channels:
  email: {quiet_hours: "21:00-08:00", sends_per_day: 1000, cost: "0.0008 USD"}
contact_policy:
  - {at_most: 2, per: P7D}
  - {at_most: 5, per: P30D, channels: [email]}
guardrail_metrics:
  - {outcome: unsubscribed, at_most: 0.005, then: pause_variant}
budget: {total: "500 USD", per: month}
brand: {banned_phrases: [guaranteed], limits: {subject: 60}}
review: {every: P14D}
"""

OF_GUARDRAILS: list[tuple[Edit, str, bool | None]] = [
    (("21:00-08:00", "20:00-08:00"), "channel email: quiet_hours 21:00-08:00 becomes 20:00-08:00", None),
    (("sends_per_day: 1000", "sends_per_day: 900"), "channel email: sends_per_day 1000 becomes 900", True),
    (("sends_per_day: 1000, ", ""), "channel email: sends_per_day is left out; it was 1000", False),
    (("0.0008 USD", "0.001 USD"), "channel email: cost 0.0008 USD per decision becomes 0.001 USD per decision", None),
    (("at_most: 2", "at_most: 3"), "contact_policy 1: at_most 2 becomes 3", False),
    (("  - {at_most: 2, per: P7D}\n", ""), "contact_policy 1 is gone", False),
    (
        ("guardrail_metrics:", "  - {at_most: 1, per: P1D}\nguardrail_metrics:"),
        "contact_policy 3 is new: {at_most: 1, per: P1D}",
        True,
    ),
    (("at_most: 0.005", "at_most: 0.004"), "guardrail_metric 1: at_most 0.005 becomes 0.004", True),
    (("500 USD", "400 USD"), "budget total 500.00 USD becomes 400.00 USD", True),
    (("per: month}", "per: month, daily: 50 USD}"), "budget daily is set to 50.00 USD", True),
    (("[guaranteed]", "[guaranteed, risk-free]"), "brand banned_phrases gains risk-free", None),
    (("subject: 60", "subject: 50"), "brand limits subject 60 becomes 50", None),
    (("review: {every: P14D}\n", ""), "review is left out; it was {every: P14D}", None),
    (("every: P14D", "every: P2W"), "", None),
]


@pytest.mark.parametrize(("edit", "sentence", "narrows"), OF_GUARDRAILS)
def test_a_change_of_a_guardrail_is_said(
    files: Mapping[str, str], edited: Any, edit: Edit, sentence: str, narrows: bool | None
) -> None:
    before = edited(files, "strategy.yaml", ("approval:", f"{GUARDRAILS}approval:"))
    found = changes(read_workspace(before), read_workspace(edited(before, "strategy.yaml", edit)))
    assert [(change.sentence, change.narrows) for change in found] == ([(sentence, narrows)] if sentence else [])
    assert set(campaigns_touched(found)) == ({"members", "newsletter", "winback"} if sentence else set())


# ---------------------------------------------------------------- properties


@given(length=st.integers(1, 10**9))
def test_a_duration_is_written_as_it_is_read(length: int) -> None:
    assert parsed_duration(iso_duration(length * SECOND)) == length * SECOND


ALL_EDITS = [("strategy.yaml", edit) for edit, *_ in OF_THE_STRATEGY] + [
    ("campaigns/winback.yaml", edit) for edit, *_ in OF_THE_CAMPAIGN
]


@given(chosen=st.sets(st.integers(0, len(ALL_EDITS) - 1), min_size=1, max_size=6))
def test_any_edits_that_can_be_used_change_something_and_can_be_taken_back(
    strategy_text: str, campaign_text: str, chosen: set[int]
) -> None:
    before = {"strategy.yaml": strategy_text, "campaigns/winback.yaml": campaign_text}
    after = dict(before)
    for number in chosen:
        path, (old, new) = ALL_EDITS[number]
        after[path] = after[path].replace(old, new)
    try:
        workspace = read_workspace(after)
    except DocumentError:  # edits that do not go together
        return
    there, back = changes(read_workspace(before), workspace), changes(workspace, read_workspace(before))
    assert there
    assert back
    assert len({change.subject for change in there if change.kind == "added"}) == len(
        {change.subject for change in back if change.kind == "removed"}
    )
