"""The arguments of RELION's External job, ``--LABEL VALUE`` as typed in its window, to options of a command.

A person types labels and values into RELION's window, so they are read kindly: case and ``_`` or ``-`` do not
matter, a switch may be told Yes or No, and what no option knows is left out with a warning.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence

import click

_YES, _NO = ("", "yes", "true", "on", "1"), ("no", "false", "off", "0")


def sort_labels(
    arguments: Sequence[str], parameters: Sequence[click.Parameter]
) -> tuple[list[str], list[str]]:
    """Give the arguments that the command's options know, in their spelling, and warnings about the others.

    Parameters
    ----------
    arguments
        As RELION gives them: a label with two hyphens, then its value, which may be missing or have blanks.
    parameters
        Of the command.
    """
    known = _options_by_label(parameters)
    kept: list[str] = []
    warnings: list[str] = []
    for label, value in _pairs(arguments):
        name, option = known.get(_plain(label), ("", None))
        if option is None:
            warnings.append(_unknown(label, value, known))
        elif option.is_flag or option.count:
            if value.lower() in _YES:
                kept.append(name)
            elif value.lower() in _NO:
                kept += _opposite(name, option)
            else:
                warnings.append(f"{label} {value}: found {value}, expected Yes or No; the option is not used")
        elif value:
            kept += [name, value]
        else:
            warnings.append(f"{label}: has no value; the option is not used")
    return kept, warnings


def _opposite(name: str, option: click.Option) -> list[str]:
    """Give what says no to a switch: its other name where it has one, else nothing."""
    others = option.secondary_opts if name in option.opts else option.opts
    return others[:1]


def _options_by_label(parameters: Sequence[click.Parameter]) -> dict[str, tuple[str, click.Option]]:
    return {
        _plain(name): (name, parameter)
        for parameter in parameters
        if isinstance(parameter, click.Option)
        for name in (*parameter.opts, *parameter.secondary_opts)
    }


def _pairs(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Join each label with all words up to the next one; words before the first have the label ``""``."""
    label, words = "", list[str]()
    for argument in arguments:
        if not _is_label(argument):
            words.append(argument)
            continue
        if label or words:
            yield label, " ".join(words)
        label, _, value = argument.partition("=")
        words = [value] if value else []
    if label or words:
        yield label, " ".join(words)


def _is_label(argument: str) -> bool:
    """Tell a label from a value: ``-1`` and ``-0.5`` are values."""
    return argument.startswith("-") and argument[1:2] not in ("", *"0123456789.")


def _plain(label: str) -> str:
    return label.lstrip("-").lower().replace("_", "-")


def _unknown(label: str, value: str, known: Mapping[str, tuple[str, click.Option]]) -> str:
    close = difflib.get_close_matches(_plain(label), known, n=1, cutoff=0.75)
    meant = f"; did you mean --{close[0]}?" if close else ""
    return f"{f'{label} {value}'.strip()}: no option of this command, so it is not used{meant}"
