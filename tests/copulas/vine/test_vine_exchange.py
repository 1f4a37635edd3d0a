import json

import numpy as np
import pytest
import pyvinecopulib as pv
import torch
from plain import TURNED, gaussian_vine, mixed_vine, random_structure

from sklar.copulas import VineCopula, VineStructure, from_pyvinecopulib, vine_from_json


def peer_vine(dim, seed):
    """A random R-vine of Gaussian, Student and turned Clayton pairs, made by the peer itself."""
    generator = np.random.default_rng(seed)
    choices = [("gaussian", 0), ("student", 0), *[("clayton", r) for r in (0, 90, 180, 270)]]

    def pair():
        family, rotation = choices[generator.integers(len(choices))]
        values = {
            "gaussian": [generator.uniform(-0.8, 0.8)],
            "student": [generator.uniform(-0.8, 0.8), generator.uniform(2.5, 12)],
            "clayton": [generator.uniform(0.1, 3)],
        }[family]
        return pv.Bicop(getattr(pv.families, family), rotation, np.array(values).reshape(-1, 1))

    structure = pv.RVineStructure.sample(dim, natural_order=False, seeds=[seed, 5, 6])
    pairs = [[pair() for _ in range(dim - 1 - t)] for t in range(dim - 1)]
    return pv.Vinecop.from_structure(structure=structure, pair_copulas=pairs)


@pytest.mark.parametrize("seed", range(20))
@torch.no_grad()
def test_densities_and_transforms_are_those_of_pyvinecopulib(seed):
    theirs = peer_vine(3 + seed % 8, seed)
    vine = from_pyvinecopulib(theirs)
    u = theirs.sample(50, seeds=[seed, 7])
    w = torch.special.ndtri(torch.tensor(u))
    assert np.abs(vine.log_prob(w).numpy() - np.log(theirs.pdf(u))).max() <= 1e-8
    assert np.abs(torch.special.ndtr(vine.rosenblatt(w)).numpy() - theirs.rosenblatt(u)).max() <= 1e-8
    noise = np.random.default_rng(seed).uniform(size=u.shape)
    back = torch.special.ndtr(vine.inverse_rosenblatt(torch.special.ndtri(torch.tensor(noise)))).numpy()
    assert np.abs(back - theirs.inverse_rosenblatt(noise)).max() <= 1e-8


@pytest.mark.parametrize("trees", [None, 1, 2])
@torch.no_grad()
def test_there_and_back(trees):
    vine = mixed_vine(random_structure(5, 1), 4, trees=trees)
    theirs = vine.to_pyvinecopulib()
    again = from_pyvinecopulib(theirs)
    assert again.structure == vine.structure
    u = theirs.sample(20, seeds=[1])
    w = torch.special.ndtri(torch.tensor(u))
    assert torch.allclose(again.log_prob(w), vine.log_prob(w), atol=1e-12)
    assert vine.log_prob(w).numpy() == pytest.approx(np.log(theirs.pdf(u)), abs=1e-7)
    matrix = pv.Vinecop.from_json(theirs.to_json()).matrix
    assert np.array_equal(matrix, again.to_pyvinecopulib().matrix)


@pytest.mark.parametrize("seed", range(3))
@torch.no_grad()
def test_round_trip_of_the_transforms_with_all_families(seed):
    vine = mixed_vine(random_structure(6, seed), seed, [choice for choice in TURNED if choice[0] != "indep"])
    w = vine.rsample((100,), torch.Generator().manual_seed(0))
    assert torch.allclose(vine.inverse_rosenblatt(vine.rosenblatt(w)), w, atol=1e-8)


@torch.no_grad()
def test_selection_is_the_peer_s():
    u = mixed_vine(random_structure(4, 1), 3).to_pyvinecopulib().sample(400, seeds=[3])
    families = ["gaussian", "clayton", "frank", "gumbel"]
    controls = pv.FitControlsVinecop(family_set=[getattr(pv.families, f) for f in families], selection_criterion="bic")
    theirs = pv.Vinecop.from_data(u, controls=controls)
    w = torch.special.ndtri(torch.tensor(u))
    vine = VineCopula.select(w, families=families, criterion="bic")
    assert np.array_equal(vine.to_pyvinecopulib().matrix, theirs.matrix)
    assert [v + 1 for v in vine.structure.order] == list(theirs.order)
    for t, row in enumerate(vine.structure.array):
        for e in range(len(row)):
            peer, own = theirs.get_pair_copula(t, e), vine.pair(t, e)
            assert (own.family.name, own.rotation) == (str(peer.family).rsplit(".", 1)[-1], peer.rotation)
    assert vine.log_prob(w).sum().item() == pytest.approx(theirs.loglik(u), abs=1e-6)
    given = VineCopula.select(w, families=families, structure=VineStructure.cvine(range(4)), trees=2)
    assert given.structure == VineStructure.cvine(range(4)).truncate(2)


