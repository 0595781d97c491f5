"""The engine: all that is compiled for training, and its host side."""
