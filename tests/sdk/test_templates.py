"""The templates of the pages of Braze, Iterable and Customer.io, rendered against a live server, do what the pages say.

Their engines are not to be had; Liquid and Handlebars are. What those systems add, a tag that fetches, one that aborts,
a helper that skips, is added here as they describe it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import liquid
import pytest
from liquid.ast import Node
from liquid.token import TOKEN_EXPRESSION, TOKEN_TAG
from pybars import Compiler

from optimizer.web.desk import Desk
from optimizer.web.protocols import fetching

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "integrations"
STARTER = ROOT / "src" / "optimizer" / "cli" / "starter"
PLACE = "https://optimizer.example.com"
NAME = 'Ann & "Bo" <b>'


def template(page: str, kind: str) -> str:
    found = re.findall(rf"^```{kind}\n(.*?)^```", (PAGES / page).read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert len(found) == 1, f"{page} has {len(found)} blocks of {kind}"
    return str(found[0])


class Skipped(Exception):
    """Nothing is sent to this person."""


@dataclass
class Shown(HTMLParser):
    """What a person sees of a mail, and where its links lead."""

    text: str = ""
    links: list[str] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name == "href"]


def shown(mail: str) -> Shown:
    parser = Shown()
    parser.feed(mail)
    return parser


@pytest.fixture
def shop(
    deploy: Callable[..., Any], new_database: Callable[[str], str], serve: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """What `make serve` serves, with words that need escaping, on a machine that may be busy."""
    monkeypatch.setattr(fetching, "DECIDING_SECONDS", 30.0)
    files = {
        str(path.relative_to(STARTER)): path.read_text("utf-8").replace(
            'body: "Hi {{first_name}}', 'body: "<{{first_name}}>'
        )
        for path in (STARTER / "strategy.yaml", STARTER / "campaigns" / "winback.yaml")
    }
    with serve(deploy(new_database("sqlite")), files) as service:
        for message in ("ten-percent", "new-arrivals", "we-miss-you"):
            service.house().approve("winback", message)
        yield service


# ---------------------------------------------------------------- Liquid, as Braze has it


class _Raw(Node):
    """A tag that reads its own arguments."""

    def __init__(self, token: Any, arguments: str, run: Callable[[Any, str], None]) -> None:
        super().__init__(token)
        self._arguments, self._run = arguments, run

    def render_to_output(self, context: Any, buffer: Any) -> int:  # noqa: ARG002
        self._run(context, self._arguments)
        return 0


def tag_of(environment: liquid.Environment, name_: str, run: Callable[[Any, str], None]) -> None:
    class Raw(liquid.Tag):
        name = name_
        block = False

        def parse(self, stream: Any) -> Node:
            token = stream.eat(TOKEN_TAG)
            has_arguments = stream.current.kind == TOKEN_EXPRESSION
            return _Raw(token, stream.current.value if has_arguments else "", run)

    environment.add_tag(Raw)


@dataclass
class Braze:
    """Renders messages for a person, with what is stored of them."""

    site: Any
    extras: dict[str, str] = field(default_factory=dict)
    asked: list[httpx.Response] = field(default_factory=list)

    def render(self, text: str, person: Mapping[str, Any]) -> str:
        environment = liquid.Environment()
        environment.add_filter("url_param_escape", lambda value: quote(str(value), safe=""))
        tag_of(environment, "connected_content", self._connected_content)
        tag_of(environment, "abort_message", self._abort)
        tag_of(environment, "message_extras", self._extra)
        self.environment = environment
        # Its attributes are written ${name}, which no other Liquid knows.
        return environment.from_string(re.sub(r"\$\{(\w+)\}", r"\1", text)).render(**person)

    def _filled(self, context: Any, text: str) -> str:
        return self.environment.from_string(text).render(**{**context.globals, **context.locals})

    def _connected_content(self, context: Any, arguments: str) -> None:
        url, *options = re.split(r"\s+:", self._filled(context, arguments))
        said = dict(option.strip().split(" ", 1) for option in options)
        assert said["basic_auth"] == "optimizer"
        assert url.startswith(f"{PLACE}/v1/decide/"), url
        answer = httpx.get(url.replace(PLACE, self.site.url), auth=(self.site.key, "any"), timeout=30)
        self.asked.append(answer)
        context.assign(said["save"], answer.json() if answer.status_code == 200 else None)

    def _abort(self, _context: Any, arguments: str) -> None:
        raise Skipped(arguments)

    def _extra(self, context: Any, arguments: str) -> None:
        _, key, _, value = self._filled(context, arguments).split()
        self.extras[key] = value


def person(**changed: Any) -> dict[str, Any]:
    stored = {
        "user_id": "braze|4711+a/b=c",
        "first_name": NAME,
        "country": "US",
        "set_user_to_unsubscribed_url": "https://braze.example/u?a=1&b=2",
        "custom_attribute": {"days_since_purchase": 120},
        "campaign": {"dispatch_id": "4a1b:2c"},
    }
    return {**stored, **changed}


def outcomes(shop: Any, decision_id: str) -> Any:
    return shop.client.get(f"/v1/decisions/{decision_id}").json()


def test_braze_shows_the_words_of_the_decision_and_its_id_comes_back(shop: Any) -> None:
    braze = Braze(shop)
    mail = shown(braze.render(template("braze.md", "liquid"), person()))
    flat = braze.asked[0].json()
    assert flat["segment"] == "lapsed"
    words = (
        flat["body"].replace("{{first_name}}", NAME).replace("{{unsubscribe_url}}", "https://braze.example/u?a=1&b=2")
    )
    assert words in mail.text
    assert mail.tags == {"p", "a"}, "words and names are escaped"
    (link,) = mail.links
    (decision_id,) = parse_qs(urlsplit(link).query)["decision_id"]
    assert decision_id == flat["decision_id"] == braze.extras["decision_id"]
    report = {"decision_id": decision_id, "occurred_at": outcomes(shop, decision_id)["decision"]["decided_at"]}
    for kind in ("delivered", "purchase"):
        one = shop.client.post("/v1/outcomes", json={**report, "event_id": kind, "kind": kind}).json()["outcomes"][0]
        assert one["status"] == "accepted"
    assert outcomes(shop, decision_id)["reward"] == 1


def test_braze_renders_each_part_of_a_mail_and_a_preview_alike(shop: Any) -> None:
    braze, text = Braze(shop), template("braze.md", "liquid")
    assert braze.render(text, person()) == braze.render(text, person())
    subject = text[: text.index("{% message_extras")] + "{{ optimizer.subject }}"
    assert braze.render(subject, person()).strip() == braze.asked[0].json()["subject"]
    preview = person(campaign={}, first_name=None)
    assert "there" in shown(braze.render(text, preview)).text
    assert braze.asked[-1].json()["decision_id"] != braze.asked[0].json()["decision_id"]
    assert shop.counts()["decisions"] == 2


@pytest.mark.parametrize(
    ("changed", "reason"),
    [({"country": None, "custom_attribute": {}}, "outside_audience"), ({"country": "FR"}, "outside_audience")],
)
def test_braze_aborts_where_a_guardrail_forbids_it(shop: Any, changed: dict[str, Any], reason: str) -> None:
    braze = Braze(shop)
    with pytest.raises(Skipped, match="nothing to send"):
        braze.render(template("braze.md", "liquid"), person(**changed))
    assert braze.asked[0].json()["reason"] == reason


@pytest.mark.parametrize("trouble", ["nobody", "a wrong key", "an empty ledger"])
def test_braze_aborts_when_there_is_no_answer(shop: Any, trouble: str, monkeypatch: pytest.MonkeyPatch) -> None:
    braze, who = Braze(shop), person()
    if trouble == "nobody":
        who["user_id"] = ""
    elif trouble == "a wrong key":
        braze.site = type("Site", (), {"url": shop.url, "key": "opt_live_wrong"})
    else:

        async def nothing(*_: object) -> None:
            raise KeyError("a defect")

        monkeypatch.setattr(Desk, "decide", nothing)
    with pytest.raises(Skipped):
        braze.render(template("braze.md", "liquid"), who)
    assert braze.asked[0].status_code in (401, 422, 500)


# ---------------------------------------------------------------- Handlebars, as Iterable has it


@dataclass
class Iterable:
    """Renders templates whose data feed stands in square brackets."""

    site: Any
    feed: dict[str, Any] = field(default_factory=dict)

    def fetch(self, url: str, profile: Mapping[str, Any]) -> None:
        filled = re.sub(r"\{\{(\w+)\}\}", lambda match: quote(str(profile.get(match[1], "")), safe=""), url.strip())
        headers = {"Authorization": f"Bearer {self.site.key}"}
        answer = httpx.get(filled.replace(PLACE, self.site.url), headers=headers, timeout=30)
        if answer.status_code != 200:
            raise Skipped("DataFeedError")
        self.feed = answer.json()

    def render(self, text: str, profile: Mapping[str, Any]) -> str:
        def skip(_this: Any, cause: str) -> None:
            raise Skipped(f"SendAborted: {cause}")

        aside = text.replace("{{", "\x01").replace("}}", "\x02")
        first = Compiler().compile(aside.replace("[[", "{{").replace("]]", "}}"))(self.feed, helpers={"sendSkip": skip})
        # The feed's texts are not rendered again.
        parts = re.split(r"\x01(\w+)\x02", str(first))
        return "".join(
            part if n % 2 == 0 else str(Compiler().compile("{{" + part + "}}")(dict(profile)))
            for n, part in enumerate(parts)
        )


PROFILE = {"userId": "iterable-4711", "firstName": NAME, "country": "CA", "daysSincePurchase": 400, "send": True}


def test_iterable_shows_the_words_of_the_decision(shop: Any) -> None:
    iterable = Iterable(shop)
    iterable.fetch(template("iterable.md", "handlebars-url"), PROFILE)
    mail = shown(iterable.render(template("iterable.md", "handlebars"), PROFILE))
    assert iterable.feed["segment"] == "lapsed"
    assert iterable.feed["body"] in mail.text
    assert f"Hi {NAME}," in mail.text
    assert mail.tags == {"p", "a"}
    assert mail.links == [f"https://my-shop.example/new?decision_id={iterable.feed['decision_id']}"]
    again = Iterable(shop)
    again.fetch(template("iterable.md", "handlebars-url"), PROFILE)
    assert again.feed == iterable.feed


def test_iterable_skips_where_a_guardrail_forbids_it_or_there_is_no_answer(shop: Any) -> None:
    iterable, url = Iterable(shop), template("iterable.md", "handlebars-url")
    iterable.fetch(url, {**PROFILE, "daysSincePurchase": 3})
    with pytest.raises(Skipped, match="SendAborted: outside_audience"):  # and a profile's own `send` changes nothing
        iterable.render(template("iterable.md", "handlebars"), PROFILE)
    with pytest.raises(Skipped, match="DataFeedError"):
        iterable.fetch(url, {})


# ---------------------------------------------------------------- Liquid, as Customer.io has it


def customer_io(shop: Any, customer: dict[str, Any]) -> str:
    """Runs the action and then, if its condition is met, renders the message."""
    page = (PAGES / "customer-io.md").read_text("utf-8")
    environment = liquid.Environment()
    url = environment.from_string(template("customer-io.md", "liquid-url")).render(customer=customer).strip()
    scheme, _, rest = url.partition("opt_live_…:@optimizer.example.com")
    assert scheme == "https://"
    answer = httpx.get(f"http://{shop.key}:@{urlsplit(shop.url).netloc}{rest}", timeout=30)
    if answer.status_code == 200:
        for name, value in re.findall(r"^\| `(optimizer_\w+)` \| `(\{\{.*?\}\})` \|$", page, re.MULTILINE):
            customer[name] = environment.from_string(value).render(response=answer.json())
    if customer.get("optimizer_send") != "true":
        raise Skipped(str(answer.status_code))
    return environment.from_string(template("customer-io.md", "liquid")).render(customer=customer)


def test_customer_io_keeps_the_answer_and_shows_it(shop: Any) -> None:
    customer = {"id": "cio/4711", "first_name": NAME, "country": "GB", "days_since_purchase": 91, "lifetime_value": 700}
    customer["country"] = "US"
    mail = shown(customer_io(shop, customer))
    decision = outcomes(shop, customer["optimizer_decision_id"])["decision"]
    assert decision["segment"] == "lapsed"
    assert decision["message"]["body"].replace("{{first_name}}", NAME) in mail.text
    assert mail.tags == {"p", "a"}
    assert mail.links == [f"https://my-shop.example/new?decision_id={decision['decision_id']}"]
    customer_io(shop, dict(customer))
    assert shop.counts()["decisions"] == 1


def test_customer_io_sends_nothing_where_a_guardrail_forbids_it_or_there_is_no_answer(shop: Any) -> None:
    with pytest.raises(Skipped, match="200"):
        customer_io(shop, {"id": "cio-1", "country": "US", "days_since_purchase": 3})
    with pytest.raises(Skipped, match="422"):
        customer_io(shop, {"id": ""})


def test_the_pages_name_fields_that_an_answer_has(shop: Any) -> None:
    answer = shop.client.get("/v1/decide/winback", params={"recipient": "a"}).json()
    for page in ("braze.md", "iterable.md", "customer-io.md"):
        text = (PAGES / page).read_text("utf-8")
        named = set(re.findall(r"(?:response|(?<!customer\.)optimizer)\.(\w+)", text)) - {"example"}
        assert named <= set(answer), f"{page}: {named - set(answer)} in {json.dumps(answer)}"
