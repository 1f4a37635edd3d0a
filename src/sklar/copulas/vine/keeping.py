"""Vines as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sklar.copulas.vine.structure import VineStructure

if TYPE_CHECKING:
    from sklar.copulas.vine.module import VineCopula

_TYPES = {
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float32": torch.float32,
    "float64": torch.float64,
}


def description(vine: VineCopula) -> dict[str, Any]:
    """Structure, families, settings and parameters; of a conditional vine its networks too."""
    families = [
        [vine.pairs.keys[vine.pairs.places[t, e][0]] for e in range(len(row))]
        for t, row in enumerate(vine.structure.array)
    ]
    return {
        "dim": vine.dim,
        "batch_shape": list(vine.batch_shape),
        "order": list(vine.structure.order),
        "array": [list(row) for row in vine.structure.array],
        "families": families,
        "conditional": vine.conditional,
        "samples": vine.samples,
        "shortcut": vine.shortcut,
        "type": _name(vine.anchor),
        "parameters": {
            name: {"type": _name(value), "values": value.detach().tolist()}
            for name, value in vine.pairs.named_parameters()
        },
    }


def vine_from_json(text: str) -> VineCopula:
    """The vine that `VineCopula.to_json` described, exactly.

    Raises:
        ValueError: not such a description, or parameters that are not finite.
    """
    from sklar.copulas.vine.module import VineCopula

    try:
        content = json.loads(text)
        vine = VineCopula(
            content["dim"],
            tuple(content["batch_shape"]),
            structure=VineStructure(tuple(content["order"]), tuple(map(tuple, content["array"]))),
            families=[[_kind(kind) for kind in row] for row in content["families"]],
            conditional=content["conditional"],
            samples=content["samples"],
            shortcut=content["shortcut"],
        )
        vine.anchor = vine.anchor.to(_TYPES[content["type"]])  # in which it draws
        for name, parameter in vine.pairs.named_parameters():
            kept = content["parameters"][name]
            values = torch.tensor(kept["values"], dtype=_TYPES[kept["type"]]).reshape(parameter.shape)
            if not bool(torch.isfinite(values).all()):
                raise ValueError(f"{name} holds numbers that are not finite")
            parameter.data = values
    except (KeyError, TypeError, IndexError, AttributeError, RuntimeError, RecursionError, ValueError) as error:
        raise ValueError(f"not a vine's JSON: {error}") from error
    return vine


def _name(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _kind(parts: list[list[Any]]) -> Any:
    each = [(name, rotation) for name, rotation in parts]
    return each[0] if len(each) == 1 else each
