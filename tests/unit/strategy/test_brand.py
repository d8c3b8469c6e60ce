"""How a brand's rules are written, and what is wrong with those that are not."""

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from optimizer.errors import Finding
from optimizer.strategy.brand import Brand
from optimizer.strategy.workspace import Workspace

FindingsOf = Callable[..., list[Finding]]
HOLDOUT = "holdout: {share: 0.05}"

# (the brand, column in its line, key within it, found, words of what is allowed)
MISTAKES = [
    ("{banned: [x]}", 9, ".banned", "banned", 'did you mean "banned_phrases"?'),
    ("{banned_phrases: x}", 25, ".banned_phrases", "x", "a list"),
    ('{banned_phrases: ["--"]}', 26, ".banned_phrases[0]", '"--"', "words: without letters and digits"),
    ('{banned_phrases: ["\u200b"]}', 26, ".banned_phrases[0]", '"\u200b"', "words: without letters and digits"),
    ("{required: [x]}", 19, ".required", "[x]", "names and values"),
    ("{required: {email: x}}", 27, ".required.email", "x", "a list"),
    ("{requires_disclaimer: [x]}", 31, ".requires_disclaimer[0]", "x", "from: when, then"),
    ("{requires_disclaimer: [{when: x}]}", 31, ".requires_disclaimer[0].then", "nothing", "required: what the message"),
    ("{limits: 5}", 17, ".limits", "5", "from: subject, body, fields"),
    ("{limits: {subject: 0}}", 27, ".limits.subject", "0", "1 or more"),
    ("{limits: {capitals: 30}}", 28, ".limits.capitals", "30", "1 or less"),
    ("{limits: {exclamations: -1}}", 32, ".limits.exclamations", "-1", "0 or more"),
    ("{limits: {headline: 5}}", 18, ".limits.headline", "headline", "one of: subject, body, fields"),
    ("{link_domains: [https://acme.example]}", 24, ".link_domains[0]", "https://acme.example", "a host name alone"),
    ("{link_domains: [acme.example/x]}", 24, ".link_domains[0]", "acme.example/x", "a host name alone"),
    ('{link_domains: ["acme.example:80"]}', 24, ".link_domains[0]", '"acme.example:80"', "a host name alone"),
    ("{link_domains: [localhost]}", 24, ".link_domains[0]", "localhost", "a host name alone"),
    ('{link_domains: ["*.acme.example"]}', 24, ".link_domains[0]", '"*.acme.example"', "a host name alone"),
    ('{placeholders: ["{{x}}"]}', 24, ".placeholders[0]", '"{{x}}"', "letters, digits"),
]


@pytest.mark.parametrize(("brand", "column", "key", "found", "allowed"), MISTAKES)
def test_a_mistake_in_a_rule_is_named_at_its_place(
    findings_of: FindingsOf, brand: str, column: int, key: str, found: str, allowed: str
) -> None:
    findings = findings_of(strategy=((HOLDOUT, f"{HOLDOUT}\nbrand: {brand}"),))
    (finding,) = (finding for finding in findings if finding.file == "strategy.yaml")
    assert (finding.line, finding.key, finding.found) == (21, f"brand{key}", found)
    assert finding.column == column
    assert allowed in finding.allowed


def test_every_rule_can_be_written(read: Callable[..., Workspace]) -> None:
    brand = """
brand:
  banned_phrases: ["guaranteed", "risk-free"]
  required: {sms: ["STOP"]}
  requires_disclaimer: [{when: "free", then: "Terms apply"}]
  limits: {subject: 60, body: 5000, fields: {image: 30}, capitals: 0.3, exclamations: 1}
  link_domains: [Acme.example]
  placeholders: [first_name, unsubscribe_url]"""
    read_brand = read(strategy=((HOLDOUT, HOLDOUT + brand),)).strategy.brand
    assert read_brand is not None
    assert read_brand.link_domains == ("acme.example",)
    fields = ("subject", "body", "fields.image", "fields.body", "image")
    assert [read_brand.limits.length_of(field) for field in fields] == [60, 5000, 30, None, None]


def test_no_link_domains_and_any_are_not_the_same() -> None:
    assert Brand().link_domains is None
    assert Brand(link_domains=()).link_domains == ()


def test_a_foreign_domain_is_written_as_its_script_or_encoded() -> None:
    with pytest.raises(ValidationError):
        Brand(link_domains=("münchen example",))
    assert Brand(link_domains=("München.example",)).link_domains == ("xn--mnchen-3ya.example",)
    assert Brand(link_domains=("xn--mnchen-3ya.example",)).link_domains == ("xn--mnchen-3ya.example",)
