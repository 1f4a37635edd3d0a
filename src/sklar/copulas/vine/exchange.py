"""Vines from and to pyvinecopulib, and its selection of structure and families."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sklar.copulas.pair import Mixture, pair_copula
from sklar.copulas.vine.structure import VineStructure

if TYPE_CHECKING:
    from sklar.copulas.vine.module import VineCopula

CRITERIA = ("aic", "bic", "mbic", "mbicv", "loglik")


def _peer() -> Any:
    try:
        import pyvinecopulib
    except ImportError as error:
        raise ImportError("this needs pyvinecopulib: pip install 'sklar[vine]'") from error
    return pyvinecopulib


def from_pyvinecopulib(model: Any) -> VineCopula:
    """The same vine as a `VineCopula` in float64, of a fitted or given ``pyvinecopulib.Vinecop``.

    Raises:
        ImportError: pyvinecopulib is not installed. ValueError: a pair that is not parametric, or discrete variables.
    """
    from sklar.copulas.vine.module import VineCopula

    _peer()
    dim = int(model.dim)
    if any(kind != "c" for kind in model.var_types):
        raise ValueError(f"only continuous variables are known here, got types {list(model.var_types)}")
    trees = min(int(model.trunc_lvl), dim - 1)
    order = tuple(int(v) - 1 for v in model.order)
    structure = model.structure
    array = tuple(tuple(int(structure.struct_array(t, e, True)) - 1 for e in range(dim - 1 - t)) for t in range(trees))
    rows = []
    for t in range(trees):
        row = []
        for e in range(dim - 1 - t):
            pair = model.get_pair_copula(t, e)
            name = str(pair.family).rsplit(".", 1)[-1]
            if name == "tll":
                raise ValueError(f"pair ({t}, {e}) is nonparametric (tll); fit with family_set=pv.parametric")
            row.append(pair_copula(name, [float(x) for x in pair.parameters.ravel()], int(pair.rotation)))
        rows.append(row)
    return VineCopula(dim, structure=VineStructure(order, array), families=rows).double()


def to_pyvinecopulib(vine: VineCopula) -> Any:
    """The same vine as a ``pyvinecopulib.Vinecop``.

    Raises:
        ImportError: pyvinecopulib is not installed. ValueError: a batch of vines, a conditional vine, a mixture.
    """
    peer = _peer()
    if vine.vines != 1 or vine.conditional:
        raise ValueError("pyvinecopulib has single simplified vines: no batch, no conditional parameters")
    rows = []
    for t, columns in enumerate(vine.structure.array):
        row = []
        for e in range(len(columns)):
            pair = vine.pair(t, e)
            if isinstance(pair, Mixture):
                raise ValueError(f"pair ({t}, {e}) is a mixture of families; take its `prune()` first")
            parameters = torch.stack(pair.values()).detach().reshape(-1, 1).numpy() if pair.numbers else None
            settings = {} if parameters is None else {"parameters": parameters}
            family = getattr(peer.families, pair.family.name)
            row.append(peer.Bicop(family=family, rotation=pair.rotation, **settings))
        rows.append(row)
    return peer.Vinecop.from_structure(structure=_their_structure(peer, vine.structure), pair_copulas=rows)


def _their_structure(peer: Any, structure: VineStructure) -> Any:
    """The structure as pyvinecopulib's, which counts from one."""
    return peer.RVineStructure.from_struct_array(
        order=[v + 1 for v in structure.order],
        struct_array=[[value + 1 for value in row] for row in structure.array],
        natural_order=True,
    )


