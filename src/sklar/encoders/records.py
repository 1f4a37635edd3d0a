"""Irregular events: reading, their order, and their statistics."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from sklar.encoders.reading import Names, names_of, numbers
from sklar.encoders.standardize import Standardize
from sklar.encoders.summaries import Records, summarize
from sklar.numerics.masking import only_observed


class Events(NamedTuple):
    """The events of rows, ``(B, L)`` each.

    Attributes:
        there: bool, False for padding.
        hours: time, zero for padding.
        code: index in the vocabulary, zero for padding.
        value: NaN for the event alone and for padding.
    """

    there: Tensor
    hours: Tensor
    code: Tensor
    value: Tensor


class EventsInput:
    """Events ``(B, L, 3)``: hours, index of the code, value (NaN for the event alone); NaN hours are padding.

    Args:
        codes: number, names or ``{"name", "unit"}`` of the codes.
    """

    def __init__(self, codes: Names) -> None:
        self.names = names_of(codes, "code")

    def read(self, x: Any, shown: Tensor, name: str, like: Tensor) -> Tensor:
        """See `Encoder.read`; ``(B, L, 3)`` in the order of time (events of one time keep theirs), padding last.

        Raises:
            ValueError: an event whose code is not in the vocabulary; the row is named.
        """
        value = numbers(x, shown, name, {"L": None, "3": 3}, like)
        value = only_observed(value, shown, name, cells_may_lack=True)
        if value.shape[1] == 0:
            return value.new_full((len(shown), 1, 3), torch.nan)
        hours, code, _ = value.unbind(-1)
        there = ~hours.isnan()
        wrong = there & ~((code >= 0) & (code < len(self.names)) & (code == code.round()))
        if bool(wrong.any()):
            row, place = wrong.nonzero()[0].tolist()
            raise ValueError(
                f"modality {name!r}, row {row}: event {place} has code index {float(code[row, place]):g}; the "
                f"vocabulary has 0 to {len(self.names) - 1}"
            )
        if not bool((hours[:, 1:] >= hours[:, :-1]).logical_or(~there[:, 1:]).all()):
            order = hours.argsort(dim=1, stable=True)  # NaN comes last
            value = value.gather(1, order[..., None].expand_as(value))
        return torch.where(value[..., :1].isnan(), torch.nan, value)

    def events(self, x: Tensor) -> Events:
        """The columns of what `read` gave."""
        hours, code, value = x.unbind(-1)
        there = ~hours.isnan()
        return Events(there, torch.where(there, hours, 0.0), torch.where(there, code, 0.0).long(), value)

    def summarize(self, x: Tensor, statistics: tuple[str, ...]) -> Tensor:
        """Statistics a code, ``(B, C, S)``."""
        events = self.events(x)
        cells = Records(events.code, len(self.names))
        return summarize(cells, events.value, events.hours, events.there, statistics)


@torch.no_grad()
def fit_by_code(scaling: Standardize, events: Events) -> None:
    """Mean and standard deviation of the values of each code, in place, without a column a code."""
    known = ~events.value.isnan()
    code, value = events.code[known], events.value[known].double()
    zero = value.new_zeros(len(scaling.mean))
    count = zero.index_add(0, code, torch.ones_like(value)).clamp(min=1)
    mean = zero.index_add(0, code, value) / count
    variance = zero.index_add(0, code, (value - mean[code]).square()) / count
    scaling.adopt(mean, variance.sqrt())


def by_code(scaling: Standardize, events: Events) -> Tensor:
    """The values standardised by their code, NaN where there is none, ``(B, L)``."""
    value = (events.value - scaling.mean[events.code]) / scaling.scale[events.code]
    return value.clamp(min=-scaling.bound, max=scaling.bound)
