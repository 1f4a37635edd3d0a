"""Special functions, roots and quadrature with the gradients and the tails that torch lacks.

Scores (normal quantiles ``w = ndtri(u)``) rather than uniforms travel through the library, because a float32 ``u``
near one has no digits left. These functions turn log probabilities into scores and back without leaving log space.
"""

from sklar.numerics.beta import betainc, log_betainc
from sklar.numerics.elementary import log1mexp, log_minus_log1mexp, log_phi, log_softplus, softplus
from sklar.numerics.normal import (
    LOG_SQRT_2PI,
    inverse_mills,
    log_ndtr,
    log_ndtr_tails,
    log_ndtri,
    log_normal,
    minus_log_ndtr,
    ndtr,
)
from sklar.numerics.quadrature import gauss_hermite, gauss_legendre, tanh_sinh
from sklar.numerics.quasi import quasi_normal
from sklar.numerics.roots import find_root
from sklar.numerics.shrinkage import shrinkage_intensity
from sklar.numerics.student import student_log_density, student_score, student_value

__all__ = [
    "LOG_SQRT_2PI",
    "betainc",
    "find_root",
    "gauss_hermite",
    "gauss_legendre",
    "inverse_mills",
    "log1mexp",
    "log_betainc",
    "log_minus_log1mexp",
    "log_ndtr",
    "log_ndtr_tails",
    "log_ndtri",
    "log_normal",
    "log_phi",
    "log_softplus",
    "minus_log_ndtr",
    "ndtr",
    "quasi_normal",
    "shrinkage_intensity",
    "softplus",
    "student_log_density",
    "student_score",
    "student_value",
    "tanh_sinh",
]
