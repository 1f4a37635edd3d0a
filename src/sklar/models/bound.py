"""The evidence bound of a variational copula model, for any posterior, likelihoods and joint."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from sklar.joint import Joint, JointMixture


def evidence_bound(
    z: Mapping[str, Tensor],
    divergence: Tensor,
    observed: Tensor,
    joint: Joint | JointMixture,
    log_inputs: Callable[[Mapping[str, Tensor]], Tensor],
    log_outcome: Callable[[Mapping[str, Tensor]], Tensor],
    noise: Tensor,
) -> Tensor:
    """One-draw estimate of a lower bound on ``log p(x_O, y)`` in nats, a value a row ``(B,)``.

    ``sum_{m in O} log p(x_m | z_m) + log (1/S) sum_s p(y | z_O, z_mis^s) - KL(q(z_O) || p(z_O))`` with ``z_O`` drawn
    from ``q`` and ``z_mis^s`` from the joint's conditional given ``z_O``. Its expectation is a bound by Jensen's
    inequality, twice; with ``q = p(z_O | x_O, y)`` it is tight as ``S`` grows (compare Burda et al. 2016 for the inner
    average).

    Args:
        z: one draw of the observed embeddings from ``q``, ``{name: (B, d_m)}``.
        divergence: of ``q`` from the joint, or an unbiased estimate, such as ``log q(z_O) - log p(z_O)``, ``(B,)``.
        observed: bool ``(B, M)``.
        joint: the distribution of the embeddings.
        log_inputs: ``{name: (B, d_m)}`` to ``sum_{m in O} log p(x_m | z_m)``, ``(B,)``.
        log_outcome: complete draws ``{name: (S, B, d_m)}`` to ``log (1/S) sum_s p(y | z^s)``, ``(B,)``; zero for
            unlabelled rows.
        noise: of the draws ``z_mis^s``: standard normals that broadcast to ``(S, B, *event)``, see `Joint.impute`.
    """
    completed = joint.impute(z, observed, noise=noise)
    return log_inputs(z) + log_outcome(completed) - divergence