def test_what_cannot_be_exchanged():
    with pytest.raises(ValueError, match="no batch"):
        VineCopula(3, (2,), families="clayton").to_pyvinecopulib()
    with pytest.raises(ValueError, match="no conditional"):
        VineCopula(3, families="clayton", conditional=True).to_pyvinecopulib()
    with pytest.raises(ValueError, match=r"pair \(0, 0\) is a mixture"):
        VineCopula(3).to_pyvinecopulib()
    with pytest.raises(ValueError, match="nonparametric"):
        from_pyvinecopulib(pv.Vinecop.from_data(np.random.default_rng(0).uniform(size=(200, 3)) ** 0.5,
            controls=pv.FitControlsVinecop(family_set=[pv.families.tll])))  # fmt: skip
    for scores in (torch.randn(9, 1), torch.randn(9), torch.full((9, 3), torch.nan)):
        with pytest.raises(ValueError, match="select needs complete finite scores"):
            VineCopula.select(scores)


VINES = {
    "mixed": lambda: mixed_vine(random_structure(4, 2), 1, trees=2),
    "gaussian": lambda: gaussian_vine(random_structure(4, 2), 1, (2,)),
    "mixtures": lambda: VineCopula(4, (2, 2), structure=random_structure(4, 0), correlation=0.4),
    "conditional": lambda: VineCopula(3, (2,), families=["frank", ("clayton", 90)], conditional=True),
    "conditional in float64": lambda: VineCopula(4, families="frank", conditional=True).double(),
}


@pytest.mark.parametrize("kind", VINES)
@torch.no_grad()
def test_json_and_state_are_exact(kind):
    vine = VINES[kind]()
    generator = torch.Generator().manual_seed(0)
    for parameter in vine.parameters():
        parameter += 0.3 * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
    w = torch.randn(7, *vine.event_shape, dtype=torch.float64)
    copy = vine_from_json(vine.to_json())
    assert (copy.structure, copy.anchor.dtype) == (vine.structure, vine.anchor.dtype)
    assert json.loads(copy.to_json()) == json.loads(vine.to_json())
    fresh = VINES[kind]()
    fresh.load_state_dict(vine.state_dict())
    for other in (copy, fresh):
        for name, parameter in vine.named_parameters():
            assert torch.equal(dict(other.named_parameters())[name], parameter), name
        assert torch.equal(other.log_prob(w), vine.log_prob(w))


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"order": [0, 1], "array": [[1]]}', '{"order": [0], "array": 3}'])
def test_text_that_is_no_vine(text):
    with pytest.raises(ValueError, match="not a vine's JSON"):
        vine_from_json(text)


@pytest.mark.parametrize("seed", range(2))
def test_corrupt_arrays_are_refused_where_the_peer_refuses_them(seed):
    generator = np.random.default_rng(seed)
    refused = 0
    for trial in range(150):
        dim = int(generator.integers(3, 7))
        structure = random_structure(dim, 1000 * seed + trial)
        array = [list(row) for row in structure.array][: int(generator.integers(1, dim))]
        t = int(generator.integers(len(array)))
        e = int(generator.integers(len(array[t])))
        array[t][e] = int(generator.integers(0, dim))
        try:
            pv.RVineStructure.from_struct_array(
                order=[v + 1 for v in structure.order],
                struct_array=[[value + 1 for value in row] for row in array],
                natural_order=True,
            )
            peer = True
        except RuntimeError:
            peer = False
        try:
            VineStructure(structure.order, tuple(map(tuple, array)))
            own = True
        except ValueError:
            own = False
        assert own == peer, (structure.order, array)
        refused += not own
    assert 20 < refused < 150


