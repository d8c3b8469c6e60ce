import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.strategy.texts.links import host_name, leads_to, links
from optimizer.strategy.texts.markup import Traced

# ruff: noqa: RUF001 - look-alikes are what this is about


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("see https://acme.example/x?y=1#z", "acme.example"),
        ("see HTTPS://ACME.Example:8443/", "acme.example"),
        ("see (https://shop.acme.example).", "shop.acme.example"),
        ("https://acme.example, or", "acme.example"),
        ("**https://acme.example**", "acme.example"),
        ("https://acme.example./x", "acme.example"),
        ("//acme.example/x.png", "acme.example"),
        ("https:acme.example", "acme.example"),
        ("https:////acme.example", "acme.example"),
        ("www.acme.example", "www.acme.example"),
        ("<a href = 'https://acme.example'>", "acme.example"),
        ("<img src=//acme.example/x.png>", "acme.example"),
        ("https://acme.example@evil.test/", "evil.test"),
        ("https://acme.example:pass@evil.test/", "evil.test"),
        ("https://acme.example%40evil.test/", ""),
        ("https://acme.example.evil.test", "acme.example.evil.test"),
        ("https://evil.test\\@acme.example", ""),
        ("https://acme.example\\@evil.test", ""),
        ("http:\\\\evil.test", "evil.test"),
        ("https://evil.test?acme.example", "evil.test"),
        ("https://evil.test#acme.example", "evil.test"),
        ("https://evil.test%2f.acme.example", ""),
        ("https://аcme.example", "xn--cme-5cd.example"),
        ("https://acme。example", ""),
        ("https://straße.example", "xn--strae-oqa.example"),
        ("https://münchen.example", "xn--mnchen-3ya.example"),
        ("https://[::1]/", ""),
        ("https://localhost/", ""),
        ('<a href="ht\ntps://evil.test">', "evil.test"),
        ('<a href="evil.test">', ""),
        ('<a href="javascript:alert(1)">', ""),
        ('<a href="{{x}}.evil.test">', ""),
        ("win at evil.com now", "evil.com"),
        ("xhttps://evil.test", "evil.test"),
        ("ftp://evil.test", "evil.test"),
    ],
)
def test_a_link_leads_where_browsers_go(text: str, host: str) -> None:
    (link,) = links(Traced.of(text))
    assert (link.host, link.has_placeholder) == (host, False)


@pytest.mark.parametrize(
    "text",
    [
        "black and//or white",
        "http: a protocol",
        "mailto:me@evil.com, write me@evil.com",
        '<a href="mailto:me@evil.com">',
        '<a href="tel:+15551234">',
        '<a href="#top">',
        '<a href="">',
        '<a href="{{unsubscribe_url}}">',
        '<a href="{{shop_url}}/sale">',
        "{{unsubscribe_url}}",
        "Node.js, e.g. 3.5",
        "me.com@evil.test",
        "app://product/5",
        "// a comment",
        "11//12",
    ],
)
def test_what_is_no_link_is_none(text: str) -> None:
    assert list(links(Traced.of(text))) == []


@pytest.mark.parametrize(
    "text",
    [
        "https://{{host}}/",
        "https://{{ host }}/x",
        "https://acme.example{{x}}/",
        "https://{{x}}.acme.example",
        "https://{{x}}@acme.example",
        "//{{host}}/x",
        '<a href="https://{{host}}">',
        "www.{{host}}",
    ],
)
def test_a_placeholder_where_a_host_belongs_is_seen(text: str) -> None:
    (link,) = links(Traced.of(text))
    assert link.has_placeholder


def test_a_placeholder_behind_the_host_is_fine() -> None:
    (link,) = links(Traced.of("https://acme.example/{{path}}?name={{name}}"))
    assert (link.host, link.has_placeholder) == ("acme.example", False)


def test_each_link_has_its_place() -> None:
    text = 'a https://a.test/x, <a href="//b.test">b</a> www.c.test!'
    found = [(link.host, text[link.start : link.end]) for link in links(Traced.of(text))]
    assert found == [("a.test", "https://a.test"), ("b.test", 'href="//b.test"'), ("www.c.test", "www.c.test!")]


def test_domains_cover_what_is_below_them_and_nothing_else() -> None:
    domains = ["acme.example", "acme.test"]
    for host in ("acme.example", "www.acme.example", "a.b.acme.test"):
        assert leads_to(host, domains)
    for host in ("", "example", "notacme.example", "acme.example.evil.test", "acme-example"):
        assert not leads_to(host, domains)


@pytest.mark.parametrize(
    "text", ["", "a", "a b.c", "a..b", "-a.b", "a-.b", "a_b.c", "https://a.b", "a.b/c", "a.b:80", "x" * 64 + ".a"]
)
def test_what_is_no_host_has_no_name(text: str) -> None:
    assert host_name(text) == ""


@given(st.text(alphabet="abev.@/\\:#?%{} \t\"'<>хéA0-", max_size=30))
def test_whatever_stands_after_a_scheme_leads_only_to_plain_hosts(rest: str) -> None:
    for link in links(Traced.of(f"https://{rest}")):
        assert link.host == host_name(link.host)
        assert link.host.isascii()


@given(st.text())
def test_any_text_has_links_within_it(text: str) -> None:
    for link in links(Traced.of(text)):
        assert 0 <= link.start < link.end <= len(text)
