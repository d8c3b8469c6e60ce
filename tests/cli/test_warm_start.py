import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from optimizer.strategy.policy_settings import PolicySettings

Run = Callable[..., Any]
LOG = "mail,bought,region\n" + "".join(
    f"{mail},{int(n % every == 0)},{region}\n"
    for region, more in (("north", 2), ("south", 1))
    for mail, every in (("hello", 4), ("bye", 10))
    for n in range(100 * more)
)
TESTS = "test,name,sent,clicked\n" + "".join(
    f"{test},{name},1000,{clicked}\n"
    for test in range(20)
    for name, clicked in (("red", 20 + test), ("blue", 25 + 2 * test))
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "log.csv").write_text(LOG)
    return tmp_path / "log.csv"


@pytest.fixture
def tests(tmp_path: Path) -> Path:
    (tmp_path / "tests.csv").write_text(TESTS)
    return tmp_path / "tests.csv"


def policy(text: str) -> PolicySettings:
    """The block as a document reads it."""
    return PolicySettings.model_validate(YAML(typ="safe").load(text)["policy"])


def test_a_log_becomes_a_block_to_paste(run: Run, log: Path) -> None:
    ran = run("warm-start", log, "--variant", "mail", "--reward", "bought", "--weight", 0.1)
    assert ran.code == 0
    warm = policy(ran.out).warm_start
    assert warm is not None
    assert warm.weight == 0.1
    assert {name: (told.trials, told.successes) for name, told in warm.variants.items()} == {
        "hello": (300, 75),
        "bye": (300, 30),
    }
    assert "optimizer evaluate" in ran.err


def test_a_scenario_names_its_history(run: Run, log: Path, tmp_path: Path) -> None:
    (tmp_path / "mails.yaml").write_text(
        "scenario: mails\nquestion: Which?\n"
        "history: {file: log.csv, variant: mail, reward: bought, propensity: 0.5}\n"
        "policies: [{name: hello, always: hello}]\n"
    )
    ran = run("warm-start", tmp_path / "mails.yaml", "--json")
    assert json.loads(ran.out)["warm_start"]["variants"]["hello"] == {"trials": 300, "successes": 75}


def test_a_prior_is_learned_from_how_rates_differ(run: Run, tests: Path) -> None:
    ran = run("warm-start", tests, "--test", "test", "--trials", "sent", "--successes", "clicked", "--prior")
    prior = policy(ran.out).prior
    assert prior is not None
    assert prior.successes / (prior.successes + prior.failures) == pytest.approx(0.0368, abs=0.002)
    assert 50 < prior.successes + prior.failures < 2_000
    assert "learned from 40 arms" in ran.err


def test_tests_of_the_same_variants_add_up(run: Run, tests: Path) -> None:
    columns = ("--test", "test", "--variant", "name", "--trials", "sent", "--successes", "clicked")
    found = json.loads(run("warm-start", tests, *columns, "--json").out)["warm_start"]
    assert found == {
        "weight": 0.2,
        "variants": {"red": {"trials": 20_000, "successes": 590}, "blue": {"trials": 20_000, "successes": 880}},
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--variant", "mail"), "--reward: found none; allowed a column of"),
        (("--variant", "mail", "--reward", "nope"), "nope"),
        (("--test", "mail"), "--trials: found none"),
        (("--test", "mail", "--trials", "bought", "--successes", "bought"), "--prior, or --variant"),
    ],
)
def test_what_is_missing_is_said_in_a_sentence(run: Run, log: Path, options: tuple[str, ...], said: str) -> None:
    ran = run("warm-start", log, *options)
    assert ran.code != 0
    assert said in ran.err


def test_a_history_of_one_arm_teaches_no_prior(run: Run, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("mail,bought\nhello,1\nhello,0\n")
    ran = run("warm-start", tmp_path / "one.csv", "--variant", "mail", "--reward", "bought", "--prior")
    assert ran.code != 0
    assert "allowed two or more" in ran.err