def test_what_is_no_vine():
    dvine = VineStructure.dvine(range(3))
    for arguments, message in [
        (((0, 0, 1), dvine.array), "permutation"),
        (((0, 1, 2), ((1, 2), (2,), ())), "at most 2 trees"),
        (((0, 1, 2), ((1,),)), "tree 0 of 3 variables has 2 pairs, got 1"),
        (((0, 1, 2), ((0, 2), (2,))), r"array\[0\]\[0\] = 0 must be above 0"),
        (((0, 1, 2), ((1, 2), (1,))), r"array\[1\]\[0\] = 1 must be"),
        (((0, 1, 2, 3), ((1, 2, 3), (3, 3), (2,))), "proximity"),
    ]:
        with pytest.raises(ValueError, match=message):
            VineStructure(*arguments)
    with pytest.raises(ValueError, match="must not be negative"):
        dvine.truncate(-1)
    with pytest.raises(ValueError, match="unknown vine structure 'star'"):
        VineCopula(3, structure="star")
    with pytest.raises(ValueError, match="has 3 variables, dim is 4"):
        VineCopula(4, structure=dvine)
    with pytest.raises(ValueError, match=r"blocks \(1, 2\) cannot be independent"):
        VineCopula(3, (), (1, 2))
    with pytest.raises(ValueError, match="families need"):
        VineCopula(3, families=[["frank"], ["frank"]])
    with pytest.raises(KeyError, match="unknown family 'franck'"):
        VineCopula(3, families="franck")
    with pytest.raises(TypeError, match="a pair needs"):
        VineCopula(3, families=3)
    with pytest.raises(TypeError, match="must be a bool"):
        VineCopula(3).log_prob(torch.zeros(3), torch.ones(3))
    with pytest.raises(ValueError, match="scores must end in"):
        VineCopula(3).rosenblatt(torch.zeros(2))


@pytest.mark.parametrize("trees", [0, 1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_selection_keeps_a_given_truncated_structure(trees, seed):
    generator = torch.Generator().manual_seed(seed)
    w = 0.6 * torch.randn(200, 5, generator=generator) + 0.8 * torch.randn(200, 1, generator=generator)
    structure = random_structure(5, seed).truncate(trees)
    found = VineCopula.select(w.requires_grad_(True), families=["gaussian", "indep"], structure=structure)
    assert found.structure == structure
    assert torch.isfinite(found.log_prob(w)).all()
    chosen = VineCopula.select(w, families=["gaussian", "indep"], structure=structure, trees=0).structure
    assert chosen == structure.truncate(chosen.trees)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"families": []}, ValueError, "at least one family"),
        ({"families": ["gaussian", "franck", "tll"]}, ValueError, r"unknown families \['franck', 'tll'\]"),
        ({"trees": -1}, ValueError, "must not be negative"),
        ({"trees": 1.5}, TypeError, "must be an integer"),
        ({"criterion": "cic"}, ValueError, "unknown criterion 'cic'"),
        ({"structure": "dvine"}, TypeError, "must be a VineStructure"),
        ({"structure": VineStructure.dvine(range(4))}, ValueError, "has 4 variables, the scores have 3"),
    ],
)
def test_what_cannot_be_selected(settings, error, message):
    with pytest.raises(error, match=message):
        VineCopula.select(torch.randn(20, 3, generator=torch.Generator().manual_seed(0)), **settings)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_json_of_every_floating_type(dtype):
    vine = VineCopula(3, families=["clayton", "frank"]).to(dtype)
    again = vine_from_json(vine.to_json())
    assert again.anchor.dtype == vine.anchor.dtype
    for own, kept in zip(vine.parameters(), again.parameters(), strict=True):
        assert own.dtype == kept.dtype
        assert torch.equal(own, kept)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"samples": 0}, ValueError, "samples must be at least 1"),
        ({"correlation": 1.0}, ValueError, r"correlation must be in \(-1, 1\), got 1.0"),
        ({"correlation": -1.5}, ValueError, r"correlation must be in \(-1, 1\)"),
        ({"trees": 1.5}, TypeError, "must be an integer, got 1.5"),
        ({"structure": 3}, TypeError, "structure must be a name or a VineStructure, got 3"),
    ],
)
def test_settings_of_no_vine(settings, error, message):
    with pytest.raises(error, match=message):
        VineCopula(3, **settings)
