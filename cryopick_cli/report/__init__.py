"""Picks to pictures that a person looks at."""
