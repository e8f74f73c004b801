"""Pick particles in cryo-EM micrographs without knowing their size."""

__version__ = "0.1.0"
