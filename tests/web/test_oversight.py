"""People steer campaigns and read the trail over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from optimizer.web.shapes import oversight_answers as answers

WISHES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("pause", {}, {"status": "paused"}),
    ("resume", {}, {"status": "running"}),
    ("stop", {}, {"status": "stopped"}),
    ("resume", {}, {"status": "running"}),
    ("pause", {"variant": "hello"}, {"paused": {"hello": "test: because"}}),
    ("resume", {"variant": "hello"}, {"paused": {}}),
    ("pin", {"variant": "hello"}, {"pinned": "hello"}),
    ("unpin", {}, {"pinned": None}),
]


def steer(site: Any, wish: str, campaign: str = "winback", **body: Any) -> Any:
    return site.client.post(f"/v1/campaigns/{campaign}/{wish}", json={"note": "because", **body})


def controls(site: Any, campaign: str = "winback") -> Any:
    return site.client.get(f"/v1/campaigns/{campaign}/controls").json()


def trail(site: Any, **parameters: Any) -> list[Any]:
    found: list[Any] = site.client.get("/v1/audit", params=parameters).json()["entries"]
    return found


def test_every_wish_answers_how_the_campaign_stands_and_is_audited_under_the_name_of_the_key(site: Any) -> None:
    for wish, body, expected in WISHES:
        before = controls(site)
        answer = steer(site, wish, **body)
        assert answer.status_code == 200, answer.text
        done = answers.SteeredOut.model_validate(answer.json(), strict=False)
        assert done.changed
        assert done.detail
        assert answer.json()["controls"] == {**before, **expected} == controls(site)
        entry = trail(site, n=1)[0]
        answers.AuditEntryOut.model_validate(entry)
        assert (entry["actor"], entry["note"], entry["action"]) == ("test", "because", wish)


def test_asking_for_what_is_so_already_is_fine_and_leaves_no_entry(site: Any) -> None:
    steer(site, "pause", "newsletter")
    entries = trail(site)
    again = steer(site, "pause", "newsletter")
    assert (again.status_code, again.json()["changed"]) == (200, False)
    assert again.json()["detail"] == "newsletter is already paused"
    assert trail(site) == entries
    steer(site, "resume", "newsletter")


def test_a_stop_is_obeyed_by_the_next_decision(site: Any) -> None:
    def decided() -> Any:
        return site.client.post("/v1/decisions", json={"campaign": "winback", "recipient": "ann"}).json()

    assert decided()["variant"] is not None
    steer(site, "stop")
    assert (decided()["variant"], decided()["reason"]) == (None, "campaign_stopped")
    steer(site, "resume")
    assert decided()["variant"] is not None


@pytest.mark.parametrize(
    ("wish", "body", "status", "detail"),
    [
        ("pause", {"note": " "}, 422, "/note: found nothing; allowed a sentence that says why"),
        ("stop", {"note": "a\x00b"}, 422, "/note: found the character U+0000"),
        ("pause", {"note": None}, 422, "/note"),
        ("stop", {"variant": "hello"}, 422, "/variant: found 'hello'; allowed no such key here"),
        ("pin", {}, 422, "/variant: found nothing; allowed a value; it is required"),
        ("pin", {"variant": "helo"}, 404, "variant: found 'helo' in campaign winback; allowed ten-percent"),
        ("advance", {}, 409, "rollout: found none in the documents of campaign winback"),
        ("advance", {"stage": "two"}, 422, "/stage"),
    ],
)
def test_a_wish_that_cannot_be_is_told_in_one_sentence_and_writes_nothing(
    site: Any, wish: str, body: dict[str, Any], status: int, detail: str
) -> None:
    before = site.counts()
    answer = steer(site, wish, **body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"].startswith(detail)
    assert site.counts() == before


def test_an_unknown_campaign_is_404_for_every_wish(site: Any) -> None:
    for wish in ("pause", "resume", "stop", "unpin", "advance", "release", "review", "acknowledge"):
        assert steer(site, wish, "nonsense").status_code == 404, wish
    assert site.client.get("/v1/campaigns/nonsense/controls").status_code == 404


def test_what_there_is_nothing_to_do_about_says_so(site: Any) -> None:
    for wish in ("release", "acknowledge", "unpin", "resume"):
        answer = steer(site, wish)
        assert (answer.status_code, answer.json()["changed"]) == (200, False), wish


def test_a_review_is_audited(site: Any) -> None:
    assert steer(site, "review", "members").json()["changed"]
    assert trail(site, campaign="members")[0]["action"] == "review"


def test_the_trail_comes_page_by_page_newest_first(site: Any) -> None:
    for _ in range(3):
        steer(site, "review", "members")
    everything = trail(site, n=200)
    numbers = [entry["number"] for entry in everything]
    assert numbers == list(range(numbers[0], 0, -1))
    found, before = [], None
    while True:
        parameters = {"n": 2} | ({} if before is None else {"before": before})
        page = site.client.get("/v1/audit", params=parameters).json()
        answers.AuditOut.model_validate(page)
        assert len(page["entries"]) <= 2
        found += page["entries"]
        before = page["next_before"]
        if before is None:
            break
    assert found == everything


def test_the_trail_of_one_campaign_holds_nothing_else(site: Any) -> None:
    steer(site, "review", "members")
    steer(site, "review")
    subjects = {entry["subject"].partition("/")[0] for entry in trail(site, campaign="members", n=200)}
    assert subjects == {"members"}


@pytest.mark.parametrize("query", ["n=0", "n=201", "n=x", "before=0", "before=9e99", "campaign=a%20b"])
def test_a_page_that_cannot_be_is_a_problem(site: Any, query: str) -> None:
    answer = site.client.get(f"/v1/audit?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == query.partition("=")[0]


def test_a_recipient_is_put_on_the_suppression_list_and_taken_off(site: Any) -> None:
    path = "/v1/suppressions/bob@example.com"
    assert site.client.get(path).json() == {"recipient": "bob@example.com", "suppressions": []}
    put = site.client.put(path, json={"note": "asked us", "channel": "email"})
    assert put.status_code == 200, put.text
    answers.SuppressionsOut.model_validate(put.json(), strict=False)
    (entry,) = put.json()["suppressions"]
    assert (entry["channel"], entry["source"]) == ("email", "by test")
    body = {"campaign": "winback", "recipient": "bob@example.com"}
    assert site.client.post("/v1/decisions", json=body).json()["reason"] == "recipient_suppressed"
    site.client.put(path, json={"note": "asked us"})
    assert [entry["channel"] for entry in site.client.get(path).json()["suppressions"]] == [None, "email"]
    gone = site.client.request("DELETE", path, json={"note": "signed up again"})
    assert (gone.status_code, gone.json()["suppressions"]) == (200, [])
    assert site.client.post("/v1/decisions", json=body).json()["variant"] is not None
    assert "bob" not in site.client.get("/v1/audit").text


@pytest.mark.parametrize("body", [{}, {"note": ""}, {"note": "x", "channel": "emial"}, {"note": "x", "why": "y"}])
def test_a_suppression_without_a_reason_or_on_no_channel_is_refused(site: Any, body: dict[str, Any]) -> None:
    before = site.counts()
    assert site.client.put("/v1/suppressions/cyd", json=body).status_code == 422
    assert site.counts() == before


def test_only_a_key_that_may_manage_can_steer_and_one_that_may_analyse_can_look(site: Any) -> None:
    from optimizer.services.keys.api_keys import Scope

    analyst = site.deployment.create_key("analyst", [Scope.ANALYSE])
    with site.calling(**{"X-API-Key": analyst}) as client:
        assert client.get("/v1/audit").status_code == 200
        assert client.get("/v1/campaigns/winback/controls").status_code == 200
        assert client.post("/v1/campaigns/winback/stop", json={"note": "x"}).status_code == 403
        assert client.put("/v1/suppressions/cyd", json={"note": "x"}).status_code == 403
    assert controls(site)["status"] == "running"
