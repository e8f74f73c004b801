"""Simulated micrographs: structures and shapes, optics, noise and junk, with reference coordinates.

Without torch and without the network. Read `simulate.simulate_micrograph` first.
"""
