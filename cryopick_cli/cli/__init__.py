"""The command line: the only storey that prints, knows click, and sets an exit status."""
