"""Values of policies on real logs, against published numbers and others known beforehand.

Hillstrom's e-mail test (2008): a third of 64,000 customers each got a mail for men, one for women, or none. Always the
mail for men, by the textbook's mean of ``w r`` and its standard error with ``n - 1``.

Open Bandit Dataset (Saito et al. 2020, arXiv:2008.07146), the sample of 10,000 rows logged by the uniform policy for
campaign "all": the value of its Bernoulli Thompson policy, published with the dataset's own pipeline as .004553 (IPW),
.003545 (DM) and .004727 (DR). The policy's probabilities are a simulation of 100,000 draws with seed 12345, repeated
here draw by draw, so that IPW is met to every digit. The published model is a logistic regression for each position on
attributes of customers and items. Attributes of items are not among our data: here each item has a coefficient of its
own. DR, which corrects the model, agrees to 5e-5; DM, which is the model, cannot agree and does to 5e-4.
"""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from ruamel.yaml import YAML
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold

from optimizer.domain.feedback import LoggedFeedback
from optimizer.evaluation.evaluating import Settings, evaluate
from optimizer.evaluation.targets import SegmentShares, always, uniform

N_ITEMS, N_POSITIONS, N_SIMULATIONS = 80, 3, 100_000


@pytest.fixture(scope="module")
def hillstrom(data_folder: Path) -> LoggedFeedback:
    table = pl.read_csv(data_folder / "hillstrom.csv.gz", columns=["segment", "visit"])
    variants = ("No E-Mail", "Mens E-Mail", "Womens E-Mail")
    arms = table["segment"].replace_strict(dict(zip(variants, range(3), strict=True)), return_dtype=pl.Int64).to_numpy()
    everybody = np.zeros(len(arms), np.int64)
    visits = table["visit"].cast(pl.Float64).to_numpy()
    return LoggedFeedback(variants, ("all",), arms, everybody, np.full(len(arms), 1 / 3), visits)


def test_hillstrom_always_the_mail_for_men(hillstrom: LoggedFeedback) -> None:
    found = evaluate([hillstrom], {"men": always(1, 1, 3)}).judgements["men"].estimates
    assert found["ips"].value == pytest.approx(0.18253125, abs=5e-9)
    assert found["ips"].standard_error == pytest.approx(0.00283473, abs=5e-9)
    assert found["snips"].value == pytest.approx(0.18275684, abs=5e-9)
    with_n = np.sqrt(63_999 / 64_000)  # the number known of the ratio is of a variance divided by n, not n - 1
    assert found["snips"].standard_error * with_n == pytest.approx(0.00264759, abs=5e-9)
    for name in ("ips", "snips"):  # 1,000 resamples know an error to 1/sqrt(2 * 1,000) = 2.2 %, an end to about 5 %
        low, high = found[name].intervals["bootstrap"]
        half = 1.959964 * found[name].standard_error
        assert high - found[name].value == pytest.approx(half, rel=0.15)
        assert found[name].value - low == pytest.approx(half, rel=0.15)


def test_hillstrom_a_mixture_of_mails(hillstrom: LoggedFeedback) -> None:
    mixture = SegmentShares(np.array([[0.1, 0.6, 0.3]]))
    found = evaluate([hillstrom], {"mixture": mixture}).judgements["mixture"]
    assert found.estimates["ips"].value == pytest.approx(0.16565625, abs=5e-9)
    assert found.estimates["snips"].value == pytest.approx(0.16567515, abs=5e-9)
    assert found.diagnostics.effective_sample_size == pytest.approx(46_389.506, abs=5e-4)


def test_hillstrom_means_of_the_log(hillstrom: LoggedFeedback) -> None:
    found = evaluate(hillstrom.chunks(10_000), {"uniform": uniform(1, 3)})
    assert found.logged.value == pytest.approx(0.14678125, abs=5e-9)
    assert found.judgements["uniform"].estimates["ips"].value == pytest.approx(0.14678125, abs=5e-9)


