"""A model's folder: what is written is what is loaded, and what is damaged is refused."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from cryopick_cli.errors import WeightsError
from cryopick_cli.imaging.normalise import NormaliseConfig
from cryopick_cli.model import weights
from cryopick_cli.model.config import NetworkConfig
from cryopick_cli.model.device import DeviceChoice
from cryopick_cli.model.network import RetinaNet
from cryopick_cli.model.weights import (
    CARD_FILE,
    WEIGHTS_FILE,
    OperatingPoint,
    find_weights,
    list_weights,
    load_model,
    read_card,
    save_model,
)

CPU = DeviceChoice(torch.device("cpu"), torch.float32, "a test")
CONFIG = NetworkConfig(
    pyramid_channels=16, head_depth=1, strides=(8, 16, 32), normalise=NormaliseConfig(clip=5.0)
)
POINT = OperatingPoint(working_diameter_px=36.0, temperature=1.5, offset=-0.25)
ABOUT = {"data": {"sets": ["one", "zwei"]}, "licence": "BSD-3-Clause"}


def test_new_weights_have_a_rule_for_scores_that_are_not_calibrated() -> None:
    shipped, new = read_card(find_weights()).operating_point, OperatingPoint()
    for name in ("working_diameter_px", "empty_threshold"):
        assert getattr(new, name) == getattr(shipped, name), name
    assert (new.temperature, new.offset) == (1.0, 0.0)
    # The square of a score is for probabilities; so are the limits for data sets without particles.
    assert (new.threshold_power, shipped.threshold_power) == (1.0, 2.0)
    assert (new.least_typical, new.least_evidence) == (0.0, 0.0)
    assert min(shipped.least_typical, shipped.least_evidence) > 0


@pytest.fixture(scope="module")
def network() -> RetinaNet:
    torch.manual_seed(1)
    return RetinaNet(CONFIG).eval()


@pytest.fixture(scope="module")
def saved(network: RetinaNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "mine"
    save_model(folder, network, "mine", POINT, ABOUT)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """Give a copy that a test may damage; the weights are a link, as they are large."""
    copy = tmp_path / "mine"
    copy.mkdir()
    (copy / CARD_FILE).write_bytes((saved / CARD_FILE).read_bytes())
    (copy / WEIGHTS_FILE).symlink_to(saved / WEIGHTS_FILE)
    return copy


def change_card(folder: Path, **values: Any) -> None:
    content = {**json.loads((folder / CARD_FILE).read_text()), **values}
    (folder / CARD_FILE).write_text(json.dumps({k: v for k, v in content.items() if v is not None}))


def test_card_says_what_was_saved(saved: Path) -> None:
    card = read_card(saved)
    assert card.name == "mine"
    assert card.network == CONFIG
    assert card.operating_point == POINT
    assert card.about == ABOUT
    assert card.sha256 == hashlib.sha256((saved / WEIGHTS_FILE).read_bytes()).hexdigest()


def test_nothing_else_is_left_in_the_folder(saved: Path) -> None:
    assert {path.name for path in saved.iterdir()} == {CARD_FILE, WEIGHTS_FILE}


def test_loaded_weights_are_the_saved_ones_in_half_precision(network: RetinaNet, saved: Path) -> None:
    model = load_model(str(saved), CPU)
    assert not model.network.training
    assert model.device is CPU
    loaded = model.network.state_dict()
    for name, value in network.state_dict().items():
        assert loaded[name].dtype == value.dtype
        expected = value.half().float() if value.is_floating_point() else value
        assert torch.equal(loaded[name], expected), name
    half_of_float32 = 2 * sum(value.numel() for value in network.state_dict().values())
    assert (saved / WEIGHTS_FILE).stat().st_size == pytest.approx(half_of_float32, rel=0.01)


def test_loaded_network_says_nearly_the_same(network: RetinaNet, saved: Path) -> None:
    view = torch.randn(1, 1, 64, 96)
    with torch.inference_mode():
        before, after = network(view), load_model(str(saved), CPU).network(view)
    torch.testing.assert_close(after.logits, before.logits, atol=2e-2, rtol=0)
    torch.testing.assert_close(after.deltas, before.deltas, atol=2e-2, rtol=0)


def test_saving_again_replaces_both_files(network: RetinaNet, folder: Path) -> None:
    card = save_model(folder, network, "second", OperatingPoint(), {})
    assert read_card(folder) == card
    assert card.name == "second"


@pytest.mark.parametrize("where", [100, -1])
def test_a_changed_byte_is_found(folder: Path, where: int) -> None:
    content = bytearray((folder / WEIGHTS_FILE).read_bytes())
    content[where] ^= 1
    (folder / WEIGHTS_FILE).unlink()
    (folder / WEIGHTS_FILE).write_bytes(content)
    with pytest.raises(
        WeightsError, match=r"found sha256 [0-9a-f]{64}, expected [0-9a-f]{64} as in its card"
    ):
        load_model(str(folder), CPU)


def test_a_file_that_is_no_safetensors_is_refused_though_its_sum_is_right(folder: Path) -> None:
    (folder / WEIGHTS_FILE).unlink()
    (folder / WEIGHTS_FILE).write_bytes(b"no tensors")
    change_card(folder, sha256=hashlib.sha256(b"no tensors").hexdigest())
    with pytest.raises(WeightsError, match="not a safetensors file"):
        load_model(str(folder), CPU)


def test_missing_weights_are_named(folder: Path) -> None:
    (folder / WEIGHTS_FILE).unlink()
    with pytest.raises(WeightsError, match=f"{WEIGHTS_FILE}: cannot be read .No such file"):
        load_model(str(folder), CPU)


def test_weights_of_another_network_are_refused(folder: Path) -> None:
    network = json.loads((folder / CARD_FILE).read_text())["network"]
    change_card(folder, network={**network, "resnet_depth": 34})
    with pytest.raises(WeightsError, match="weights and card do not belong together"):
        load_model(str(folder), CPU)


def test_a_card_from_before_the_encoders_width_was_a_setting_has_the_usual_one(folder: Path) -> None:
    network = json.loads((folder / CARD_FILE).read_text())["network"]
    assert network.pop("resnet_width") == 64
    change_card(folder, network=network)
    assert load_model(str(folder), CPU).network.config.resnet_width == 64


def test_a_folder_without_card_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=f"--weights {tmp_path}: found no folder with a {CARD_FILE}"):
        find_weights(str(tmp_path))


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"format": 1}', "{}", '{"format": 1, "name": "x"}'])
def test_a_card_that_is_none_is_refused(folder: Path, content: str) -> None:
    (folder / CARD_FILE).write_text(content)
    with pytest.raises(WeightsError, match=f"{CARD_FILE}: not a model card"):
        read_card(folder)


def test_a_card_of_the_first_format_keeps_its_rule_for_the_threshold(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    known = {"working_diameter_px": 36.0, "temperature": 1.5, "offset": -0.25, "threshold_share": 0.4}
    change_card(folder, format=1, operating_point=known | {"least_typical": 0.0, "least_best": 0.0})
    assert read_card(folder).operating_point == replace(POINT, threshold_share=0.4)
    assert not caplog.records
    change_card(folder, operating_point=known | {"least_typical": 0.6, "least_best": 0.7})
    assert read_card(folder).operating_point.least_evidence == 0
    assert "none counts as empty" in caplog.text
    change_card(folder, operating_point=known | {"wished": 0.7})
    with pytest.raises(WeightsError, match="wished"):
        read_card(folder)


def test_a_card_of_another_format_asks_for_an_update(folder: Path) -> None:
    change_card(folder, format=3)
    with pytest.raises(
        WeightsError, match=r"another version of cryopick \(found format 3, expected 2\); update"
    ):
        read_card(folder)


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("network", {"depth": 18}, r"unknown \['depth'\]"),
        ("network", {"resnet_depth": 7}, "resnet_depth: found 7"),
        ("network", [1], r"network: found \[1\], expected a table of settings"),
        ("operating_point", {"temperature": "hot"}, r"operating_point\.temperature: found 'hot'"),
        ("operating_point", {"temperature": 0.0}, r"found 40\.0 and 0\.0, expected two positive numbers"),
        ("sha256", None, "sha256"),
        ("about", None, "about"),
    ],
)
def test_a_card_with_a_wrong_field_names_it(folder: Path, field: str, value: Any, complaint: str) -> None:
    change_card(folder, **{field: value})
    with pytest.raises(WeightsError, match=f"not a model card .*{complaint}"):
        read_card(folder)


def test_shipped_weights_are_listed_and_found_by_name(
    saved: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(weights, "_shipped", lambda: saved.parent)
    (saved.parent / "unfinished").mkdir(exist_ok=True)
    assert list_weights() == {"mine": saved}
    assert find_weights("mine") == saved
    with pytest.raises(WeightsError, match=r"--weights other: .*ships with cryopick \(mine\)"):
        find_weights("other")
    monkeypatch.setattr(weights, "_shipped", lambda: tmp_path)
    with pytest.raises(WeightsError, match=r"ships with cryopick \(none\)"):
        find_weights("other")
