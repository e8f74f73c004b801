"""Options that several commands share, and options made from configuration dataclasses.

A default and its help stand once: on the field of the frozen dataclass that uses it. Commands never repeat
them.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, fields
from functools import wraps
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import click

from cryopick_cli.cli.console import open_console
from cryopick_cli.errors import ConfigError
from cryopick_cli.units import Length, parse_pixel_size

Function = Callable[..., Any]
Decorator = Callable[[Function], Function]

FILES, PARTICLE, RUNNING = "Files", "Particles", "Running"
OTHER = "Options"
AUTO = "auto"


class SectionOption(click.Option):
    """An option that knows under which title of the help it belongs."""

    def __init__(self, *arguments: Any, section: str = OTHER, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.section = section


class SectionCommand(click.Command):
    """A command whose help lists its options by section."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options under their titles, sections in order of first use."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                sections.setdefault(getattr(parameter, "section", OTHER), []).append(record)
        for title in sorted(sections, key=lambda title: title == OTHER):
            with formatter.section(title):
                formatter.write_dl(sections[title])


def option(*names: str, section: str = OTHER, **attributes: Any) -> Decorator:
    """Declare an option under a section of the help."""
    return click.option(*names, cls=SectionOption, section=section, **attributes)


def inputs(function: Function) -> Function:
    """Add ``--in``; further file names after it count too, so that an unquoted glob works."""

    @wraps(function)
    def command(
        *arguments: Any, inputs: tuple[str, ...], more_inputs: tuple[str, ...], **options: Any
    ) -> Any:
        return function(*arguments, inputs=(*inputs, *more_inputs), **options)

    with_rest = click.argument("more_inputs", nargs=-1, metavar="")(command)
    return option(
        "-i",
        "--in",
        "inputs",
        section=FILES,
        multiple=True,
        required=True,
        metavar="DIR|GLOB|STAR|@LIST",
        help="Micrographs: a folder (searched in depth), a glob, a file, a RELION micrographs STAR file, or "
        "a list of files as @list.txt. May be given several times.",
    )(with_rest)


def output(help: str = "Folder for the results.") -> Decorator:
    """Add ``--out``."""
    kind = click.Path(path_type=Path)
    return option("-o", "--out", section=FILES, required=True, type=kind, metavar="DIR", help=help)


