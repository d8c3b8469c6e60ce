"""What marketers get wrong: the place and the words of each finding."""

# ruff: noqa: E501 - a table reads best with a row on a line

from collections.abc import Callable

import pytest

from optimizer.errors import DocumentError, Finding
from optimizer.strategy.workspace import read_workspace

FindingsOf = Callable[..., list[Finding]]

# (what stands in the sample, what a marketer wrote, line:column, key, found, words of what is allowed)
IN_STRATEGY = [
    ("currency: USD", "curency: USD", "3:1", "curency", "curency", 'did you mean "currency"?'),
    ("currency: USD\n", "", "1:1", "currency", "nothing", "required: ISO 4217"),
    ("currency: USD", "currency: usd", "3:11", "currency", "usd", "three capital letters"),
    ("strategy: acme-retail", "strategy: Acme Retail", "1:11", "strategy", "Acme Retail", "lower-case"),
    ("strategy: acme-retail", "strategy: nothing", "1:11", "strategy", "nothing", "another id"),
    ("strategy: acme-retail", "strategy: 2024", "1:11", "strategy", "2024", "in quotes"),
    ("America/New_York", "America/NewYork", "4:12", "time_zone", "America/NewYork", '"America/New_York"?'),
    ("America/New_York", "[x]", "4:12", "time_zone", "[x]", "IANA"),
    ("id: clicks", "id: repeat_purchase", "11:9", "objectives[1].id", "repeat_purchase", "first on line 6"),
    ("P7D", "P3M", "9:25", "objectives[0].attribution_window", "P3M", "P30D"),
    ("P7D", "P1Y", "9:25", "objectives[0].attribution_window", "P1Y", "days"),
    ("P7D", "7 days", "9:25", "objectives[0].attribution_window", "7 days", "such as P7D"),
    ("P7D", "PT59S", "9:25", "objectives[0].attribution_window", "PT59S", "from PT1M to P366D"),
    ("P7D", "P367D", "9:25", "objectives[0].attribution_window", "P367D", "from PT1M to P366D"),
    ("P7D", "P999999999W", "9:25", "objectives[0].attribution_window", "P999999999W", "such as P7D"),
    ("value: first", "value: frist", "8:40", "objectives[0].reward.value", "frist", "one of: first, count"),
    ("value: first", "value: amounts", "8:40", "objectives[0].reward.value", "amounts", 'did you mean "amount"?'),
    ("value: first", "value: first, at_most: 500 USD", "8:47", "objectives[0].reward.at_most", "at_most", "only with value amount"),
    ("floor: 0.04", "delay: {median: 3 days}", "21:35", "policy_defaults.delay.median", "3 days", "such as P3D"),
    ("floor: 0.04", "delay: late", "21:26", "policy_defaults.delay", "late", "one of: estimated, ignored"),
    ("floor: 0.04", "attributes: [dayz]", "21:32", "policy_defaults.attributes[0]", "dayz", 'did you mean "days"?'),
    ("floor: 0.04", "alarms: [change, change]", "21:36", "policy_defaults.alarms[1]", "change", "each one once"),
    ("floor: 0.04", "warm_start: {campaign: winback}", "21:19", "policy_defaults.warm_start", "warm_start", "in its own policy"),
    ("holdout: {share: 0.05}", "hygiene: {fastest: 2}", "20:20", "hygiene.fastest", "2", "an ISO 8601 duration"),
    ("holdout: {share: 0.05}", "hygiene: {honeypot: purchase}", "20:21", "hygiene.honeypot", "purchase", "an outcome of its own"),
    ("holdout: {share: 0.05}", "hygiene: {machine_kinds: [opened]}", "20:11", "hygiene.machine_kinds", "machine_kinds", "only with fastest or honeypot"),
    ("outcome: purchase", "outcome: Purchase!", "8:23", "objectives[0].reward.outcome", "Purchase!", "such as purchase"),
    (", value: first", "", "8:13", "objectives[0].reward.value", "nothing", "required"),
    ("reward: {outcome: clicked, value: count}", "reward: clicked", "12:13", "objectives[1].reward", "clicked", "outcome"),
    ("counts_from: delivered", "counts_from: sent", "10:18", "objectives[0].counts_from", "sent", "delivered, opened"),
    ("{type: boolean, why", "{type: bool, why", "17:22", "attributes.newsletter.type", "bool", '"boolean"?'),
    ("{type: boolean, why", "{why", "17:15", "attributes.newsletter.type", "nothing", "category, number, boolean"),
    ("{type: boolean, why: They asked for it}", "boolean", "17:15", "attributes.newsletter", "boolean", "{type: boolean}"),
    ("values: [US, CA, GB]", "values: []", "15:37", "attributes.country.values", "[]", "at least 1"),
    ("values: [US, CA, GB]", "values: US", "15:37", "attributes.country.values", "US", "a list"),
    ("[US, CA, GB]", "[US, CA, US]", "15:46", "attributes.country.values[2]", "US", "each one once"),
    ("[US, CA, GB]", "[US, CA, 1]", "15:46", "attributes.country.values[2]", "1", "in quotes"),
    ("[US, CA, GB]", "[1]", "15:38", "attributes.country.values[0]", "1", "in quotes"),
    ("minimum: 0,", "minimum: zero,", "16:33", "attributes.days.minimum", "zero", "a number"),
    ("minimum: 0,", "minimum: true,", "16:33", "attributes.days.minimum", "true", "a number"),
    ("minimum: 0,", "minimum: .nan,", "16:33", "attributes.days.minimum", ".nan", "infinite"),
    ("maximum: 5000", "maximum: -1", "16:45", "attributes.days.maximum", "-1", "a number of 0 or more"),
    ("  age: {type", "  Age Band: {type", "18:3", "attributes.Age Band", "Age Band", "lower-case"),
    ("sensitive: true", "sensitive: yes", "18:62", "attributes.age.sensitive", "yes", "true or false"),
    ("required: false", "required: 0", "19:22", "approval.required", "0", "true or false"),
    ("{share: 0.05}", "{share: 0.51}", "20:18", "holdout.share", "0.51", "0.5 or less"),
    ("{share: 0.05}", "{share: 5%}", "20:18", "holdout.share", "5%", "a number"),
    ("{share: 0.05}", "0.05", "20:10", "holdout", "0.05", "keys and values, from: share"),
    ("floor: 0.04", "floor: 0.04, cap: 0.03", "21:37", "policy_defaults.cap", "0.03", "0.04 or more: the floor"),
    ("floor: 0.04", "floor: .inf", "21:26", "policy_defaults.floor", ".inf", "a number"),
    ("half_life: P30D", "half_life: soon", "21:43", "policy_defaults.half_life", "soon", "P7D"),
    ("holdout: {share: 0.05}", "budgets: {total: 5}", "20:1", "budgets", "budgets", "one of: strategy"),
]  # fmt: skip
IN_CAMPAIGN = [
    ("serves: repeat_purchase", "serves: repeat", "2:9", "serves", "repeat", "one of: repeat_purchase, clicks"),
    ("serves: repeat_purchase", "serves: click", "2:9", "serves", "click", 'did you mean "clicks"?'),
    ("channel: email\n", "", "1:1", "channel", "nothing", "required"),
    ("starts: 2026-12-01", "starts: 2027-12-01", "7:7", "ends", "2027-01-15", "after 2027-12-01"),
    ("starts: 2026-12-01", "starts: 1 December", "6:9", "starts", "1 December", "such as 2026-12-01"),
    ("starts: 2026-12-01", "starts: 2026-02-30", "6:9", "starts", "2026-02-30", "such as 2026-02-28: February 2026 has 28 days"),
    ("starts: 2026-12-01", "starts: 20261201", "6:9", "starts", "20261201", "such as 2026-12-01"),
    ("starts: 2026-12-01", "starts: 2026-12-01T09:00:00", "6:9", "starts", "2026-12-01T09:00:00", "its offset"),
    ('    subject: "We', '    subjct: "We', "10:5", "messages[0].subjct", "subjct", 'did you mean "subject"?'),
    ("    notes: legal", "    <nothing>: legal", "12:5", "messages[0].<nothing>", "<nothing>", "one of: id, subject"),
    ('"We saved you 10%"', "10", "10:14", "messages[0].subject", "10", "in quotes"),
    ('"We saved you 10%"', '" "', "10:14", "messages[0].subject", '" "', "not blank"),
    ("targetings:", "  - {id: new-arrivals, body: x}\ntargetings:", "16:10", "messages[2].id", "new-arrivals", "first on line 13"),
    ("    subject: See what is new\n    fields: {image: hero.png}\n", "", "13:5", "messages[1].subject", "nothing", "at least one of"),
    ("fields: {image: hero.png}", "fields: {}", "15:13", "messages[1].fields", "{}", "at least 1"),
    ("fields: {image: hero.png}", "fields: {a b: x}", "15:14", "messages[1].fields.a b", "a b", "letters, digits"),
    ("id: evening", "id: morning", "18:10", "targetings[1].id", "morning", "first on line 17"),
    ("[lapsed, everyone-else]", "[lapsd]", "18:35", "targetings[1].only_segments[0]", "lapsd", '"lapsed"?'),
    ("[lapsed, everyone-else]", "[]", "18:34", "targetings[1].only_segments", "[]", "at least 1"),
    ("[lapsed, everyone-else]", "[lapsed, lapsed]", "18:43", "targetings[1].only_segments[1]", "lapsed", "each one once"),
    ("everyone_else: include", "everyone_else: exclude", "18:43", "targetings[1].only_segments[1]", "everyone-else", "one of: loyal, lapsed"),
    ("everyone_else: include", "everyone_else: maybe", "26:16", "everyone_else", "maybe", "one of: include, exclude"),
    ("{message: new-arrivals,", "{message: new,", "19:20", "control.message", "new", "ten-percent, new-arrivals"),
    ("targeting: morning}", "targeting: noon}", "19:45", "control.targeting", "noon", "morning, evening"),
    (", targeting: morning}", "}", "19:10", "control.targeting", "nothing", "the campaign has targetings"),
    ("control: {message: new-arrivals, targeting: morning}", "control: new-arrivals", "19:10", "control", "new-arrivals", "nothing, or keys"),
    ("control: {message: new-arrivals, targeting: morning}\n", "", "1:1", "control", "nothing", "holds recipients out"),
    ("id: loyal", "id: everyone-else", "21:9", "segments[0].id", "everyone-else", "another id"),
    ("id: loyal", "id: lapsed", "24:9", "segments[1].id", "lapsed", "first on line 21"),
    ("newsletter: true", "newsleter: true", "23:46", "segments[0].when.newsleter", "newsleter", '"newsletter"?'),
    ("newsletter: true", "newsletter: yes", "23:58", "segments[0].when.newsletter", "yes", "true or false"),
    ("newsletter: true", "newsletter: {at_least: 1}", "23:59", "segments[0].when.newsletter.at_least", "at_least", "is a boolean"),
    ("newsletter: true", "newsletter: {}", "23:58", "segments[0].when.newsletter", "{}", "one of: is"),
    ("newsletter: true", "newsletter: [true]", "23:58", "segments[0].when.newsletter", "[true]", "one value such as"),
    ("newsletter: true", "age: 25+", "23:46", "segments[0].when.age", "age", "not sensitive"),
    ("newsletter: true", "country: 1", "23:55", "segments[0].when.country", "1", "one of: US, CA, GB"),
    ("newsletter: true", "country: USA", "23:55", "segments[0].when.country", "USA", 'did you mean "US"?'),
    ("{in: [US, CA]}", "{in: [US, FR]}", "25:53", "segments[1].when.country.in[1]", "FR", "one of: US, CA, GB"),
    ("{in: [US, CA]}", "{not_in: [US, CA, GB]}", "25:43", "segments[1].when.country", "{not_in: [US, CA, GB]}", "at least one recipient"),
    ("{at_least: 90, below: 400}", "{at_least: 90, below: 90}", "23:18", "segments[0].when.days", "{at_least: 90, below: 90}", "at least one recipient"),
    ("{at_least: 90, below: 400}", "{at_least: 90, at_most: 80}", "23:18", "segments[0].when.days", "{at_least: 90, at_most: 80}", "at least one recipient"),
    ("{at_least: 90, below: 400}", "{at_least: -1}", "23:29", "segments[0].when.days.at_least", "-1", "from 0 to 5000"),
    ("{at_least: 90, below: 400}", "{at_lest: 90}", "23:19", "segments[0].when.days.at_lest", "at_lest", '"at_least"?'),
    ("{at_least: 90, below: 400}", "{below: 0}", "23:18", "segments[0].when.days", "{below: 0}", "at least one recipient can meet"),
    ('"We saved you 10%"', "Our #1 boots", "10:14", "messages[0].subject", "#1 boots", "in quotes: after a space, # begins a comment"),
    ("{at_least: 90, below: 400}", "ninety", "23:18", "segments[0].when.days", "ninety", "from 0 to 5000"),
    ("when: {days: {at_least: 90}, country", "when: {days: {at_least: 90, below: 300}, newsletter: true, country", "25:5", "segments[1].when", "when", "segment loyal on line 21"),
    ("when: {days: {at_least: 90}, country: {in: [US, CA]}}", "when: {}", "25:11", "segments[1].when", "{}", "at least 1"),
    ("when: {days: {at_least: 90}, country: {in: [US, CA]}}", "when: days > 90", "25:11", "segments[1].when", "days > 90", "names and values"),
    ("cap: 0.9", "cap: 0.2", "27:15", "policy.cap", "0.2", "a cap of 0.25 or more for 4 variants"),
    ("cap: 0.9", "cap: 0", "27:15", "policy.cap", "0", "above 0"),
    ("cap: 0.9", "floor: 0.26", "27:17", "policy.floor", "0.26", "a floor of 0.25 or less for 4 variants"),
    ("cap: 0.9", "model: hierarchic", "27:17", "policy.model", "hierarchic", 'did you mean "hierarchical"?'),
    ("cap: 0.9", "model: hurdle", "27:17", "policy.model", "hurdle", "another model, as repeat_purchase has the value first"),
    ("cap: 0.9", "model: contextual", "27:17", "policy.model", "contextual", "with the key attributes beside it"),
    ("cap: 0.9", "model: contextual, attributes: [age]", "27:42", "policy.attributes[0]", "age", "not sensitive"),
    ("cap: 0.9", "model: contextual, attributes: [days], interactions: [[days]]", "27:64", "policy.interactions[0]", "[days]", "a pair of attributes"),
    ("cap: 0.9", "attributes: [days]", "27:10", "policy.attributes", "attributes", "with the model contextual only"),
    ("cap: 0.9", "period: P1D", "27:10", "policy.period", "period", "with the model hierarchical only"),
    ("cap: 0.9", "refit: PT15M", "27:10", "policy.refit", "refit", "with the model contextual only"),
    ("cap: 0.9", "delay: P3D", "27:17", "policy.delay", "P3D", "how late half of the rewards come: {median: P3D}"),
    ("cap: 0.9", "delay: 3", "27:17", "policy.delay", "3", "one of: estimated, ignored"),
    ("cap: 0.9", "delay: {}", "27:17", "policy.delay.median", "nothing", "required: half of the rewards"),
    ("cap: 0.9", "top_two: 1.5", "27:19", "policy.top_two", "1.5", "1 or less"),
    ("cap: 0.9", "top_two: 0,5", "27:21", "policy.5", "5", "a decimal point: 0.5"),
    ("cap: 0.9", "minimum_trials: 0.5", "27:26", "policy.minimum_trials", "0.5", "a whole number"),
    ("cap: 0.9", "minimum_trials: 1,000", "27:28", "policy.000", "000", "1000, or a decimal point: 1.000"),
    ("cap: 0.9", "largest_change: 0", "27:26", "policy.largest_change", "0", "above 0"),
    ("cap: 0.9", "alarms: [collaps]", "27:19", "policy.alarms[0]", "collaps", 'did you mean "collapse"?'),
    ("cap: 0.9", "alarms: none", "27:18", "policy.alarms", "none", "or [] for nothing"),
    ("cap: 0.9", "warm_start: {campaign: winback}", "27:33", "policy.warm_start.campaign", "winback", "another campaign"),
    ("cap: 0.9", "warm_start: {variants: {ten-percent: {trials: 9, successes: 1}}}", "27:34", "policy.warm_start.variants.ten-percent", "ten-percent", 'did you mean "ten-percent:'),
    ("notes: legal said yes", "retired: 1", "12:14", "messages[0].retired", "1", "true or false"),
    ("{id: morning,", "{id: morning, retired: true,", "19:45", "control.targeting", "morning", "one of the targetings that is not retired"),
    ("PT5M", "P2D", "27:29", "policy.refresh", "P2D", "from PT1S to P1D"),
    ("successes: 2,", "successes: 0,", "27:54", "policy.prior.successes", "0", "0.01 or more"),
    ("successes: 2, ", "", "27:42", "policy.prior.successes", "nothing", "required"),
    ("{share: 0.1}", "{share: -0.1}", "28:18", "holdout.share", "-0.1", "0 or more"),
]  # fmt: skip


