#!/usr/bin/env bash
# OpenVINO 2026.4.1 (openvino-telemetry 2025.2.0): import and convert_model copy the process ten times to report home.
#
# Expected: a function that turns a linear layer into a graph computes. Seen: for each of its reports to Google
# Analytics (that it was imported is the first) it forks the whole process from a thread of a pool, with all that is
# loaded (a copy of 2 GB takes tenths of a second, and a fork beside other threads may stop in a lock that one of them
# held), and leaves an id of the user in ~/intel. Nobody is asked; a variable of build machines or `opt_in_out
# --opt_out` ends it, which wants to be run before the first time. NNCF does the same. Here the copies are counted and
# end at once: nothing is sent. Exit 1 if that changes.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet -c scripts/constraints.txt torch==2.13.0 openvino==2026.4.1 openvino-telemetry==2025.2.0
mkdir "$venv/home"
env -u CI -u TF_BUILD -u JENKINS_URL HOME="$venv/home" "$venv/bin/python" - <<'PY'
import os
import sys
import threading
from importlib.metadata import version
from pathlib import Path

copies = []


def counted():
    copies.append(threading.current_thread() is threading.main_thread())


os.register_at_fork(before=counted, after_in_child=lambda: os._exit(0))

import openvino
import torch
from openvino_telemetry import Telemetry

openvino.convert_model(torch.nn.Linear(4, 4), example_input=torch.ones(1, 4))
Telemetry().sender.executor.shutdown()
left = sorted(path.name for path in (Path.home() / "intel").iterdir())
print("OpenVINO", openvino.__version__, "openvino-telemetry", version("openvino-telemetry"), "- one linear layer:")
print(f"{len(copies)} copies of the process, {copies.count(False)} of them from another thread; in ~/intel: {left}")
sys.exit(0 if len(copies) >= 5 and not any(copies) and left else 1)
PY
