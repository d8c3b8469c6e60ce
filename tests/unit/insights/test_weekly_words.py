"""The weekly review in words: weeks, and documents in which nothing that people wrote is markup."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import pytest

from optimizer.domain.instants import DAY, HOUR, instant
from optimizer.errors import InvalidRequest
from optimizer.insights.measures.alikeness import Alikeness
from optimizer.insights.weekly.document import LONGEST, Document, Section, Table, words
from optimizer.insights.weekly.found import MESSAGES, Budget, CampaignWeek, Event, Lift, SegmentWeek, WeeklyReview
from optimizer.insights.weekly.mail import mail_html
from optimizer.insights.weekly.markdown import escaped, markdown
from optimizer.insights.weekly.saying import document_of, event_sentence, leader_sentence, lift_sentence
from optimizer.insights.weekly.weeks import week_after, week_before, week_named, week_of

LONDON = ZoneInfo("Europe/London")
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{7*7}}",
    "[click](https://evil.example)",
    "![x](https://evil.example/x.png)",
    "https://evil.example and www.evil.example and a@evil.example",
    "`code` **bold** _it_ ~~no~~ # head | cell |",
    "# heading\n\n- list\n1. one",
    "--- \n===",
    "&lt;b&gt; &#60;b&#62;",
    "\u202egnirts desrever\u202c\u200f",
    "<!-- --> <![CDATA[ ]]>",
    "=cmd|' /C calc'!A0",
    "@everyone $x^2$",
)


def test_a_week_begins_on_monday_at_home() -> None:
    week = week_named("2026-W43", LONDON)  # clocks change on its Sunday
    assert week.begins == instant(datetime(2026, 10, 19, tzinfo=LONDON))
    assert week.ends - week.begins == 7 * DAY + HOUR
    assert week_of(week.begins, LONDON) == week_of(week.ends - 1, LONDON) == week
    assert week_before(week_after(week, LONDON), LONDON) == week


def test_the_last_week_of_a_year_belongs_to_the_year_it_began_in() -> None:
    assert week_of(instant(datetime(2027, 1, 2, tzinfo=LONDON)), LONDON).label == "2026-W53"


@pytest.mark.parametrize("label", ["2026-W54", "2027-W53", "2026-47", "W47", "", "9999-W52", "0001-W01", "2026-W00"])
def test_what_is_no_week_is_said_so(label: str) -> None:
    with pytest.raises(InvalidRequest, match="allowed a week such as 2026-W47"):
        week_named(label, LONDON)


class _Reader(HTMLParser):
    """What a browser would make of it."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def document(text: str) -> Document:
    said = words(text)
    table = Table(said, ("What", said), ((said, said),), frozenset({1}))
    return Document(
        said, (said,), (Section(said, (said, f"ann paused winback: “{said}”"), (table,)), Section("b", (), (), said))
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_people_wrote_is_html(text: str) -> None:
    page = mail_html(document(text))
    reader = _Reader()
    reader.feed(page)
    allowed = {"html", "head", "meta", "title", "body", "table", "caption", "thead", "tbody", "tr", "th", "td"}
    assert reader.tags <= allowed | {"h1", "h2", "p", "ul", "li", "bdi"}
    assert not {name for name in reader.attributes if name.startswith("on") or name in {"href", "src"}}
    assert words(text).replace("\u200b", "") in reader.text.replace("\u200b", "")
    assert "\u202e" not in page


def test_a_mail_loads_nothing_and_runs_nothing() -> None:
    page = mail_html(document("plain"))
    assert not re.search(r"<(script|link|img|style|iframe|object|form)|url\(|@import|https?://", page)
    assert page.startswith("<!doctype html>")


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_people_wrote_is_markdown(text: str) -> None:
    said = escaped(words(text))
    bare = re.sub(r"\\[!-/:-@\[-`{-~]", "", said)  # what no backslash stands before
    assert not re.search(r"[\\`*_{}\[\]<>#|~@&$!]|://|www\.", bare)
    assert not re.match(r"([-+=](\s|$)|\d+[.)](\s|$))", said)
    assert "\n" not in said
    assert re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", said) == words(text)


def test_lines_that_would_begin_a_list_do_not() -> None:
    assert escaped("1. one") == "1\\. one"
    assert escaped("- one") == "\\- one"
    assert escaped("---") == "\\---"
    assert escaped("-1.5 points") == "-1.5 points"
    assert escaped("0.46") == "0.46"


def test_a_table_stays_one_whatever_its_cells_say() -> None:
    text = markdown(document("a | b\n| c |"))
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert [len(re.findall(r"(?<!\\)\|", row)) for row in rows] == [3, 3, 3]


def test_words_are_one_line_and_no_longer_than_one_reads() -> None:
    assert words("a\n\tb\u0000c\u2066d") == "a b c d"
    assert len(words("x" * 2_000)) == LONGEST


MONDAY = instant(datetime(2026, 11, 16, 9, 12, tzinfo=LONDON))


def event(**changes: object) -> Event:
    said: dict[str, object] = {
        "number": 7,
        "at": MONDAY,
        "campaign_id": "winback",
        "actor": "ann",
        "action": "pause",
        "subject": "winback",
        "note": "legal asked us to wait",
        "before": "running",
        "after": "paused",
        "by_itself": False,
        "is_guardrail": False,
    }
    return Event(**(said | changes))  # type: ignore[arg-type]


def test_events_are_said_with_who_when_and_why() -> None:
    found = event_sentence(event(), LONDON)
    assert found == "Mon 16 Nov 09:12, ann paused winback: “legal asked us to wait” (audit entry 7)"
    by_itself = event_sentence(event(actor="optimizer", by_itself=True, note="8 of 100 unsubscribed"), LONDON)
    assert by_itself == "Mon 16 Nov 09:12, winback: pause: 8 of 100 unsubscribed (audit entry 7)"


def test_braces_in_an_action_or_a_subject_stay_text() -> None:
    found = event_sentence(event(subject="{actor}", action="{0.__class__}", note="{x}"), LONDON)
    assert "{actor}" in found
    assert "{x}" in found


def test_leaders_and_lifts_are_said_with_what_they_rest_on() -> None:
    changed = SegmentWeek("lapsed", "hello", 0.4, "ten-percent", 0.93, 1_200.0)
    assert leader_sentence(changed) == (
        "ten-percent leads, best with probability 0.93, after 1,200 trials; a week before it was hello with 0.40."
    )
    looked, unseen = Alikeness(1.44, 0), Alikeness()
    lift = Lift(0.021, 0.004, 0.038, "share of trials", 5_000, Alikeness(1.0, 0))
    assert lift_sentence(lift).startswith("+2.10 points a trial against the holdout (95 % interval +0.40 points to")
    assert lift_sentence(lift).endswith(": more than the holdout.")
    assert "too few for an interval" in lift_sentence(Lift(0.021, None, None, "share of trials", 50, unseen))
    assert " intervals are 1.20 times as wide as those " in lift_sentence(replace(lift, alike=looked))
    assert lift_sentence(replace(lift, alike=unseen)).endswith("The measurement takes recipients as the unit.")


def test_a_review_of_nothing_says_so_everywhere() -> None:
    week = week_named("2026-W47", LONDON)
    review = WeeklyReview(week, MONDAY, "acme", "Europe/London", "GBP", 0, False, (), (), (), (), (), "0" * 64)
    text = markdown(document_of(review))
    for sentence in (
        "Nothing waits for anybody.",
        "Nobody changed anything.",
        "The week is not over",
        "Nobody has signed",
    ):
        assert sentence in text


def test_a_leader_that_stays_is_no_news() -> None:
    stays = SegmentWeek("lapsed", "hello", 0.9, "hello", 0.95, 100.0)
    week = week_named("2026-W47", LONDON)
    one = CampaignWeek("winback", "buy", 5, 4, 3, 0.0, (stays,), None, None, None, (), "live")
    review = WeeklyReview(week, week.ends, "acme", "Europe/London", "GBP", 1, True, (), (), (one,), (), (), "0" * 64)
    text = markdown(document_of(review))
    assert "- winback: no leader changed." in text
    assert "| winback, lapsed | hello | 0.95 | 0.90 | 100 |" in text


def test_money_in_use_has_cents_and_messages_are_whole() -> None:
    week = week_named("2026-W43", LONDON)
    budgets = (
        Budget("campaign winback, 2026-10", 1069.5, 3000.0, "GBP", ""),
        Budget("channel email, 2026-10-19", 1500.0, 1500.0, MESSAGES, "used up now"),
    )
    one = CampaignWeek("winback", "buy", 5, 4, 3, 0.0, (), None, None, None, budgets, "live")
    review = WeeklyReview(week, week.ends, "acme", "Europe/London", "GBP", 1, True, (), (), (one,), (), (), "0" * 64)
    text = markdown(document_of(review))
    assert "- campaign winback, 2026-10: 1,069.50 of 3,000.00 GBP in use." in text
    assert "- channel email, 2026-10-19: 1,500 of 1,500 messages in use; used up now." in text