def check(findings: list[Finding], file: str, *said: str) -> None:
    position, key, found, words = said
    assert len(findings) == 1, "\n".join(map(str, findings))
    finding = findings[0]
    assert (finding.file, f"{finding.line}:{finding.column}") == (file, position)
    assert (finding.key, finding.found) == (key, found)
    assert words in finding.allowed
    assert str(finding) == f"{file}:{position}: {key}: found {found}; allowed {finding.allowed}"


@pytest.mark.parametrize(("right", "wrong", "position", "key", "found", "words"), IN_STRATEGY)
def test_a_mistake_in_the_strategy_is_named_at_its_place(
    findings_of: FindingsOf, right: str, wrong: str, position: str, key: str, found: str, words: str
) -> None:
    check(findings_of(strategy=((right, wrong),)), "strategy.yaml", position, key, found, words)


@pytest.mark.parametrize(("right", "wrong", "position", "key", "found", "words"), IN_CAMPAIGN)
def test_a_mistake_in_a_campaign_is_named_at_its_place(
    findings_of: FindingsOf, right: str, wrong: str, position: str, key: str, found: str, words: str
) -> None:
    findings = findings_of(campaign=((right, wrong),))
    check(findings, "campaigns/winback.yaml", position, key, found, words)


def test_the_sample_has_no_mistake(findings_of: FindingsOf) -> None:
    assert findings_of() == []


