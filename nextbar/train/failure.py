"""Trainings that fail or are interrupted: the status in their folders, and the message for the user."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from nextbar.errors import NextbarError, OutOfMemory, TrainingInterrupted
from nextbar.train.training import Training


@contextmanager
def noting_failure(trainings: Sequence[Training]) -> Iterator[None]:
    """Write down in the folders of those that have not come to their end how the block failed, and close them."""

    def live() -> list[Training]:
        return [training for training in trainings if not training.concluded]

    try:
        yield
    except KeyboardInterrupt:
        raise TrainingInterrupted(_interrupted(live())) from None
    except BaseException as error:
        for training in live():
            training.fail(error)
        if isinstance(error, NextbarError):
            raise
        if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):  # of the machine, of its GPU
            raise OutOfMemory(
                f"not enough memory ({str(error).partition(chr(10))[0]}); "
                "use a smaller batch_size, seq_len, d_model or dim_feedforward"
                + (f", or fewer than {len(live())} trainings side by side" if len(live()) > 1 else "")
            ) from error
        raise
    finally:
        with ExitStack() as closing:
            for training in live():
                closing.callback(training.close)


def _interrupted(trainings: Sequence[Training]) -> str:
    """Record the interruption in each folder; returns the message for the user."""
    messages = [training.interrupt() for training in trainings]
    if len(messages) == 1:
        return messages[0]
    epochs = [training.epoch for training in trainings]
    few, many = min(epochs, default=0), max(epochs, default=0)
    kept = all(training.config.save_weights for training in trainings)
    return (
        f"interrupted after {few if few == many else f'{few} to {many}'} whole epochs of {len(trainings)} trainings, "
        f"states saved{'' if kept else ' of those with save_weights'}; the same command goes on from there"
    )
