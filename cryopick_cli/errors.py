"""The errors a user can cause. Every message says: file: what is wrong (found, expected); what to do."""


class CryopickError(Exception):
    """Base of every error that a user can cause and cure; the command line prints it and exits with 1."""


class FormatError(CryopickError):
    """A file cannot be read as what it claims to be."""


class InputError(CryopickError):
    """The files named on input are missing, empty, contradictory or of the wrong kind."""


class OutputError(CryopickError):
    """A result cannot be written where it was asked for, or would overwrite one that is there."""


class ConfigError(CryopickError):
    """A setting is out of its range or unknown."""


class WeightsError(CryopickError):
    """Weights are missing, damaged, or of another network."""


class DeviceError(CryopickError):
    """The device asked for is not there or cannot do the work."""
