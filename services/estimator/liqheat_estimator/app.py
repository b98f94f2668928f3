"""The estimator's process: the pure fold on the exact shell."""

from __future__ import annotations

from liqheat_estimator.core.estimator_fold import EstimatorFold, EstimatorParameters
from liqheat_estimator.priors_file import priors_of
from liqheat_estimator.settings import EstimatorSettings
from liqheat_shared.contracts.topics import MARKET_EVENTS
from liqheat_shared.kafka.exact.options import StageOptions
from liqheat_shared.kafka.exact.process import run_stage
from liqheat_shared.settings import load_settings, refuse


def run() -> int:
    """Run the estimator with the settings of the environment; its exit code."""
    settings = load_settings(EstimatorSettings)
    options = StageOptions(
        stage="estimator",
        input_topic=MARKET_EVENTS,
        instance_id=settings.estimator_instance_id,
        session_timeout_seconds=settings.estimator_session_timeout_seconds,
        checkpoint_interval_seconds=settings.estimator_checkpoint_interval_seconds,
        max_pending_messages=settings.estimator_max_pending_messages,
        dead_letter_share=settings.estimator_dead_letter_share,
        dead_letters_in_a_row=settings.estimator_dead_letters_in_a_row,
    )
    parameters = EstimatorParameters(
        cadence_ms=settings.estimator_grid_cadence_ms, maintenance_stress=settings.estimator_maintenance_stress
    )
    try:
        priors = priors_of(settings.estimator_priors_file, parameters)
    except ValueError as fault:
        refuse([f"LIQHEAT_ESTIMATOR_PRIORS_FILE: {fault}"])
    fold = EstimatorFold(parameters, priors)
    return run_stage(fold, settings, options)
