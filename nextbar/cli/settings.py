"""Commands that take ``name=value``; for ``--name value`` their error shows the right form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from typer.core import TyperCommand


class SettingsCommand(TyperCommand):
    """A command with fields of an experiment among its arguments."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        typed = list(args)
        try:
            return super().parse_args(ctx, args)
        except Exception as error:  # typer has click's NoSuchOption, or one of its own, by version
            option = getattr(error, "option_name", None)
            if type(error).__name__ == "NoSuchOption" and option and (setting := _as_setting(option, typed, self.name)):
                error.message = f"{error.message}; fields are given without dashes: {setting}"  # type: ignore[attr-defined]
            raise


def _as_setting(option: str, args: Sequence[str], command: str | None) -> str:
    """``name=value`` for an option that names a field; empty where no field is called so."""
    from nextbar.errors import nearest

    name, names = option.lstrip("-").replace("-", "_"), tuple(_fields(command))
    suggestion = name if name in names else nearest(name, names).partition("did you mean ")[2].rstrip("?")
    field = suggestion.partition(" or ")[0]
    after = args[args.index(option) + 1 :] if option in args else []
    value = next((text.partition("=")[2] for text in args if text.startswith(f"{option}=")), next(iter(after), ""))
    return field and f"{field}={value or '…'}"


def _fields(command: str | None) -> Iterator[str]:
    """Names that a command takes as ``name=value``."""
    from nextbar.config import ExperimentConfig
    from nextbar.config.base import field_names

    if command == "search":
        from nextbar.searching.options import SearchOptions

        yield from field_names(SearchOptions)
    elif command == "backtest":
        from nextbar.backtesting.options import BacktestOptions

        yield from field_names(BacktestOptions)
    yield from field_names(ExperimentConfig)
