from dataclasses import replace

import numpy as np
import pytest

from optimizer.simulation.learner import Learner, Menus
from optimizer.strategy.policy_settings import resolved_policy

MENUS = Menus(np.zeros(1, np.int64), np.ones((1, 2), np.bool_), np.zeros(1, np.int64))


@pytest.mark.parametrize("model", ["hurdle", "hierarchical", "contextual"])
def test_a_replay_feeds_no_model_that_reads_more_than_successes(model: str) -> None:
    policy = replace(resolved_policy(), model=model)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"model: found {model}; allowed in a replay: beta_bernoulli"):
        Learner(policy, MENUS, 1, penalties=(), opens=np.zeros(1, np.int64))
