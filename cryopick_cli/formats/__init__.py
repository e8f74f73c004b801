"""What is on disk: micrographs, coordinates in every program's format, and lists of them. No decisions."""
