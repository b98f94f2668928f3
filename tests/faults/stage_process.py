"""Runs a real stage as its service does; the estimator raises on events of the symbol RAISE.

``python stage_process.py estimator|clusterer``, settings from the environment.
"""

from __future__ import annotations

import sys
from typing import Any

from liqheat_clusterer.core.clusterer_fold import ClustererFold
from liqheat_clusterer.core.parameters import Parameters
from liqheat_estimator.core.estimator_fold import EstimatorFold, EstimatorParameters
from liqheat_shared.contracts.topics import LIQUIDATION_GRIDS, MARKET_EVENTS
from liqheat_shared.folding import Emission, Fold
from liqheat_shared.kafka.exact.options import StageOptions
from liqheat_shared.kafka.exact.process import run_stage
from liqheat_shared.settings import ServiceSettings, load_settings


class RaisingEstimator(EstimatorFold):
    """Changes the state and then raises, as a fault in the middle of a fold would."""

    def fold(self, state: Any, event: Any) -> list[Emission]:
        emissions = super().fold(state, event)
        if event.symbol == "RAISE":
            raise RuntimeError("asked to raise")
        return emissions


def make_fold(stage: str) -> Fold[Any, Any]:
    """The fold of a stage, the same in the process and in the oracle."""
    if stage == "estimator":
        return RaisingEstimator(EstimatorParameters(cadence_ms=1000))
    return ClustererFold(Parameters())


def main() -> int:
    stage, session, interval, instance = sys.argv[1:5]
    options = StageOptions(
        stage="estimator" if stage == "estimator" else "clusterer",
        input_topic=MARKET_EVENTS if stage == "estimator" else LIQUIDATION_GRIDS,
        instance_id=instance if instance != "-" else None,
        session_timeout_seconds=float(session),
        checkpoint_interval_seconds=float(interval),
        max_pending_messages=20_000,
        dead_letter_share=1.0,
        dead_letters_in_a_row=1000,
    )
    return run_stage(make_fold(stage), load_settings(ServiceSettings), options)


if __name__ == "__main__":
    raise SystemExit(main())
