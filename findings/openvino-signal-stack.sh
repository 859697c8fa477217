#!/usr/bin/env bash
# OpenVINO 2026.4.1: a thread that has loaded the CPU plugin may be left with a signal stack that is not there any more.
#
# Expected: a library leaves sigaltstack alone, or gives back what it took. Seen: the plugin sets the alternate signal
# stack of the thread that compiles the first model, and frees it with the last Core, in whichever thread that goes: the
# first thread then points to memory that is unmapped. Python runs its signal handlers on that stack, so the next signal
# (Ctrl-C, SIGTERM, the end of a child) ends the process without a word; none is sent here. Exit 1 if that changes.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet -c scripts/constraints.txt openvino==2026.4.1 numpy==2.4.6
"$folder/venv/bin/python" - <<'PY'
import ctypes, gc, pathlib, sys, threading
import openvino
from openvino import opset15 as ops


class Stack(ctypes.Structure):
    _fields_ = [("at", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]


def signal_stack() -> str:
    stack = Stack()
    ctypes.CDLL(None).sigaltstack(None, ctypes.byref(stack))
    spans = (line.split()[0].split("-") for line in pathlib.Path("/proc/self/maps").read_text().splitlines())
    mapped = stack.at is not None and any(int(a, 16) <= stack.at < int(b, 16) for a, b in spans)
    return "none" if stack.at is None else "mapped" if mapped else "UNMAPPED"


print("OpenVINO", openvino.__version__)
seen = [signal_stack()]
number = ops.parameter([1], openvino.Type.f32)
held = [openvino.Core()]
held.append(held[0].compile_model(openvino.Model([ops.relu(number)], [number]), "CPU"))
seen.append(signal_stack())
other = threading.Thread(target=lambda: (held.clear(), gc.collect()))
other.start(), other.join()
seen.append(signal_stack())
print("signal stack of the main thread at first, with a compiled model, after another thread dropped it:", *seen)
sys.exit(0 if seen == ["none", "mapped", "UNMAPPED"] else 1)
PY
