from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.errors import Finding
from optimizer.strategy.findings.brand import brand_findings, brand_section_findings
from optimizer.strategy.yaml.source import read_source

STRATEGY = """\
strategy: s
attributes:
  first_name: {type: text, max_length: 40}
  plan: {type: category, values: [Basic, Free]}
  vip: {type: boolean}
brand:
  banned_phrases: ["guaranteed", "risk-free"]
  required: {email: ["{{unsubscribe_url}}"]}
  requires_disclaimer: [{when: "free", then: "Terms apply"}]
  limits: {subject: 20, capitals: 0.3}
  link_domains: [acme.example]
  placeholders: [unsubscribe_url]
"""
CAMPAIGN = """\
campaign: c
channel: email
messages:
  - id: fine
    subject: "See what is new"
    body: "Hi {{first_name|there}} {{unsubscribe_url}}"
  - id: judged
"""


def of_campaign(message: str, *changes: tuple[str, str]) -> list[Finding]:
    strategy = STRATEGY
    for old, new in changes:
        assert strategy.count(old) == 1
        strategy = strategy.replace(old, new)
    campaign = read_source("c.yaml", CAMPAIGN + message)
    assert campaign.findings == ()
    return list(brand_findings(read_source("strategy.yaml", strategy), campaign))


def of_brand(*changes: tuple[str, str]) -> list[tuple[int, str, str, str]]:
    strategy = STRATEGY
    for old, new in changes:
        assert strategy.count(old) == 1
        strategy = strategy.replace(old, new)
    found = brand_section_findings(read_source("strategy.yaml", strategy))
    return [(finding.line, finding.key, finding.found, finding.allowed) for finding in found]


def test_words_within_the_rules_have_no_finding() -> None:
    assert of_campaign('    body: "Hello {{unsubscribe_url}}"\n') == []
    assert of_brand() == []


def test_a_finding_says_where_what_and_how_to_mend_it() -> None:
    (finding,) = of_campaign('    subject: "So Risk - Free"\n    body: "Terms apply. {{unsubscribe_url}}"\n')
    assert str(finding) == (
        "c.yaml:8:18: messages[1].subject: found Risk - Free; allowed words other than the banned phrase "
        '"risk-free": say it another way (at character 4)'
    )


@pytest.mark.parametrize(
    ("message", "line", "column"),
    [
        ("    body: guaranteed {{unsubscribe_url}}\n", 8, 11),
        ("    body: it is guaranteed {{unsubscribe_url}}\n", 8, 17),
        ("    body: 'is guaranteed {{unsubscribe_url}}'\n", 8, 15),
        ('    body: "is\\tguaranteed {{unsubscribe_url}}"\n', 8, 11),  # an escape: the beginning of the text
        ("    body: |\n      Hello\n\n      it is guaranteed\n      {{unsubscribe_url}}\n", 11, 13),
        ("    body: |-  # our words\n        guaranteed {{unsubscribe_url}}", 9, 9),
        ("    body: |2\n      x\n       guaranteed {{unsubscribe_url}}\n", 10, 8),
        ("    body: >\n      Hello\n      guaranteed {{unsubscribe_url}}\n", 8, 11),
        ("    body:\n      it is\n      guaranteed {{unsubscribe_url}}\n", 9, 7),
        ("    fields:\n      a.b: guaranteed\n      u: x {{unsubscribe_url}}\n", 9, 12),
    ],
)
def test_a_finding_points_at_the_words(message: str, line: int, column: int) -> None:
    (finding,) = of_campaign(message)
    assert (finding.line, finding.column) == (line, column)
    assert finding.found == "guaranteed"


def test_lines_that_end_as_on_windows_are_counted_right() -> None:
    text = (CAMPAIGN + "    body: |\n      Hello\n      so guaranteed\n      {{unsubscribe_url}}\n").replace(
        "\n", "\r\n"
    )
    (finding,) = brand_findings(read_source("s.yaml", STRATEGY), read_source("c.yaml", text))
    assert (finding.line, finding.column) == (10, 10)


@pytest.mark.parametrize("written", ["{first_name}", "{ first_name|x }", "{unsubscribe_url}"])
def test_a_placeholder_in_single_braces_is_found_before_somebody_is_sent_it(written: str) -> None:
    (finding,) = of_campaign(f'    subject: "Hi {written}"\n    body: "{{{{unsubscribe_url}}}}"\n')
    assert (finding.found, finding.line, finding.column) == (written, 8, 18)
    assert "two braces on either side, as in {{" in finding.allowed


def test_braces_around_other_words_are_no_placeholder() -> None:
    assert of_campaign('    body: "<style>p {color:red}</style> {name} {{unsubscribe_url}}"\n') == []


def test_nothing_is_missing_from_a_message_with_a_text_that_cannot_be_read() -> None:
    texts = '    subject: "free"\n    body: 5\n'
    assert of_campaign(texts) == []


def test_each_kind_of_rule_gives_its_finding() -> None:
    message = '    subject: "FREE https://evil.test for {{first_name}} {{x"\n'
    found = {(f.key, f.found) for f in of_campaign(message)}
    key = "messages[1].subject"
    assert found == {
        (key, "FREE"),
        (key, "31 characters"),
        (key, "https://evil.test"),
        (key, "no {{unsubscribe_url}}"),
        (key, "{{first_name}}"),
        (key, "{{x"),
    }


