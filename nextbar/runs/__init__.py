"""Run folders: what lies in them, and which there are."""

from nextbar.runs.quiet import keep_absl_quiet

keep_absl_quiet()  # before anything here imports orbax
