"""What a session of tests imports, and what it begins with."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]

MARKERS = ("slow", "gpu", "compiled", "optimized")
"""each is written in the file of the tests that have it, not given to them from elsewhere"""

_LONGEST = """
    whole/test_docs_run laws/test_kills laws/test_numbers machine/test_hosts engine/test_devices
    whole/test_synthetic_gates whole/test_plain_script laws/test_s3 laws/test_buckets laws/test_search_killed
    train/test_population train/test_members train/test_final_fit laws/test_causality_training
    report/test_report engine/test_engine engine/test_tapes model/test_transformer_combinations
    whole/test_examples whole/test_bench searching/test_team searching/test_searcher_trained laws/test_clusters
    laws/test_determinism whole/test_additions backtesting/test_backtester laws/test_storage
    whole/test_interruption whole/test_site updating/test_updater model/test_layers baselines/test_base
    cli/test_cli_use train/test_loop_continuation train/test_trainer train/test_scored_spans
    laws/test_own_columns whole/test_weekly runs/test_checkpoint runs/test_records model/test_transformer
    searching/test_worker report/test_study_page backtesting/test_folder inference/test_forecaster
"""
LONGEST = [TESTS / f"{name}.py" for name in _LONGEST.split()]
"""files of tests that take longest, in fast or slow sessions; they begin first, so that all processes end together"""
