"""Every estimator, in the order of reports."""

from __future__ import annotations

from collections.abc import Mapping

from optimizer.evaluation.estimators.clipped_ips import ClippedIps
from optimizer.evaluation.estimators.dm import Dm
from optimizer.evaluation.estimators.dr import Dr
from optimizer.evaluation.estimators.estimator import Estimator
from optimizer.evaluation.estimators.ips import Ips
from optimizer.evaluation.estimators.sndr import Sndr
from optimizer.evaluation.estimators.snips import Snips
from optimizer.evaluation.estimators.switch_dr import SwitchDr

ALL: tuple[Estimator, ...] = (Ips(), ClippedIps(), Snips(), Dm(), Dr(), Sndr(), SwitchDr())

ESTIMATORS: Mapping[str, Estimator] = {estimator.name: estimator for estimator in ALL}
