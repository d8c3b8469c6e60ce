"""The ledger as tables over HTTP: pages, links, formats, and what is refused."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from io import BytesIO
from typing import Any

import orjson
import polars as pl
import pytest

from optimizer.history.opening import open_history
from optimizer.services.exports.portions import DECISIONS, OUTCOMES

TABLES = ("campaigns", "allocation/winback", "variants/winback", "groups/winback")


@pytest.fixture(scope="module")
def filled(site: Any) -> Any:
    """The site with some decisions and outcomes."""
    recipients = [{"recipient": f"export-{n}", "attributes": {"days": n}} for n in range(30)]
    made = site.client.post("/v1/decisions/batch", json={"campaign": "winback", "recipients": recipients}).json()
    ids = [one["decision_id"] for one in made["decisions"]]
    outcomes = [
        {
            "event_id": f"export-{n}",
            "kind": "purchase",
            "decision_id": one,
            "occurred_at": made["decisions"][0]["decided_at"],
        }
        for n, one in enumerate(ids[::3])
    ]
    assert site.client.post("/v1/outcomes", json={"outcomes": outcomes}).status_code == 200
    site.client.post("/v1/decisions", json={"campaign": "newsletter", "recipient": "export-1", "request_id": "a"})
    return site


def pages(site: Any, path: str, **parameters: Any) -> list[Any]:
    found = [site.client.get(f"/v1/export/{path}", params=parameters)]
    while "next" in found[-1].links:
        assert found[-1].status_code == 200, found[-1].text
        found.append(site.client.get(found[-1].links["next"]["url"]))
    return found


@pytest.mark.parametrize("table", TABLES)
def test_a_small_table_comes_whole_in_either_format(filled: Any, table: str) -> None:
    (lines,), (file,) = pages(filled, table), pages(filled, table, format="parquet")
    assert lines.headers["content-type"] == "application/x-ndjson"
    assert file.headers["content-type"] == "application/vnd.apache.parquet"
    typed = pl.read_parquet(BytesIO(file.content))
    rows = [orjson.loads(line) for line in lines.content.splitlines()]
    assert len(rows) == len(typed) > 0
    assert list(rows[0]) == typed.columns


def test_pages_follow_one_another_to_the_end(filled: Any) -> None:
    (whole,) = pages(filled, "decisions", campaign="winback")
    some = pages(filled, "decisions", campaign="winback", limit=7)
    assert b"".join(page.content for page in some) == whole.content
    assert [int(page.headers["X-Decisions-Read"]) for page in some] == [7, 14, 21, 28, 30]
    assert {page.headers["X-Decisions-Total"] for page in some} == {"30"}
    rows = [orjson.loads(line) for line in whole.content.splitlines()]
    assert set(DECISIONS) <= set(rows[0])
    assert rows[0]["decided_at"].endswith("Z")
    assert rows == sorted(rows, key=lambda row: (row["decided_at"], row["decision_id"]))
    assert "export-" not in whole.text
    assert len(pages(filled, "decisions", limit=30)) == 2  # all campaigns, in order of their ids
    every = pl.concat(
        [pl.read_parquet(BytesIO(p.content)) for p in pages(filled, "decisions", limit=4, format="parquet")]
    )
    assert every["campaign"].to_list() == ["newsletter"] + 30 * ["winback"]


def test_outcomes_come_with_what_they_counted(filled: Any) -> None:
    pages_of_them = pages(filled, "outcomes", limit=8, format="parquet")
    every = pl.concat([pl.read_parquet(BytesIO(page.content)) for page in pages_of_them])
    assert dict(every.schema) == dict(OUTCOMES)
    assert len(every) == 10
    assert every["counted"].all()


def test_trials_are_a_file_that_can_be_evaluated(filled: Any, tmp_path: Any) -> None:
    for number, page in enumerate(pages(filled, "trials/winback", limit=20, format="parquet")):
        (tmp_path / f"{number}.parquet").write_bytes(page.content)
    assert number == 1
    history = open_history(tmp_path / "*.parquet")
    assert history.mapping.variant_ids == ("ten-percent", "new-arrivals", "hello")
    assert history.contents.rows == 0  # the youngest are not a day old, and the window is a week


def cursor(**fields: Any) -> str:
    begun = {"as_of": 1, "read": 0, "total": 0, "decision": "a", "at": 1, "campaign": "winback"}
    return urlsafe_b64encode(orjson.dumps(begun | fields)).decode().rstrip("=")


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "x"},
        {"cursor": "é"},
        {"cursor": "A" * 511},
        {"cursor": cursor(at=-1)},
        {"cursor": cursor(at=2**63)},
        {"cursor": cursor(as_of=1.5)},
        {"cursor": cursor(decision="a\x00b")},
        {"cursor": cursor(campaign="win back")},
        {"since": "yesterday"},
        {"since": "2026-13-01"},
        {"until": "2026-12-01T09:00:00"},
        {"limit": 0},
        {"limit": 10_001},
        {"format": "csv"},
        {"campaign": "a b"},
    ],
    ids=str,
)
@pytest.mark.parametrize("table", ["decisions", "outcomes"])
def test_what_makes_no_sense_is_refused_in_words(filled: Any, table: str, query: dict[str, Any]) -> None:
    answer = filled.client.get(f"/v1/export/{table}", params=query)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"]


def test_a_cursor_that_was_made_up_reads_nothing_it_should_not(filled: Any) -> None:
    now = 2**61
    later = filled.client.get("/v1/export/decisions", params={"cursor": cursor(as_of=now, campaign="zzz")})
    assert (later.status_code, later.content) == (200, b"")
    earlier = filled.client.get("/v1/export/decisions", params={"cursor": cursor(as_of=1, campaign="", at=0)})
    assert (earlier.status_code, earlier.content) == (200, b"")  # nothing had been decided by then
    of_trials = filled.client.get("/v1/export/trials/winback", params={"cursor": cursor(as_of=now, decision="f" * 40)})
    assert (of_trials.status_code, of_trials.content) == (200, b"")


@pytest.mark.parametrize("path", ["decisions?campaign=spring", "trials/spring", "variants/spring", "allocation/spring"])
def test_a_campaign_that_is_not_there_is_said(filled: Any, path: str) -> None:
    answer = filled.client.get(f"/v1/export/{path}")
    assert answer.status_code == 404
    assert "found 'spring'; allowed members, newsletter, winback" in answer.json()["detail"]