def test_all_mistakes_of_all_files_come_at_once(findings_of: FindingsOf) -> None:
    findings = findings_of(
        strategy=(("currency: USD", "currency: usd"), ("P7D", "P1M"), ("why: Grow", "y: Grow")),
        campaign=(
            ("serves: repeat_purchase", "serves: nobody"),
            ('    subject: "We', '    subjct: "We'),
            ("{in: [US, CA]}", "{in: [FR]}"),
            ("ends: 2027", "ends: 2025"),
            ("{message: new-arrivals,", "{message: none,"),
            ("cap: 0.9", "cap: 0.2"),
        ),
    )
    assert [(f.file[:4], f.line) for f in findings] == [
        *(("camp", line) for line in (2, 7, 10, 19, 25, 27)),
        *(("stra", line) for line in (2, 3, 9)),
    ]


def test_a_syntax_error_in_one_file_does_not_hide_mistakes_in_another(strategy_text: str, campaign_text: str) -> None:
    with pytest.raises(DocumentError) as raised:
        read_workspace({"strategy.yaml": "a: 'b", "campaigns/a.yaml": campaign_text.replace("email", "E-Mail!")})
    assert [f.file for f in raised.value.findings] == ["campaigns/a.yaml", "strategy.yaml"]


def test_a_missing_strategy_is_a_finding(campaign_text: str) -> None:
    with pytest.raises(DocumentError, match=r"strategy\.yaml:1:1: the file: found nothing; allowed a strategy"):
        read_workspace({"campaigns/winback.yaml": campaign_text})


