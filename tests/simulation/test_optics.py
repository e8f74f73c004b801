"""The microscope against textbook numbers and against a CTF written another way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from cryopick_cli.simulation.exposure import NearSlab, expose
from cryopick_cli.simulation.optics import (
    Optics,
    absorption,
    contrast_transfer,
    electron_wavelength,
    envelope,
    frequency_grid,
    interaction_constant,
)
from cryopick_cli.simulation.specimen import Specimen


@pytest.mark.parametrize(
    ("kilovolt", "wavelength"), [(120.0, 0.033492), (200.0, 0.025079), (300.0, 0.019687)]
)
def test_wavelength_is_that_of_the_tables(kilovolt: float, wavelength: float) -> None:
    assert electron_wavelength(kilovolt) == pytest.approx(wavelength, rel=1e-4)


@pytest.mark.parametrize(("kilovolt", "constant"), [(120.0, 8.638e-4), (200.0, 7.288e-4), (300.0, 6.526e-4)])
def test_interaction_constant_is_that_of_the_tables(kilovolt: float, constant: float) -> None:
    assert interaction_constant(kilovolt) == pytest.approx(constant, rel=2e-3)


def independent_ctf(optics: Optics, shape: tuple[int, int], pixel_size: float) -> np.ndarray:
    """Give the CTF in polar form, as CTF-fitting programs write it (Rohou & Grigorieff 2015)."""
    ky, kx = np.meshgrid(
        np.fft.fftfreq(shape[0], pixel_size), np.fft.fftfreq(shape[1], pixel_size), indexing="ij"
    )
    k, theta = np.hypot(kx, ky), np.arctan2(ky, kx)
    u, v = optics.defocus + optics.astigmatism, optics.defocus - optics.astigmatism
    focus = 0.5 * (u + v + (u - v) * np.cos(2 * (theta - np.deg2rad(optics.astigmatism_deg))))
    wavelength = 12.2643 / np.sqrt(optics.voltage_kv * 1e3 * (1 + 0.978466e-6 * optics.voltage_kv * 1e3))
    cs = optics.spherical_aberration_mm * 1e7
    chi = np.pi * wavelength * k**2 * (focus - 0.5 * wavelength**2 * k**2 * cs)
    amplitude = optics.amplitude_contrast
    return -np.sin(
        chi + np.deg2rad(optics.phase_shift_deg) + np.arctan(amplitude / np.sqrt(1 - amplitude**2))
    )


@pytest.mark.parametrize(
    "optics",
    [
        Optics(),
        Optics(voltage_kv=120.0, defocus=32000.0, spherical_aberration_mm=2.0, amplitude_contrast=0.07),
        Optics(voltage_kv=200.0, defocus=9000.0, astigmatism=700.0, astigmatism_deg=37.0),
        Optics(defocus=5000.0, spherical_aberration_mm=0.001, phase_shift_deg=90.0),
    ],
)
def test_ctf_agrees_with_an_independent_one(optics: Optics) -> None:
    shape, pixel_size = (96, 128), 1.7
    ours = contrast_transfer(optics, *frequency_grid(shape, pixel_size))
    np.testing.assert_allclose(ours, independent_ctf(optics, shape, pixel_size), atol=4e-3)


def test_envelope_is_one_at_the_origin_and_falls_as_stated() -> None:
    along_y, along_x = frequency_grid((64, 64), 2.0)
    damping = envelope(Optics(b_factor=100.0), along_y, along_x)
    assert damping[0, 0] == 1.0
    assert damping[0, 16] == pytest.approx(np.exp(-100.0 / 4.0 * 0.125**2), rel=1e-5)


def test_drift_damps_along_its_direction_alone() -> None:
    along_y, along_x = frequency_grid((64, 64), 2.0)
    damping = envelope(Optics(b_factor=0.0, drift=8.0, drift_deg=0.0), along_y, along_x)
    assert damping[0, 16] == pytest.approx(0.0, abs=1e-6)
    assert damping[16, 0] == pytest.approx(1.0)


def make_specimen(edge: int, pixel_size: float) -> Specimen:
    return Specimen(edge=edge, margin=0, pixel_size=pixel_size, phase_per_volt=interaction_constant(300.0))


def radial_mean(values: np.ndarray) -> np.ndarray:
    y, x = (np.fft.fftfreq(side, 1.0 / side) for side in values.shape)
    radius = np.rint(np.hypot(y[:, None], x)).astype(int)
    return np.bincount(radius.ravel(), values.ravel()) / np.bincount(radius.ravel())


@pytest.mark.parametrize("defocus", [8000.0, 15000.0, 25000.0])
def test_thon_rings_lie_where_the_defocus_puts_them(defocus: float, rng: np.random.Generator) -> None:
    edge, pixel_size = 512, 2.0
    optics = Optics(defocus=defocus, b_factor=0.0, amplitude_contrast=0.1)
    specimen = make_specimen(edge, pixel_size)
    phase = (0.01 * rng.standard_normal((edge, edge))).astype(np.float32)
    specimen.add_weak(phase, absorption(optics))
    power = radial_mean(np.abs(np.fft.fft2(expose(specimen, optics) - 1.0)) ** 2)
    # Rings are dark where chi + asin(A) is a multiple of pi: a quadratic equation in k squared.
    order = np.arange(1, 5)
    wavelength, cs = optics.wavelength, optics.spherical_aberration_mm * 1e7
    target = (order - np.arcsin(optics.amplitude_contrast) / np.pi) / wavelength
    squared = (defocus - np.sqrt(defocus**2 - 2 * cs * wavelength**2 * target)) / (cs * wavelength**2)
    expected = np.sqrt(squared) * edge * pixel_size
    for radius in expected[expected < 0.4 * edge]:
        near = np.arange(int(radius) - 4, int(radius) + 6)
        assert near[np.argmin(power[near])] == pytest.approx(radius, abs=1.0)


def test_weak_object_gives_the_contrast_of_linear_theory(rng: np.random.Generator) -> None:
    edge, pixel_size = 128, 3.0
    optics = Optics(astigmatism=300.0, astigmatism_deg=20.0)
    specimen = make_specimen(edge, pixel_size)
    # Smoothed: at the highest frequency an astigmatic transfer is not that of a real micrograph.
    phase = ndimage.gaussian_filter(3e-3 * rng.standard_normal((edge, edge)), 1.0, mode="wrap").astype(
        np.float32
    )
    specimen.add_weak(phase, absorption(optics))
    along = frequency_grid((edge, edge), pixel_size)
    # The phase is (1 - A²)^½ of the strength that carries the sine of both kinds of contrast.
    strength = 2.0 / np.sqrt(1.0 - optics.amplitude_contrast**2)
    transfer = strength * contrast_transfer(optics, *along) * envelope(optics, *along)
    linear = 1.0 + np.fft.ifft2(np.fft.fft2(phase) * transfer).real
    np.testing.assert_allclose(expose(specimen, optics), linear, atol=3e-5)


def test_protein_is_dark_under_focus() -> None:
    specimen = make_specimen(128, 4.0)
    y, x = np.indices((128, 128)) - 64
    specimen.add_weak((0.1 * np.exp(-(x**2 + y**2) / 50.0)).astype(np.float32), 0.1)
    intensity = expose(specimen, Optics(defocus=20000.0))
    assert intensity[64, 64] < 0.96
    assert intensity[64, 64] == intensity.min()


def test_nothing_in_the_beam_gives_intensity_one() -> None:
    np.testing.assert_allclose(expose(make_specimen(64, 3.0), Optics()), 1.0, atol=1e-6)


def test_absorbing_layer_darkens_by_its_thickness() -> None:
    specimen = make_specimen(64, 3.0)
    specimen.loss += np.float32(0.25)
    np.testing.assert_allclose(expose(specimen, Optics()), np.exp(-0.5), rtol=1e-5)


def test_two_slabs_without_distance_are_one(rng: np.random.Generator) -> None:
    phase = (0.02 * rng.standard_normal((64, 64))).astype(np.float32)
    one, two = make_specimen(64, 3.0), make_specimen(64, 3.0)
    one.add_weak(2 * phase, 0.1)
    two.add_weak(phase, 0.1)
    apart = expose(two, Optics(), NearSlab(phase=phase, absorption=0.1, distance=0.0))
    np.testing.assert_allclose(apart, expose(one, Optics()), atol=2e-6)


def test_what_lies_farther_from_the_lens_is_closer_to_focus() -> None:
    y, x = np.indices((128, 128)) - 64
    blob = (0.05 * np.exp(-(x**2 + y**2) / 8.0)).astype(np.float32)
    far, near, alone = (make_specimen(128, 3.0) for _ in range(3))
    far.add_weak(blob, 0.1)
    alone.add_weak(blob, 0.1)
    nothing = NearSlab(phase=np.zeros_like(blob), absorption=0.1, distance=2000.0)
    at_the_lens = NearSlab(phase=blob, absorption=0.1, distance=2000.0)
    optics = Optics(defocus=10000.0)
    np.testing.assert_allclose(
        expose(far, optics, nothing), expose(alone, replace(optics, defocus=8000.0)), atol=1e-5
    )
    np.testing.assert_allclose(expose(near, optics, at_the_lens), expose(alone, optics), atol=1e-5)
