"""Nobody is told what is encoded here: OpenVINO and NNCF report to Google Analytics until someone opts out.

That OpenVINO is loaded is one report, a conversion is some thirty, a quantization as many more; each is sent by a
forked copy of the whole process, from a thread, and an id of the user is left in ~/intel (openvino-telemetry 2025.2.0).
`findings/openvino-forks-to-report.sh` shows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from retrieve.fork_safety import ForkSafeLock

_changing = ForkSafeLock()
_own: list[tuple[Any, Any]] = []
"""What the reporter's functions were, once for each who is in `no_telemetry`: the first entry is the reporter's own."""


@contextmanager
def no_telemetry() -> Iterator[None]:
    """As if the user had opted out; the user's own choice, a file, is not touched. Threads may share it."""
    try:
        from openvino_telemetry.utils.opt_in_checker import ConsentCheckResult, OptInChecker
        from openvino_telemetry.utils.sender import TelemetrySender
    except ImportError:  # not installed, and nothing is sent; of one of another layout the tests know
        yield
        return

    def declined(*_: Any, **__: Any) -> Any:
        return ConsentCheckResult.DECLINED

    def unsent(*_: Any, **__: Any) -> None:
        """For whoever has used OpenVINO in this process before: consent is looked up once."""

    with _changing:
        _own.append((OptInChecker.check, TelemetrySender.send))
        OptInChecker.check, TelemetrySender.send = declined, unsent
    try:
        yield
    finally:
        with _changing:
            before = _own.pop()
            if not _own:
                OptInChecker.check, TelemetrySender.send = before
