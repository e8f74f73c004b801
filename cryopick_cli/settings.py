"""Frozen configuration dataclasses from plain mappings (TOML, JSON) and back. Unknown keys are refused."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from cryopick_cli.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Config = TypeVar("Config")


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises
    ------
    ConfigError
        If the file is missing or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path}: found no such file, expected a TOML configuration; check the path"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML ({error}); expected lines like `steps = 4000`") from error


def from_mapping(cls: type[Config], mapping: Mapping[str, Any], where: str = "") -> Config:
    """Build a configuration dataclass from a mapping, nested ones from nested mappings.

    Parameters
    ----------
    cls : a dataclass
    mapping : Mapping
        Keys are field names; fields left out keep their default.
    where : str
        What to call the mapping in messages, such as a file name.

    Raises
    ------
    ConfigError
        If it is no mapping, a key is no field, or a value does not fit; the message names both.
    """
    if not isinstance(mapping, Mapping):
        raise ConfigError(f"{where or cls.__name__}: found {mapping!r}, expected a table of settings")
    known = {f.name for f in fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(mapping) - known)
    if unknown:
        raise ConfigError(
            f"{where or cls.__name__}: found unknown {unknown}, expected some of {sorted(known)}"
        )
    hints = get_type_hints(cls)
    values = {
        key: _convert(hints[key], value, f"{where}.{key}" if where else key) for key, value in mapping.items()
    }
    try:
        return cls(**values)
    except TypeError as error:
        raise ConfigError(
            f"{where or cls.__name__}: {error}; give every field that has no default"
        ) from error
    except ConfigError as error:
        raise ConfigError(_as_a_field(str(error), where)) from error


def _as_a_field(message: str, where: str) -> str:
    """Name the field that a message is about in place of its option, which nobody typed here."""
    option = re.match(r"--([\w-]+): ", message)
    if option is None:
        return message
    field = option[1].replace("-", "_")
    return f"{f'{where}.' if where else ''}{field}: {message[option.end() :]}"


def to_mapping(config: Any) -> dict[str, Any]:
    """Turn a configuration into nested dictionaries fit for JSON."""
    return {key: _plain(value) for key, value in asdict(config).items()}


def differences(found: Any, expected: Any, where: str, whole: tuple[type, ...] = ()) -> list[str]:
    """Name the settings in which two values of one kind differ, each with both values.

    Configurations are compared field by field and tuples entry by entry, down to plain values.

    Parameters
    ----------
    where : str
        What to call the value.
    whole : tuple of type
        Dataclasses that are typed as one word, such as lengths, and are told as such.
    """
    if found == expected:
        return []
    pairs = [] if isinstance(expected, whole) else _pair_parts(found, expected)
    if not pairs:
        return [f"{where} (found {found}, expected {expected})"]
    return [one for name, parts in pairs for one in differences(*parts, f"{where}{name}", whole)]


def _pair_parts(found: Any, expected: Any) -> list[tuple[str, tuple[Any, Any]]]:
    """Pair the parts of two values by name; give none where they are not made of the same parts."""
    if type(found) is not type(expected):
        return []
    if is_dataclass(expected):
        names = [field.name for field in fields(expected)]
        return [(f".{name}", (getattr(found, name), getattr(expected, name))) for name in names]
    if isinstance(expected, tuple) and len(found) == len(expected):
        return [(f"[{index}]", parts) for index, parts in enumerate(zip(found, expected, strict=True))]
    return []


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return str(value) if isinstance(value, Path) else value


def _convert(hint: Any, value: Any, where: str) -> Any:
    """Bring a value read from a file to the type of its field."""
    if hint is Any:
        return value
    if is_dataclass(hint):
        return from_mapping(hint, value, where)  # type: ignore[arg-type]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is tuple:
        return _convert_tuple(arguments, value, where)
    if origin in (dict, Mapping):
        return _convert_table(arguments, value, where)
    if arguments and type(None) in arguments:
        inner = next(a for a in arguments if a is not type(None))
        return None if value is None else _convert(inner, value, where)
    if hint is Path and isinstance(value, str):
        return Path(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and (not isinstance(value, hint) or (hint is int and isinstance(value, bool))):
        raise ConfigError(f"{where}: found {value!r}, expected a value of type {hint.__name__}")
    return value


def _convert_tuple(arguments: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise ConfigError(f"{where}: found {value!r}, expected a list")
    kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else list(arguments)
    if len(kinds) != len(value):
        raise ConfigError(f"{where}: found {len(value)} values, expected {len(kinds)}")
    return tuple(
        _convert(kind, entry, f"{where}[{i}]")
        for i, (kind, entry) in enumerate(zip(kinds, value, strict=True))
    )


def _convert_table(arguments: tuple[Any, ...], value: Any, where: str) -> dict[Any, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where}: found {value!r}, expected a table")
    kind_of_key, kind = arguments
    return {
        _convert(kind_of_key, _as_key(kind_of_key, key), where): _convert(kind, entry, f"{where}.{key}")
        for key, entry in value.items()
    }


def _as_key(kind: Any, key: Any) -> Any:
    """Undo what JSON and TOML do to keys that are numbers: they write them as text."""
    return int(key) if kind is int and isinstance(key, str) and key.isdecimal() else key