def test_a_file_that_would_be_ignored_is_a_finding(strategy_text: str, campaign_text: str) -> None:
    for file in ("campaign/winback.yaml", "campaigns/winback.yml", "winback.yaml", "campaigns/a/b.yaml"):
        with pytest.raises(DocumentError, match=r"allowed strategy\.yaml, and campaigns as campaigns/NAME\.yaml"):
            read_workspace({"strategy.yaml": strategy_text, file: campaign_text})


def test_campaign_ids_are_unique_across_files(strategy_text: str, campaign_text: str) -> None:
    with pytest.raises(DocumentError) as raised:
        read_workspace(
            {"strategy.yaml": strategy_text, "campaigns/a.yaml": campaign_text, "campaigns/b.yaml": campaign_text}
        )
    assert str(raised.value) == (
        "campaigns/b.yaml:1:11: campaign: found winback; allowed an id of its own: campaigns/a.yaml has this one"
    )


def test_control_is_only_needed_when_somebody_is_held_out(findings_of: FindingsOf) -> None:
    without = ("control: {message: new-arrivals, targeting: morning}\n", "")
    own, all_campaigns = ("{share: 0.1}", "{share: 0}"), ("{share: 0.05}", "{share: 0}")
    assert findings_of((all_campaigns,), (without, own)) == []
    assert "strategy.yaml holds" in findings_of((), (without, own))[0].allowed
    assert "the campaign holds" in findings_of((all_campaigns,), (without,))[0].allowed
    nothing = ("control: {message: new-arrivals, targeting: morning}", "control: nothing")
    assert findings_of((), (nothing,)) == []


