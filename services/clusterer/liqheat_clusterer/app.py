"""The clusterer's process: the pure fold on the exact shell."""

from __future__ import annotations

from liqheat_clusterer.core.clusterer_fold import ClustererFold
from liqheat_clusterer.core.parameters import Parameters
from liqheat_clusterer.settings import ClustererSettings
from liqheat_shared.contracts.topics import LIQUIDATION_GRIDS
from liqheat_shared.kafka.exact.options import StageOptions
from liqheat_shared.kafka.exact.process import run_stage
from liqheat_shared.settings import load_settings


def run() -> int:
    """Run the clusterer with the settings of the environment; its exit code."""
    settings = load_settings(ClustererSettings)
    options = StageOptions(
        stage="clusterer",
        input_topic=LIQUIDATION_GRIDS,
        instance_id=settings.clusterer_instance_id,
        session_timeout_seconds=settings.clusterer_session_timeout_seconds,
        checkpoint_interval_seconds=settings.clusterer_checkpoint_interval_seconds,
        max_pending_messages=settings.clusterer_max_pending_messages,
        dead_letter_share=settings.clusterer_dead_letter_share,
        dead_letters_in_a_row=settings.clusterer_dead_letters_in_a_row,
    )
    fold = ClustererFold(Parameters())
    return run_stage(fold, settings, options)
