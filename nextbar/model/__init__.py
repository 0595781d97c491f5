"""The model: flax modules, from a batch of windows to the outputs of a head."""
