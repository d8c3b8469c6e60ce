"""How values are written on pages."""

from __future__ import annotations

from contextvars import copy_context
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from markupsafe import Markup

from optimizer.domain.instants import DAY, HOUR, MINUTE, instant
from optimizer.insights.ranking_words import SHARE
from optimizer.web.console import templating


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0.0379, SHARE, "+3.79 points"),
        (-0.0107, SHARE, "\u22121.07 points"),
        (1.1, "USD", "+1.10 USD"),
        (-0.35, "USD", "\u22120.3500 USD"),
        (0.0125, "rewards", "+0.0125 rewards"),
        (None, "USD", "\u2013"),
        (float("nan"), "USD", "\u2013"),
    ],
)
def test_a_difference_has_its_sign_and_unit(value: float | None, unit: str, said: str) -> None:
    assert templating.difference_text(value, unit) == said


def test_the_ends_of_an_interval_are_as_fine_as_its_value() -> None:
    assert templating.difference_number(0.3533, "USD", 1.1) == "+0.35"


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0.0123, SHARE, "1.23 %"),
        (0.5, SHARE, "50.0 %"),
        (1.0, SHARE, "100 %"),
        (12.0, "decisions", "12 decisions"),
        (1_234.5, "USD", "1,234 USD"),
        (0.25, "rewards", "0.2500 rewards"),
        (-0.25, "rewards", "\u22120.2500 rewards"),
        (-3.0, "USD", "\u22123 USD"),
        (-0.0123, SHARE, "\u22121.23 %"),
        (None, "x", "\u2013"),
    ],
)
def test_a_figure_has_its_unit(value: float | None, unit: str, said: str) -> None:
    assert templating.figure_text(value, unit) == said


def test_money_has_its_currency_and_spans_one_unit() -> None:
    assert templating.money_text(12_500_000, "USD") == "12.50 USD"
    assert templating.money_text(1_240_400_000, "EUR") == "1,240 EUR"
    assert templating.money_text(-12_500_000, "USD") == "\u221212.50 USD"
    assert templating.money_text(None, "EUR") == "\u2013"
    assert [templating.span_text(one) for one in (3 * DAY, HOUR, 90 * MINUTE, 0)] == [
        *("3 days", "1 hour", "1 hour", "0 minutes")
    ]


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo", "UTC"])
def test_every_time_that_can_be_reported_can_be_shown(zone: str) -> None:
    def tags() -> list[Markup]:
        templating._zone.set(ZoneInfo(zone))
        ends = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
        return [templating.time_tag(instant(end)) for end in ends]

    first, last = copy_context().run(tags)
    assert first.startswith('<time datetime="0001-01-01T00:00:00.000000Z">')
    assert last.startswith('<time datetime="9999-12-31T23:59:59.999999Z">')


def test_nothing_ends_a_script_from_within() -> None:
    evil = '{"a": "</script><!--<script>&"}'
    safe = templating.within_script(evil)
    assert isinstance(safe, Markup)
    assert not set(safe) & {"<", ">", "&"}


@pytest.mark.parametrize("name", ["figure", "interval", "badge", "state", "empty", "action", "person"])
def test_no_macro_trusts_what_it_is_given(name: str) -> None:
    evil = '<script>alert(1)</script>"><img onerror=x>'

    class Anybody:
        may_manage = True
        path = evil

        def words_for(self, _url: str, _hidden: object) -> dict[str, str]:
            return {"note": evil}

    calls = {
        "figure": "{% call ui.figure(evil, evil, evil) %}{{ evil }}{% endcall %}",
        "interval": "{{ ui.interval(0.1, 0.2, 0.3, -1, 1, 0, evil) }}",
        "badge": "{{ ui.badge(7) }}",
        "state": "{{ ui.state(evil, evil) }}",
        "empty": "{{ ui.empty(evil, evil) }}",
        "action": "{{ ui.action(who, evil, evil, evil, {evil: 1}, True, True, (evil, evil, [(evil, evil)]), evil) }}",
        "person": "{{ ui.person(evil) }}{{ ui.person(none, evil) }}",
    }
    template = templating.environment().from_string('{% import "macros.html.j2" as ui %}' + calls[name])
    html = template.render(evil=evil, who=Anybody())
    assert "<script>alert" not in html
    assert "<img" not in html