@pytest.fixture(scope="module")
def open_bandit(data_folder: Path) -> LoggedFeedback:
    """Items by position; the log's features are attributes of customers, a column a value but the first."""
    table = pl.read_csv(data_folder / "obd_random_all.csv.gz").sort("timestamp", maintain_order=True)
    features, names = [], []
    for name in table.select(pl.col("^user_feature_.$")).columns:
        values, places = np.unique(table[name].to_numpy(), return_inverse=True)
        features.append(np.eye(len(values))[places][:, 1:])
        names += [f"{name}={value}" for value in values[1:]]
    return LoggedFeedback(
        tuple(map(str, range(N_ITEMS))),
        ("left", "centre", "right"),
        table["item_id"].to_numpy(),
        table["position"].to_numpy() - 1,
        table["propensity_score"].to_numpy(),
        table["click"].cast(pl.Float64).to_numpy(),
        features=np.hstack(features),
        feature_names=tuple(names),
    )


@pytest.fixture(scope="module")
def thompson(data_folder: Path) -> SegmentShares:
    """How often each item is drawn for each position, items in the order of draws from their Beta distributions."""
    prior = YAML(typ="safe").load((data_folder / "obd_prior_bts.yaml").read_text())["all"]
    rng = np.random.RandomState(12345)  # the published simulation's
    counts = np.zeros((N_POSITIONS, N_ITEMS))
    for _ in range(20):
        draws = rng.beta(prior["alpha"], prior["beta"], (N_SIMULATIONS // 20, N_ITEMS))
        highest = np.argpartition(-draws, N_POSITIONS, axis=1)[:, :N_POSITIONS]
        order = np.argsort(-np.take_along_axis(draws, highest, axis=1), axis=1)
        for position, items in enumerate(np.take_along_axis(highest, order, axis=1).T):
            counts[position] += np.bincount(items, minlength=N_ITEMS)
    return SegmentShares(counts / N_SIMULATIONS)


class Regressions:
    """A logistic regression for each position, on customers' attributes and items, fitted on rows of other folds."""

    def __init__(self, log: LoggedFeedback, folds: int) -> None:
        self.predictions = np.zeros((len(log), N_ITEMS))
        for train, test in KFold(folds, shuffle=True, random_state=12345).split(log.arms):
            for position in range(N_POSITIONS):
                there, here = (rows[log.segments[rows] == position] for rows in (train, test))
                self.predictions[here] = self.fitted(log.taken(there), log.features[here])

    @staticmethod
    def fitted(log: LoggedFeedback, features: NDArray[np.float64]) -> NDArray[np.float64]:
        model = LogisticRegression(max_iter=1_000)
        model.fit(np.hstack([log.features, np.eye(N_ITEMS)[log.arms]]), log.rewards)
        of_customer = features @ model.coef_[0, : features.shape[1]]
        of_item = model.coef_[0, features.shape[1] :]
        return 1.0 / (1.0 + np.exp(-(of_customer[:, None] + of_item + model.intercept_)))

    def predicted(self, feedback: LoggedFeedback, first_row: int) -> NDArray[np.float64]:
        return self.predictions[first_row : first_row + len(feedback)]


def test_open_bandit_by_weights(open_bandit: LoggedFeedback, thompson: SegmentShares) -> None:
    evaluation = evaluate(open_bandit.chunks(3_000), {"thompson": thompson})
    assert evaluation.logged.value == pytest.approx(0.0038, abs=1e-12)
    found = evaluation.judgements["thompson"]
    assert found.estimates["ips"].value == pytest.approx(0.004553, abs=5e-7)
    assert found.estimates["ips"].value / 0.0038 == pytest.approx(1.198126, abs=5e-7)
    assert found.estimates["snips"].value == pytest.approx(0.0047758, abs=5e-8)
    assert found.diagnostics.effective_sample_size == pytest.approx(1_639.5, abs=0.05)


@pytest.mark.slow
def test_open_bandit_by_a_model(open_bandit: LoggedFeedback, thompson: SegmentShares) -> None:
    model = Regressions(open_bandit, folds=3)
    found = evaluate(open_bandit.chunks(3_000), {"thompson": thompson}, Settings(), model).judgements["thompson"]
    values = {name: estimate.value for name, estimate in found.estimates.items()}
    assert values["dr"] == pytest.approx(0.004727, abs=5e-5)
    assert values["dm"] == pytest.approx(0.003545, abs=5e-4)
    assert found.estimates["dm"].standard_error < found.estimates["dr"].standard_error / 3  # why it looks so sure
