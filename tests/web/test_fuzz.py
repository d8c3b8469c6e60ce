"""Whatever is posted, the service never has a defect, and every error is a problem."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

FINITE = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    FINITE,
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=10), inner, max_size=4),
    ),
    max_leaves=12,
)
IDS = st.one_of(st.from_regex(r"[A-Za-z0-9._:-]{1,64}", fullmatch=True), ANYTHING)
CAMPAIGNS = st.one_of(st.sampled_from(["winback", "newsletter", "members", "nonsense"]), ANYTHING)
ATTRIBUTES = st.one_of(
    ANYTHING,
    st.fixed_dictionaries(
        {},
        optional={
            "days": st.one_of(st.integers(-10, 6_000), FINITE, ANYTHING),
            "country": st.one_of(st.sampled_from(["US", "GB"]), ANYTHING),
            "vip": st.one_of(st.booleans(), ANYTHING),
            "other": ANYTHING,
        },
    ),
)
ITEM = {
    "recipient": IDS,
    "request_id": IDS,
    "attributes": ATTRIBUTES,
    "exclude": st.one_of(st.lists(IDS, max_size=3), ANYTHING),
    "defer_exposure": st.one_of(st.booleans(), ANYTHING),
    "extra": ANYTHING,
}
ITEMS = st.one_of(st.fixed_dictionaries({}, optional=ITEM), ANYTHING)
DECISIONS = st.one_of(st.fixed_dictionaries({}, optional={**ITEM, "campaign": CAMPAIGNS}), ANYTHING)
BATCHES = st.fixed_dictionaries(
    {"campaign": CAMPAIGNS, "recipients": st.one_of(st.lists(ITEMS, max_size=4), ANYTHING)},
    optional={"request_id": IDS, "defer_exposure": ANYTHING},
)
TIMES = st.one_of(st.datetimes(timezones=st.timezones()).map(lambda at: at.isoformat()), ANYTHING)
AMOUNTS = st.one_of(FINITE, st.integers(-(10**10), 10**10), st.decimals().map(str), ANYTHING)
EVENTS = st.one_of(
    st.fixed_dictionaries(
        {},
        optional={
            "event_id": IDS,
            "decision_id": IDS,
            "recipient": IDS,
            "campaign": CAMPAIGNS,
            "kind": st.one_of(st.sampled_from(["purchase", "clicked", "withdrawn"]), ANYTHING),
            "value": AMOUNTS,
            "currency": st.one_of(st.just("USD"), ANYTHING),
            "occurred_at": TIMES,
            "reverses": IDS,
            "extra": ANYTHING,
        },
    ),
    st.fixed_dictionaries(
        {
            "event_id": st.from_regex(r"[a-z0-9]{1,64}", fullmatch=True),
            "decision_id": st.just("0" * 32),
            "kind": st.just("purchase"),
            "occurred_at": st.datetimes(timezones=st.timezones()).map(lambda at: at.isoformat()),
            "value": AMOUNTS,
        }
    ),
    ANYTHING,
)
OUTCOMES = st.one_of(EVENTS, st.fixed_dictionaries({"outcomes": st.one_of(st.lists(EVENTS, max_size=4), ANYTHING)}))
EXAMPLES = max(100, settings().max_examples)


def no_defect(site: Any, path: str, body: Any) -> None:
    answer = site.client.post(path, json=body)
    assert answer.status_code < 500, (body, answer.text)
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"]
    else:
        assert answer.headers["content-type"] == "application/json"


@settings(max_examples=EXAMPLES)
@given(DECISIONS)
def test_no_decision_request_is_a_defect(site: Any, body: Any) -> None:
    no_defect(site, "/v1/decisions", body)


@settings(max_examples=EXAMPLES)
@given(BATCHES)
def test_no_batch_is_a_defect(site: Any, body: Any) -> None:
    no_defect(site, "/v1/decisions/batch", body)


@settings(max_examples=EXAMPLES)
@given(OUTCOMES)
@example({"event_id": "e", "decision_id": "d", "kind": "p", "occurred_at": "9999-12-31T23:59:59-12:00"})
def test_no_report_is_a_defect(site: Any, body: Any) -> None:
    no_defect(site, "/v1/outcomes", body)


@settings(max_examples=EXAMPLES)
@given(
    st.one_of(st.binary(max_size=200), st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")))
)
def test_no_bytes_are_a_defect(site: Any, body: bytes) -> None:
    for path in ("/v1/decisions", "/v1/outcomes"):
        answer = site.client.post(path, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in {400, 422}
        assert answer.headers["content-type"] == "application/problem+json"


@settings(max_examples=EXAMPLES)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_no_path_is_a_defect(site: Any, text: str) -> None:
    from urllib.parse import quote

    for path in ("/v1/decisions/", "/v1/campaigns/", "/v1/recipients/", "/"):
        assert site.client.get(path + quote(text, safe="")).status_code < 500


def test_the_ledger_is_clean_after_all_of_this(site: Any) -> None:
    no_defect(site, "/v1/decisions", {"campaign": "winback", "recipient": "ann"})
    assert site.house().verify().clean
