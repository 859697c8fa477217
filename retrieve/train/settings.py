"""What can be set of a training, in one record that goes into the report and decides what may be resumed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from retrieve.encoders.head import check_numbers
from retrieve.errors import UsageError

Level = Literal["text", "token"]
LossName = Literal["infonce", "distill", "both"]


@dataclass(frozen=True, slots=True)
class Settings:
    """`winners` of a text, at the token level of each token, whose union is then capped at `cap` for a document.

    `query_winners` None: as documents. `loss`: "infonce" learns judged pairs, "distill" how the frozen vectors order
    documents by crops, "both" does both. `lr` is reached after a tenth of the steps and falls to 0 in a line. `balance`
    weighs the usage term. `seed` decides weights, folds, crops and the order of pairs. Raises `UsageError` for numbers
    that cannot be.
    """

    dimensions: int = 8192
    winners: int = 512
    query_winners: int | None = None
    level: Level = "text"
    cap: int | None = None
    loss: LossName = "distill"
    epochs: int = 1
    batch: int = 512
    lr: float = 1e-4
    balance: float = 0.0
    folds: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        check_numbers(self.dimensions, self.winners, self.query_winners or self.winners, 1)
        for name, value, known in (("level", self.level, Level), ("loss", self.loss, LossName)):
            if value not in get_args(known):
                raise UsageError(f"{name} is {value!r}, wanted one of {', '.join(get_args(known))}")
        for name, number, least in (
            ("epochs", self.epochs, 1),
            ("batch", self.batch, 2),
            ("folds", self.folds, 2),
        ):
            if number < least:
                raise UsageError(f"{name} is {number}, wanted at least {least}")
        if self.cap is not None and self.level == "text":
            raise UsageError("cap is of the token level: leave it out, or set level to token")
        if not self.lr > 0:
            raise UsageError(f"lr is {self.lr}, wanted a number above 0")
        if not self.balance >= 0:
            raise UsageError(f"balance is {self.balance}, wanted 0 or more")
