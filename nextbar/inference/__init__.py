"""Inference: from a run folder to forecasts and scores."""