def select(
    scores: Tensor,
    families: Sequence[str] | None = None,
    trees: int | None = None,
    criterion: str = "aic",
    structure: VineStructure | None = None,
    threads: int = 1,
) -> VineCopula:
    """Structure, truncation, families and parameters chosen by pyvinecopulib (Dissmann et al. 2013).

    Args:
        scores: complete rows ``(n, M)``.
        families: names to choose from, default all parametric ones.
        trees: trees kept, default all; 0 lets mBICV choose.
        criterion: ``"aic"``, ``"bic"``, ``"mbic"``, ``"mbicv"`` or ``"loglik"``, by which families are chosen.
        structure: keep this structure instead of choosing one; where it is truncated, no more trees than it has.
        threads: of pyvinecopulib.

    Raises:
        ImportError: pyvinecopulib is not installed. ValueError: scores that are not finite or not ``(n, M)``, families
            that are none or not parametric, an unknown criterion, a negative number of trees, a structure of another
            size. TypeError: trees that are no integer, a structure that is none.
    """
    from sklar.copulas.vine.module import VineCopula

    peer = _peer()
    scores = torch.as_tensor(scores).detach()
    if scores.ndim != 2 or scores.shape[1] < 2 or not bool(torch.isfinite(scores).all()):
        raise ValueError(f"select needs complete finite scores (n, M), M at least 2, got {tuple(scores.shape)}")
    count = scores.shape[1]
    most = _most_trees(structure, trees, count)
    names = _families(peer, families)
    if criterion not in CRITERIA:
        raise ValueError(f"unknown criterion {criterion!r}; choose one of {list(CRITERIA)}")
    if structure is not None and structure.trees == 0:  # nothing to choose
        return VineCopula(count, structure=structure).double()
    controls = peer.FitControlsVinecop(
        family_set=names,
        selection_criterion=criterion,
        num_threads=threads,
        trunc_lvl=most,
        select_trunc_lvl=trees == 0,
    )
    u = torch.special.ndtr(scores.double()).cpu().numpy()
    settings: dict[str, Any] = {}
    if structure is not None:
        settings["structure"] = _their_structure(peer, _complete(structure))
    found = peer.Vinecop.from_data(u, controls=controls, **settings)
    if found.trunc_lvl > most:  # its own choice of a truncation knows no bound
        found.truncate(most)
    return from_pyvinecopulib(found)


def _most_trees(structure: VineStructure | None, trees: int | None, count: int) -> int:
    """How many trees to keep at most; checks the arguments."""
    most = count - 1
    if structure is not None:
        if not isinstance(structure, VineStructure):
            raise TypeError(f"structure must be a VineStructure or None, got {structure!r}")
        if structure.dim != count:
            raise ValueError(f"the structure has {structure.dim} variables, the scores have {count}")
        most = structure.trees
    if trees is None:
        return most
    if not isinstance(trees, Integral):
        raise TypeError(f"trees must be an integer or None, got {trees!r}")
    if trees < 0:
        raise ValueError(f"trees must not be negative, got {trees}")
    return min(trees, most) if trees else most


def _families(peer: Any, families: Sequence[str] | None) -> list[Any]:
    """The parametric families of those names, default all."""
    known = {str(family).rsplit(".", 1)[-1]: family for family in peer.families.parametric}
    names = list(known) if families is None else [families] if isinstance(families, str) else list(families)
    if not names:
        raise ValueError("select needs at least one family to choose from")
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"unknown families {unknown}; choose from {list(known)}")
    return [known[name] for name in names]


def _complete(structure: VineStructure) -> VineStructure:
    """A vine of all trees that begins with those of a truncated one, in the same order of the variables.

    Column by column from the last: a variable that is a leaf of every tree may be tied to any neighbour of the one it
    hangs on. (pyvinecopulib would choose trees of its own, and another order.)
    """
    count = structure.dim
    columns: list[list[int]] = [[] for _ in range(count)]
    for e in range(count - 2, -1, -1):
        column = [row[e] for row in structure.array if e < len(row)]
        for t in range(len(column), count - 1 - e):
            nodes = ({m, *columns[m][:t]} for m in range(e + 1, count - t))
            column.append(next((node - set(column)).pop() for node in nodes if node.issuperset(column)))
        columns[e] = column
    return VineStructure(
        structure.order, tuple(tuple(columns[e][t] for e in range(count - 1 - t)) for t in range(count - 1))
    )