def _read_pixel_size(ctx: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return parse_pixel_size(text)
    except ConfigError as error:
        raise click.BadParameter(str(error), ctx, parameter) from error


def pixel_size_for(purpose: str) -> Decorator:
    """Add ``--pixel-size``, handed over in Å, with its purpose in the help."""
    help = f"Pixel size of the micrographs in Å, {purpose}."
    return option("--pixel-size", section=PARTICLE, metavar="Å", callback=_read_pixel_size, help=help)


pixel_size = pixel_size_for("in place of what the STAR file or the header says")

weights = option(
    "-w",
    "--weights",
    section=RUNNING,
    metavar="NAME|DIR",
    help="Weights by name, or the folder of your own. Default: the ones that come with cryopick.",
)

_DEVICE = re.compile(r"^(auto|cpu|cuda(:\d+)?|mps)$")


def _check_device(ctx: click.Context, parameter: click.Parameter, name: str) -> str:
    """Refuse a word that names no device; whether the device is there is seen when it is chosen."""
    if _DEVICE.match(name) is None:
        raise click.BadParameter(f"found {name!r}, expected auto, cpu, cuda, cuda:N or mps", ctx, parameter)
    return name


device = option(
    "-d",
    "--device",
    section=RUNNING,
    default="auto",
    show_default=True,
    callback=_check_device,
    metavar="auto|cpu|cuda|cuda:N|mps",
    help="Where the network runs. What is asked for by name must be there; auto says what it chose and why.",
)

seed = option(
    "--seed",
    section=RUNNING,
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Seed of everything random.",
)

overwrite = option("--overwrite", section=FILES, is_flag=True, help="Replace results that are there already.")


no_check = option(
    "--no-check",
    section=RUNNING,
    is_flag=True,
    help="Do not check first whether the coordinates fit.",
)


def overwrite_or_resume(function: Function) -> Function:
    """Add ``--overwrite`` and ``--resume``, of which one may be given."""

    @wraps(function)
    def command(*arguments: Any, overwrite: bool, resume: bool, **options: Any) -> Any:
        if overwrite and resume:
            raise click.UsageError("--overwrite and --resume: found both, expected one; choose one")
        return function(*arguments, overwrite=overwrite, resume=resume, **options)

    resumed = option(
        "--resume", section=FILES, is_flag=True, help="Go on with what an earlier run left undone."
    )
    return overwrite(resumed(command))


def console(function: Function) -> Function:
    """Add ``-v`` and ``-q``, and hand the command its console."""

    @wraps(function)
    def command(*arguments: Any, verbose: int, quiet: bool, **options: Any) -> Any:
        with open_console(-1 if quiet else verbose) as opened:
            return function(*arguments, console=opened, **options)

    more = option("-v", "--verbose", count=True, help="Say more, to find a fault.")
    less = option("-q", "--quiet", is_flag=True, help="Say nothing but warnings and errors.")
    return more(less(command))


def options_from(
    config: type[Any], *, name: str = "config", section: str = OTHER, leave_out: Sequence[str] = ()
) -> Decorator:
    """Make an option of every field of a frozen dataclass, and hand the command the dataclass.

    A field's default is the option's; its ``metadata`` holds ``help`` and may hold ``option`` (the names,
    such as ``("-t", "--threshold")``), ``metavar``, ``choices``, ``auto`` (true where the word ``auto``
    stands for None) and ``bare`` (the unit of a length given without one). A value that the dataclass refuses
    is wrong usage.

    Parameters
    ----------
    config
        A dataclass with keyword-only fields of type bool, int, float, str, `Path`, `Length`, an optional
        one of these, or a tuple of a fixed number of these.
    name
        The argument of the command that takes the dataclass.
    section
        Title in the help.
    leave_out
        Fields without an option; they keep their default.
    """
    hints = get_type_hints(config)
    chosen = [one for one in fields(config) if one.name not in leave_out]

    def decorate(function: Function) -> Function:
        @wraps(function)
        def command(*arguments: Any, **options: Any) -> Any:
            values = {one.name: options.pop(one.name) for one in chosen}
            try:
                options[name] = config(**values)
            except ConfigError as error:
                raise click.UsageError(str(error)) from error
            return function(*arguments, **options)

        decorated: Function = command
        for one in reversed(chosen):
            decorated = _option_of_field(one, hints[one.name], section)(decorated)
        return decorated

    return decorate


def _option_of_field(one: Field[Any], hint: Any, section: str) -> Decorator:
    flag = f"--{one.name.replace('_', '-')}"
    names: tuple[str, ...] = one.metadata.get("option", (flag,))
    default = one.default if one.default is not MISSING else None
    attributes: dict[str, Any] = {
        "help": one.metadata["help"],
        "default": default,
        "show_default": default is not None,
        "required": one.default is MISSING and one.default_factory is MISSING,
    }
    kind = _without_none(hint)
    if kind is bool:
        names = tuple(f"{each}/--no-{each[2:]}" if each.startswith("--") else each for each in names)
    elif one.metadata.get("auto", False):
        attributes |= {"default": AUTO, "show_default": True, "callback": _parser(kind, auto=True)}
    elif kind is Length:
        attributes["callback"] = _parser(kind, bare=one.metadata.get("bare"))
    elif get_origin(kind) is tuple:
        attributes |= {"type": get_args(kind), "nargs": len(get_args(kind))}
    else:
        attributes["type"] = _parameter_type(one, kind)
    if "metavar" in one.metadata:
        attributes["metavar"] = one.metadata["metavar"]
    return option(*names, one.name, section=section, **attributes)


def _without_none(hint: Any) -> Any:
    if get_origin(hint) not in (Union, types.UnionType):
        return hint
    (kind,) = (each for each in get_args(hint) if each is not type(None))
    return kind


def _parameter_type(one: Field[Any], kind: Any) -> Any:
    if "choices" in one.metadata:
        return click.Choice(one.metadata["choices"])
    return click.Path(path_type=Path) if kind is Path else kind


def _parser(
    kind: Any, *, auto: bool = False, bare: str | None = None
) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    """Make a callback that reads a length with its unit, or another kind, or ``auto`` as None."""

    def parse(ctx: click.Context, parameter: click.Parameter, text: str | None) -> Any:
        if text is None or (auto and text == AUTO):
            return None
        if kind is not Length:
            try:
                return click.types.convert_type(kind).convert(text, parameter, ctx)
            except click.BadParameter as error:
                raise click.BadParameter(
                    f"found {text!r}, expected auto or a number", ctx, parameter
                ) from error
        try:
            return Length.parse(text, bare)
        except ConfigError as error:
            raise click.BadParameter(str(error), ctx, parameter) from error

    return parse


def length(*names: str, section: str = PARTICLE, **attributes: Any) -> Decorator:
    """Declare an option that takes a length with its unit, such as ``120A`` or ``90px``."""
    return option(*names, section=section, metavar="120A|90px", callback=_parser(Length), **attributes)