def test_without_a_brand_nothing_is_judged() -> None:
    start = STRATEGY.index("brand:")
    strategy = read_source("strategy.yaml", STRATEGY[:start])
    campaign = read_source("c.yaml", CAMPAIGN + "    body: guaranteed {{x}} {{y\n")
    assert list(brand_findings(strategy, campaign)) == []
    assert list(brand_section_findings(strategy)) == []


def test_a_declared_value_that_breaks_a_rule_is_named() -> None:
    (finding,) = of_campaign('    body: "Your {{plan|none}} plan, {{vip|no}} {{unsubscribe_url}}"\n')
    assert (finding.line, finding.column, finding.found) == (8, 17, "{{plan|none}}")
    assert finding.allowed == (
        '"Terms apply" somewhere in the message, as it says "free" (when plan is Free) (at character 6)'
    )
    (finding,) = of_campaign(
        '    subject: "{{vip|not}} yes"\n    body: "{{unsubscribe_url}}"\n', ('"guaranteed"', '"true yes"')
    )
    assert finding.allowed.endswith("(when vip is true) (at character 1)")


def test_a_rule_that_is_broken_whatever_the_value_is_said_once() -> None:
    (finding,) = of_campaign('    body: "guaranteed {{plan|none}} {{vip|no}} {{unsubscribe_url}}"\n')
    assert "(when" not in finding.allowed


def test_a_mistake_in_one_rule_does_not_hide_what_breaks_another() -> None:
    message = "    body: guaranteed {{nobody}} {{unsubscribe_url}}\n"
    for change in (
        ("{subject: 20, capitals: 0.3}", "12"),
        ("[acme.example]", "[https://acme.example]"),
        ("[{when", "[{wen"),
    ):
        assert [f.found for f in of_campaign(message, change)] == ["guaranteed", "{{nobody}}"]
    # Names that cannot be read may be the ones that are used.
    for change in (("[unsubscribe_url]", "[1]"), ("{type: boolean}", "{type: bool}")):
        assert [f.found for f in of_campaign(message, change)] == ["guaranteed"]


def test_what_cannot_be_read_is_not_judged() -> None:
    assert of_campaign("    subject: 5\n    fields: [guaranteed]\n") == []
    refused = read_source("c.yaml", CAMPAIGN + "    body: !!str guaranteed\n")
    assert refused.findings
    assert list(brand_findings(read_source("s.yaml", STRATEGY), refused)) == []
    strategy = read_source("s.yaml", STRATEGY)
    for campaign in ("messages: guaranteed", "messages: [guaranteed]", "x: y"):
        assert list(brand_findings(strategy, read_source("c.yaml", campaign))) == []


def test_rules_that_say_the_same_twice_are_found() -> None:
    assert of_brand(('"risk-free"]', '"risk-free",\n    "Risk Free"]')) == [
        (8, "brand.banned_phrases[2]", '"Risk Free"', "each one once, however it is written (first on line 7)")
    ]
    assert [f[1] for f in of_brand(("[acme.example]", "[acme.example, ACME.example]"))] == ["brand.link_domains[1]"]
    assert [f[1] for f in of_brand(("[unsubscribe_url]", "[unsubscribe_url, unsubscribe_url]"))] == [
        "brand.placeholders[1]"
    ]


def test_rules_that_contradict_each_other_are_found() -> None:
    (found,) = of_brand(('"{{unsubscribe_url}}"', '"{{unsubscribe_url}} Guaranteed!"'))
    assert found[1:] == (
        "brand.required.email[0]",
        '"{{unsubscribe_url}} Guaranteed!"',
        'words without "guaranteed", which is a banned phrase',
    )
    ((_, key, _, _),) = of_brand(("Terms apply", "it is risk-free"))
    assert key == "brand.requires_disclaimer[0].then"
    ((_, key, found_, allowed),) = of_brand(('"{{unsubscribe_url}}"', '"{{unsubscribe}}"'))
    assert (key, found_) == ("brand.required.email[0]", "{{unsubscribe}}")
    assert 'did you mean "unsubscribe_url"?' in allowed
    ((_, key, _, _),) = of_brand(("[unsubscribe_url]", "[unsubscribe_url, first_name]"))
    assert key == "brand.placeholders[1]"
    assert of_brand(('"{{unsubscribe_url}}"', '"{{unsubscribe_url}} {{first_name}}"')) == []


_PLAIN: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from(["free", "{{x", "a.b"])
)
_KEYS = st.sampled_from(["email", "when", "then", "subject", "fields", "body", "id"])


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return inner | st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3)


JSONS = _nested(_nested(_PLAIN))


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            ["banned_phrases", "required", "requires_disclaimer", "limits", "link_domains", "placeholders"]
        ),
        JSONS,
    ),
    st.lists(JSONS, max_size=3),
)
def test_whatever_is_written_gives_findings_and_no_error(brand: dict[str, Any], messages: list[Any]) -> None:
    import json

    strategy = read_source("strategy.yaml", json.dumps({"brand": brand}).replace("NaN", ".nan").replace("Inf", ".inf"))
    campaign = read_source("c.yaml", json.dumps({"channel": "email", "messages": messages}).replace("NaN", ".nan"))
    for finding in (*brand_section_findings(strategy), *brand_findings(strategy, campaign)):
        assert finding.line >= 1
        assert finding.column >= 1
        assert "\n" not in str(finding)