def test_control_names_no_targeting_when_there_is_none(findings_of: FindingsOf, campaign_text: str) -> None:
    start, end = campaign_text.index("targetings:"), campaign_text.index("control:")
    found = findings_of(campaign=((campaign_text[start:end], ""),))
    assert [(f.line, f.column, f.key) for f in found] == [(16, 34, "control.targeting")]
    assert "no targetings" in found[0].allowed


def test_more_variants_than_can_be_learned_about_are_refused(findings_of: FindingsOf) -> None:
    for n_targetings, refused in ((25, False), (26, True)):
        more = "".join(f"  - {{id: t{index}}}\n" for index in range(n_targetings - 2))
        findings = findings_of(strategy=(("floor: 0.04", "floor: 0.0"),), campaign=(("control:", f"{more}control:"),))
        assert [f.found for f in findings] == (["52 variants"] if refused else [])


def test_more_than_fifty_messages_are_refused(findings_of: FindingsOf) -> None:
    more = "".join(f"  - {{id: m{index}, body: x}}\n" for index in range(49))
    findings = findings_of(campaign=(("targetings:", f"{more}targetings:"), ("cap: 0.9", "floor: 0")))
    assert [f.allowed for f in findings if f.key == "messages"] == ["at most 50 of them"]


def test_bounds_from_the_strategy_are_judged_where_the_campaign_can_change(findings_of: FindingsOf) -> None:
    findings = findings_of(strategy=(("floor: 0.04", "floor: 0.3"),))
    assert [(f.file, f.line, f.found) for f in findings] == [
        ("campaigns/winback.yaml", 8, "a floor of 0.3 in strategy.yaml, or as the default")
    ]
    findings = findings_of(strategy=(("floor: 0.04", "floor: 0.2"),), campaign=(("cap: 0.9", "cap: 0.1"),))
    assert {f.allowed for f in findings} >= {"a number of 0.2 or more: the floor"}


