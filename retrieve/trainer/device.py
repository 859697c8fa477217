"""Where torch computes, checked before anything is read or trained."""

from __future__ import annotations

import torch

from retrieve.errors import UsageError


def chosen_device(name: str | None) -> torch.device:
    """The device of that name, else a GPU if there is one. Raises `UsageError` for one that is not here."""
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (
        RuntimeError,
        AssertionError,
        NotImplementedError,
    ) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"device {name!r}: {reason}; name one that torch has here, or none") from error
    return device
