"""Nobody is told what is encoded: no report is sent, by no copy of the process, and nothing is left in the home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_models import tiny_encoder_folder

from retrieve.encoders.load import load_encoder
from retrieve.encoders.openvino.telemetry import no_telemetry

pytest.importorskip("openvino", reason="the extra openvino is not installed")
telemetry = pytest.importorskip("openvino_telemetry", reason="no telemetry is installed")
CI = ("CI", "TF_BUILD", "JENKINS_URL")
"""Variables by which openvino-telemetry sends nothing from a build machine."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home of somebody who was never asked."""
    for name in CI:
        monkeypatch.delenv(name, raising=False)
    place = tmp_path / "home"
    place.mkdir()
    monkeypatch.setenv("HOME", str(place))
    return place


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A number for each copy that was made of this process."""
    copies: list[int] = []
    fork = os.fork

    def counted() -> int:
        copies.append(1)
        return fork()

    monkeypatch.setattr(os, "fork", counted)
    return copies


@pytest.mark.usefixtures("real_machine")
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_conversion_tells_nobody(
    tmp_path: Path, home: Path, forked: list[int], own_cache: Path, precision: str
) -> None:
    if precision == "int8":
        pytest.importorskip("nncf", reason="nncf is not installed")
    folder = tiny_encoder_folder(tmp_path / "model")
    encoder = load_encoder(str(folder), backend="openvino", precision=precision)
    encoder.encode_documents(["law of the court"])
    assert list((own_cache / "models").iterdir())
    assert not forked
    assert not list(home.iterdir())


_ENCODE = """
import os, sys
copies = []
os.register_at_fork(before=lambda: copies.append(1))
from retrieve.encoders.load import load_encoder
load_encoder(sys.argv[1], backend="openvino", precision="fp32").encode_documents(["law of the court"])
assert "openvino" in sys.modules
sys.exit(len(copies))
"""


def test_a_process_that_loads_openvino_tells_nobody(tmp_path: Path, home: Path, own_cache: Path) -> None:
    folder = tiny_encoder_folder(tmp_path / "model")
    for _ in range(2):  # with a conversion, and without
        assert subprocess.run([sys.executable, "-c", _ENCODE, folder], check=False).returncode == 0
    assert list((own_cache / "models").iterdir())
    assert not list(home.iterdir())


def test_who_has_agreed_before_is_left_out_meanwhile_and_asked_again_after(
    home: Path, forked: list[int]
) -> None:
    reporter = object.__new__(telemetry.Telemetry)  # past its being one for the process
    reporter.init("test", "1", "TID", "ga4", enable_opt_in_dialog=False)
    assert reporter.consent
    with no_telemetry():
        reporter.send_event("test", "event", "label")
        reporter.sender.executor.shutdown()
    assert not forked
    other = object.__new__(telemetry.Telemetry)
    other.init("test", "1", "TID", "ga4", enable_opt_in_dialog=False)
    assert other.consent


def test_the_last_to_leave_gives_back_what_was_there() -> None:
    from openvino_telemetry.utils.opt_in_checker import OptInChecker

    own = OptInChecker.check
    first, second = no_telemetry(), no_telemetry()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert OptInChecker.check is not own
    second.__exit__(None, None, None)
    assert OptInChecker.check is own