def test_the_bound_that_is_named_is_one_that_fits(findings_of: FindingsOf) -> None:
    six = ("control:", "  - {id: noon}\ncontrol:")
    for key, bound in (("floor", "0.1666"), ("cap", "0.1667")):
        refused = findings_of(campaign=(six, ("cap: 0.9", f"{key}: 0.16{'7' if key == 'floor' else '6'}")))
        assert f"a {key} of {bound} or" in refused[0].allowed
        assert findings_of(campaign=(six, ("cap: 0.9", f"{key}: {bound}"))) == []


def test_fifty_variants_at_the_default_floor_fit_exactly(findings_of: FindingsOf) -> None:
    more = "".join(f"  - {{id: t{index}}}\n" for index in range(23))
    strategy = (("floor: 0.04, ", ""),)
    assert findings_of(strategy=strategy, campaign=(("control:", f"{more}control:"),)) == []


@pytest.mark.parametrize(
    ("earlier", "later", "shadowed"),
    [
        ("country: US", "country: {is: US}", True),
        ("country: US", "country: {in: [US]}", True),
        ("country: {in: [US, CA]}", "country: {not_in: [GB, CA]}", True),
        ("country: {in: [US, CA]}", "country: {not_in: [GB]}, newsletter: true", True),
        ("country: US", "country: CA", False),
        ("country: US, newsletter: true", "country: US", False),
        ("days: {above: 5}", "days: {at_least: 5}", False),
        ("days: {at_least: 5}", "days: {above: 5}", True),
        ("days: {at_least: 5}", "days: 5", True),
        ("days: {below: 5}", "days: {at_most: 5}", False),
        ("days: {at_least: 1, at_most: 9}", "days: {above: 1, below: 9}", True),
    ],
)
def test_a_segment_nobody_can_reach_is_refused(
    findings_of: FindingsOf, campaign_text: str, earlier: str, later: str, shadowed: bool
) -> None:
    start, end = campaign_text.index("segments:\n"), campaign_text.index("everyone_else:")
    segments = f"segments:\n  - {{id: a, when: {{{earlier}}}}}\n  - {{id: lapsed, when: {{{later}}}}}\n"
    findings = findings_of(campaign=((campaign_text[start:end], segments),))
    assert ["segment a on line 21" in f.allowed for f in findings] == ([True] if shadowed else [])


def test_a_value_with_a_finding_is_not_judged_twice(findings_of: FindingsOf) -> None:
    for wrong in ("currency:", "currency: &x USD", "currency: !!str usd", "currency: *x", "currency: ~"):
        assert len(findings_of(strategy=(("currency: USD", wrong),))) == 1
    assert len(findings_of(campaign=(("newsletter: true", "newsletter:"),))) == 1
    assert len(findings_of(campaign=(("newsletter: true", "newsletter: {is: }"),))) == 1
    assert len(findings_of(campaign=(("{at_least: 90, below: 400}", "{at_least: , below: 400}"),))) == 1


def test_names_in_findings_stay_on_one_line(findings_of: FindingsOf) -> None:
    odd = (("[US, CA, GB]", '["US", "C\\n A", "' + "x" * 150 + '"]'),)
    findings = findings_of(strategy=odd)
    assert findings
    assert all("\n" not in str(finding) and len(finding.allowed) < 200 for finding in findings)
