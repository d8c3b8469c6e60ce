"""OpenFeature's own JavaScript SDKs, for servers and for the web, and their OFREP providers, against a live service."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from optimizer.deployment import Deployment
from optimizer.services.keys.api_keys import Scope

pytestmark = pytest.mark.slow

SERVER = {"@openfeature/server-sdk": "1.23.0", "@openfeature/ofrep-provider": "0.1.3"}
WEB = {"@openfeature/web-sdk": "1.10.0", "@openfeature/ofrep-web-provider": "0.4.3"}

PEOPLE = (f"person-{n}" for n in range(100_000))

SERVER_BEGINS = """
import { OpenFeature } from '@openfeature/server-sdk';
import { OFREPProvider } from '@openfeature/ofrep-provider';
const { SITE: url, KEY: key } = process.env;
const headers = { Authorization: `Bearer ${key}` };
const provider = new OFREPProvider({ baseUrl: url, headers });
const show = (value) => console.log(JSON.stringify(value));
const standard = { message: { subject: 'Welcome back' } };
"""
WEB_BEGINS = """
import { OpenFeature } from '@openfeature/web-sdk';
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';
const { SITE: url, KEY: key } = process.env;
const headers = { Authorization: `Bearer ${key}` };
const answers = []; // what the service said to each request of the provider, which is left as it is
const fetchImplementation = async (request, options) => {
  const answer = await fetch(request, options);
  answers.push([answer.status, request.headers.get('if-none-match') !== null]);
  return answer;
};
const options = { baseUrl: url, headers: Object.entries(headers), cacheMode: 'disabled', fetchImplementation };
const provider = new OFREPWebProvider(options);
const show = (value) => console.log(JSON.stringify(value));
const standard = { message: { subject: 'Welcome back' } };
"""


@pytest.fixture(scope="module")
def scripts(
    node_project: Callable[[Mapping[str, str]], Path],
    run_js: Callable[..., str],
    page_file: Callable[[str, str], str],
) -> Callable[..., list[Any]]:
    """What a script shows, line by line: ``scripts(SERVER, text, site)``."""
    hook = page_file("openfeature", "optimizer-hook.mjs").replace("export function", "function")

    def run(packages: Mapping[str, str], text: str, service: Any, key: str | None = None) -> list[Any]:
        begins = SERVER_BEGINS if packages is SERVER else WEB_BEGINS
        env = {"SITE": service.url, "KEY": key or service.key}
        printed = run_js(node_project(packages), f"{begins}\n{hook}\n{text}", env)
        return [json.loads(line) for line in printed.splitlines()]

    return run


def learner(service: Any, **attributes: Any) -> str:
    """Somebody the campaign learns of, whom no SDK has asked about yet."""
    for person in PEOPLE:
        asked = {"campaign": "winback", "recipient": person, "attributes": attributes}
        if service.client.post("/v1/decisions", json=asked).json()["group"] == "learning":
            return person
    raise AssertionError("everybody is held out")


def learned(service: Any, metadata: Mapping[str, Any], variant: str) -> tuple[int, float]:
    """Trials of a variant in the segment of a decision, and its mean, as the report has them after learning."""
    assert service.client.post("/v1/campaigns/winback/learn").status_code == 200
    segments = service.client.get("/v1/campaigns/winback/report").json()["segments"]
    (there,) = (one for one in segments if one["segment"] == metadata["segment"])
    (found,) = (one for one in there["variants"] if one["variant"] == variant)
    return found["rate"]["trials"], found["believed"]["value"]


# ---------------------------------------------------------------- on a server


def test_a_server_from_decision_to_learning(site: Any, scripts: Callable[..., list[Any]]) -> None:
    person = learner(site, country="US")
    words, text = scripts(
        SERVER,
        f"""
        const hook = optimizerHook({{ url, headers }});
        provider.track = hook.track;
        await OpenFeature.setProviderAndWait(provider);
        const client = OpenFeature.getClient().addHooks(hook);
        const person = {{ targetingKey: '{person}', country: 'US', device: {{ os: ['x'] }} }};
        show(await client.getObjectDetails('winback', standard, person));
        show(await client.getStringDetails('winback:variant', 'none', person));
        client.track('purchase', person, {{ value: 20.5, currency: 'USD' }});
        """,
        site,
    )
    metadata = words["flagMetadata"]
    assert words["reason"] == "SPLIT"
    assert words["value"]["message"]["id"] == words["variant"] == text["value"]
    assert text["flagMetadata"] == metadata
    decided = site.client.get(f"/v1/decisions/{metadata['decisionId']}").json()
    assert (decided["decision"]["variant"], decided["reward"]) == (words["variant"], 1.0)
    assert sorted(one["kind"] for one in decided["outcomes"]) == ["exposed", "purchase"]
    trials, mean = learned(site, metadata, words["variant"])
    assert trials >= 1
    assert mean > 0
    assert site.house().verify().clean


def test_a_server_is_told_what_went_wrong(site: Any, scripts: Callable[..., list[Any]]) -> None:
    found = scripts(
        SERVER,
        """
        await OpenFeature.setProviderAndWait(provider);
        const client = OpenFeature.getClient();
        const ann = { targetingKey: 'ann' };
        show(await client.getObjectDetails('winbak', standard, ann));
        show(await client.getObjectDetails('winback', standard, {}));
        show(await client.getObjectDetails('winback', standard, { ...ann, country: 'FR' }));
        show(await client.getBooleanDetails('winback', true, ann));
        show(await client.getObjectDetails('members', standard, { ...ann, vip: false }));
        """,
        site,
    )
    assert [one.get("errorCode") for one in found] == [
        *("FLAG_NOT_FOUND", "TARGETING_KEY_MISSING", "INVALID_CONTEXT", "TYPE_MISMATCH"),
        "GENERAL",  # this provider's version does not know answers without a value, but gives the default all the same
    ]
    assert "allowed members, newsletter, winback" in found[0]["errorMessage"]
    assert "allowed one of: US, GB" in found[2]["errorMessage"]
    assert [one["value"] for one in found] == [{"message": {"subject": "Welcome back"}}] * 3 + [True, found[0]["value"]]


def test_a_server_with_a_wrong_key_gets_its_default(site: Any, scripts: Callable[..., list[Any]]) -> None:
    text = """
        await OpenFeature.setProviderAndWait(provider);
        show(await OpenFeature.getClient().getObjectDetails('winback', standard, { targetingKey: 'ann' }));
        """
    for key in ("opt_live_wrong", site.deployment.create_key("reader", [Scope.ANALYSE])):
        (found,) = scripts(SERVER, text, site, key)
        assert (found["errorCode"], found["value"]["message"]["subject"]) == ("GENERAL", "Welcome back")


def test_a_server_that_asks_too_much_waits_as_long_as_it_is_told(
    deploy: Callable[..., Deployment],
    serve: Callable[..., Any],
    scripts: Callable[..., list[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deployment = deploy(None)
    narrow = deployment.settings.model_copy(update={"rate_per_second": 1, "rate_burst": 1})
    monkeypatch.setattr(deployment, "settings", narrow)
    with serve(deployment) as service:
        found = scripts(
            SERVER,
            """
            await OpenFeature.setProviderAndWait(provider);
            const ask = () => OpenFeature.getClient().getObjectDetails('winback', standard, { targetingKey: 'ann' });
            const found = [await ask(), await ask()];
            while (!found.at(-1).errorCode) found.push(await ask()); // a token a second: the next may have come
            show(found[0]);
            show(found.at(-1));
            show(await ask());
            const waits = provider.notBefore - Date.now();
            show(waits);
            """,
            service,
        )
        assert "errorCode" not in found[0]
        assert "rate limit exceeded, try again after" in found[1]["errorMessage"]
        assert "paused due to TooManyRequests until" in found[2]["errorMessage"]
        assert 0 < found[3] <= 2_000


# ---------------------------------------------------------------- on the web


def test_a_page_from_decision_to_learning(site: Any, scripts: Callable[..., list[Any]]) -> None:
    person = learner(site)
    house = site.house()
    (before, _, _) = house.trials()
    shown, unseen = scripts(
        WEB,
        f"""
        const hook = optimizerHook({{ url, headers }});
        provider.track = hook.track;
        await OpenFeature.setContext({{ targetingKey: '{person}', days: 100, page: '/home' }});
        await OpenFeature.setProviderAndWait(provider);
        const client = OpenFeature.getClient().addHooks(hook);
        show(client.getObjectDetails('winback', standard));
        client.track('purchase', {{ value: 9, currency: 'USD' }});
        show(provider._flagCache.newsletter);
        """,
        site,
    )
    metadata = shown["flagMetadata"]
    assert (shown["reason"], metadata["segment"]) == ("SPLIT", "lapsed")
    assert shown["value"]["message"]["id"] == shown["variant"]
    decided = site.client.get(f"/v1/decisions/{metadata['decisionId']}").json()
    assert decided["exposed_at"] is not None
    assert decided["reward"] == 1.0
    not_shown = site.client.get(f"/v1/decisions/{unseen['metadata']['decisionId']}").json()
    assert not_shown["exposed_at"] is None
    assert house.trials()[0] == before + 1, "what was fetched and not evaluated is no trial"
    trials, mean = learned(site, metadata, shown["variant"])
    assert trials >= 1
    assert mean > 0
    assert house.verify().clean


def test_a_page_that_looks_again_hears_that_nothing_has_changed(site: Any, scripts: Callable[..., list[Any]]) -> None:
    before, same, other, asked = scripts(
        WEB,
        """
        await OpenFeature.setContext({ targetingKey: 'walt' });
        await OpenFeature.setProviderAndWait(provider);
        const client = OpenFeature.getClient();
        const decision = () => client.getObjectDetails('newsletter', standard).flagMetadata.decisionId;
        show(decision());
        await OpenFeature.setContext({ targetingKey: 'walt', page: '/next' });
        show(decision());
        await OpenFeature.setContext({ targetingKey: 'wendy' });
        show(decision());
        show(answers);
        """,
        site,
    )
    assert asked == [[200, False], [304, True], [200, False]]
    assert before == same != other


def test_a_page_that_keeps_its_flags_in_the_browser_asks_whether_they_are_still_right(
    site: Any, scripts: Callable[..., list[Any]]
) -> None:
    first, kept, asked = scripts(
        WEB,
        """
        const kept = new Map(); // all that a browser's storage has to do here
        globalThis.localStorage = {
          getItem: (name) => kept.get(name) ?? null,
          setItem: (name, text) => kept.set(name, text),
          removeItem: (name) => kept.delete(name),
        };
        const { cacheMode, ...usual } = options;
        await OpenFeature.setContext({ targetingKey: 'bea' });
        for (let visit = 0; visit < 2; visit += 1) {
          await OpenFeature.setProviderAndWait(new OFREPWebProvider(usual));
          show(OpenFeature.getClient().getStringDetails('newsletter:variant', 'none'));
        }
        while (answers.length < 2) await new Promise((done) => setTimeout(done, 5)); // it looks in the background
        show(answers);
        """,
        site,
    )
    assert asked == [[200, False], [304, True]]
    assert (first["reason"], kept["reason"]) == ("SPLIT", "CACHED")
    assert kept["flagMetadata"] == first["flagMetadata"]


def test_a_page_is_told_what_went_wrong_and_shows_its_default(site: Any, scripts: Callable[..., list[Any]]) -> None:
    failed, later, missing, nothing, mistyped = scripts(
        WEB,
        """
        const client = OpenFeature.getClient();
        await OpenFeature.setProviderAndWait(provider).catch((error) => show(String(error)));
        await OpenFeature.setContext({ targetingKey: 'xena', vip: false });
        show(client.getStringDetails('winback:variant', 'none'));
        show(client.getObjectDetails('winbak', standard));
        show(client.getObjectDetails('members', standard));
        show(client.getStringDetails('winback', 'none'));
        """,
        site,
    )
    assert "status: 400" in failed, "nobody was named yet"
    assert later["variant"]
    assert missing["errorCode"] == "FLAG_NOT_FOUND"
    assert nothing.get("errorCode") is None
    assert (nothing["reason"], nothing["value"]) == ("DEFAULT", {"message": {"subject": "Welcome back"}})
    assert nothing["flagMetadata"]["because"] == "outside_audience"
    assert mistyped["errorCode"] == "TYPE_MISMATCH"


def test_a_page_with_a_wrong_key_is_told_so(site: Any, scripts: Callable[..., list[Any]]) -> None:
    failed, found = scripts(
        WEB,
        """
        await OpenFeature.setContext({ targetingKey: 'yves' });
        await OpenFeature.setProviderAndWait(provider).catch((error) => show(error.code));
        show(OpenFeature.getClient().getObjectDetails('winback', standard));
        """,
        site,
        "opt_live_wrong",
    )
    assert failed == "PROVIDER_FATAL"
    assert found["value"] == {"message": {"subject": "Welcome back"}}


def test_a_page_names_campaigns_that_count_contacts(
    deploy: Callable[..., Deployment],
    serve: Callable[..., Any],
    files: Mapping[str, str],
    scripts: Callable[..., list[Any]],
) -> None:
    strategy = files["strategy.yaml"] + "contact_policy: [{at_most: 1, per: P1D}]\n"
    with serve(deploy(None), {**files, "strategy.yaml": strategy}) as service:
        unnamed, named, other = scripts(
            WEB,
            """
            await OpenFeature.setContext({ targetingKey: 'zoe' });
            await OpenFeature.setProviderAndWait(provider);
            const client = OpenFeature.getClient();
            show(client.getObjectDetails('winback', standard));
            await OpenFeature.setContext({ targetingKey: 'zoe', campaigns: ['winback'] });
            show(client.getObjectDetails('winback', standard));
            show(client.getObjectDetails('newsletter', standard));
            """,
            service,
        )
        assert unnamed["errorCode"] == "GENERAL"
        assert "`campaigns`" in unnamed["errorMessage"]
        assert named["variant"]
        assert other["errorCode"] == "FLAG_NOT_FOUND"
        assert service.counts()["decisions"] == 1


def test_a_page_that_asks_too_much_keeps_what_it_has(
    deploy: Callable[..., Deployment],
    serve: Callable[..., Any],
    scripts: Callable[..., list[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deployment = deploy(None)
    narrow = deployment.settings.model_copy(update={"rate_per_second": 1, "rate_burst": 1})
    monkeypatch.setattr(deployment, "settings", narrow)
    with serve(deployment) as service:
        first, still, asked = scripts(
            WEB,
            """
            await OpenFeature.setContext({ targetingKey: 'anna' });
            await OpenFeature.setProviderAndWait(provider);
            const client = OpenFeature.getClient();
            const variant = () => client.getStringDetails('newsletter:variant', 'none').value;
            show(variant());
            for (const page of ['/a', '/b', '/c']) await OpenFeature.setContext({ targetingKey: 'anna', page });
            show(variant());
            show(answers.map(([status]) => status));
            """,
            service,
        )
    assert first == still != "none"
    assert asked == [200, 429], "and none before the time it was told"
