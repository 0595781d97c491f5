"""Training: from an experiment to a run folder."""

from nextbar.train.quiet import keep_absl_quiet

keep_absl_quiet()  # before anything here imports orbax
