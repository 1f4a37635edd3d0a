"""Distribution functions as the books print them, in many digits, and their derivatives by small differences."""

import math
from functools import cache

import mpmath as mp

# Parameters from near independence to tau = 0.9 or the family's own bound.
PARAMETERS = {
    "indep": [()],
    "gaussian": [(0.01,), (-0.6,), (0.988,)],
    "student": [(0.1, 2.0), (-0.6, 4.0), (0.8, 2.7), (0.95, 50.0)],
    "clayton": [(0.01,), (2.0,), (18.0,), (28.0,)],
    "gumbel": [(1.001,), (2.0,), (10.0,), (50.0,)],
    "frank": [(0.01,), (-3.0,), (30.0,), (-35.0,)],
    "joe": [(1.001,), (2.0,), (10.0,), (30.0,)],
    "bb1": [(0.01, 1.01), (0.5, 2.0), (3.0, 1.0), (4.0, 3.5)],
    "bb6": [(1.001, 1.01), (1.5, 2.0), (6.0, 8.0)],
    "bb7": [(1.001, 0.02), (1.5, 2.0), (4.0, 0.5), (6.0, 25.0)],
    "bb8": [(1.001, 0.3), (2.0, 0.5), (8.0, 0.99), (8.0, 1.0)],
    "tawn": [(0.3, 0.8, 3.0), (0.9, 0.9, 1.01), (1.0, 1.0, 10.0), (0.05, 0.99, 60.0)],
}
EVERY = [(family, p) for family, choices in PARAMETERS.items() for p in choices]
MODERATE = [(family, choices[min(1, len(choices) - 1)]) for family, choices in PARAMETERS.items()]


def cdf(family, u, v, p):
    """C(u, v) of the families whose distribution function is elementary."""
    if family == "clayton":
        (t,) = p
        return (u**-t + v**-t - 1) ** (-1 / t)
    if family == "gumbel":
        (t,) = p
        return mp.exp(-(((-mp.log(u)) ** t + (-mp.log(v)) ** t) ** (1 / t)))
    if family == "frank":
        (t,) = p
        return -mp.log(1 - (1 - mp.exp(-t * u)) * (1 - mp.exp(-t * v)) / (1 - mp.exp(-t))) / t
    if family == "joe":
        (t,) = p
        x, y = (1 - u) ** t, (1 - v) ** t
        return 1 - (x + y - x * y) ** (1 / t)
    if family == "bb1":
        t, d = p
        return (1 + ((u**-t - 1) ** d + (v**-t - 1) ** d) ** (1 / d)) ** (-1 / t)
    if family == "bb6":
        t, d = p
        x, y = -mp.log(1 - (1 - u) ** t), -mp.log(1 - (1 - v) ** t)
        return 1 - (1 - mp.exp(-((x**d + y**d) ** (1 / d)))) ** (1 / t)
    if family == "bb7":
        t, d = p
        x, y = 1 - (1 - u) ** t, 1 - (1 - v) ** t
        return 1 - (1 - (x**-d + y**-d - 1) ** (-1 / d)) ** (1 / t)
    if family == "bb8":
        t, d = p
        x, y = 1 - (1 - d * u) ** t, 1 - (1 - d * v) ** t
        return (1 - (1 - x * y / (1 - (1 - d) ** t)) ** (1 / t)) / d
    if family == "tawn":
        a, b, t = p
        x, y = -mp.log(u), -mp.log(v)
        return mp.exp(-((1 - a) * x + (1 - b) * y + ((a * x) ** t + (b * y) ** t) ** (1 / t)))
    raise KeyError(family)


@cache
def derivatives(family, u, v, p):
    """``log c``, ``dC/du`` and ``dC/dv`` at floating-point u and v, in as many digits as two precisions agree on."""
    if family == "indep":
        return 0.0, v, u
    if family in ("gaussian", "student"):
        return elliptical(family, u, v, p)
    last = None
    for digits in (150, 400, 1200, 4000):
        with mp.workdps(digits):
            a, b, q = mp.mpf(u), mp.mpf(v), [mp.mpf(x) for x in p]
            step = mp.mpf(10) ** (-digits // 5)
            i, j = step * min(a, 1 - a), step * min(b, 1 - b)

            def c(k, n, a=a, b=b, i=i, j=j, q=q):
                return cdf(family, a + k * i, b + n * j, q)

            h1, h2 = (c(1, 0) - c(-1, 0)) / (2 * i), (c(0, 1) - c(0, -1)) / (2 * j)
            density = (c(1, 1) - c(1, -1) - c(-1, 1) + c(-1, -1)) / (4 * i * j)
            sane = mp.im(density) == 0 and density > 0 and 0 <= mp.re(h1) <= 1 and 0 <= mp.re(h2) <= 1
            if not sane:
                continue
            now = float(mp.log(density)), float(mp.re(h1)), float(mp.re(h2))
        if last and all(abs(x - y) <= 1e-14 * max(1, abs(y)) for x, y in zip(last, now, strict=True)):
            return now
        last = now
    raise AssertionError(f"the reference does not settle: {family} {p} at {u}, {v}")


def elliptical(family, u, v, p):
    with mp.workdps(40):
        rho = mp.mpf(p[0])
        if family == "gaussian":
            x, y = normal_quantile(u), normal_quantile(v)
            width = mp.sqrt(1 - rho**2)
            joint = -(x * x + y * y - 2 * rho * x * y) / (2 * width**2) + (x * x + y * y) / 2 - mp.log(width)
            return float(joint), float(mp.ncdf((y - rho * x) / width)), float(mp.ncdf((x - rho * y) / width))
        nu = mp.mpf(p[1])
        x, y = student_quantile(u, p[1]), student_quantile(v, p[1])
        square = (x * x + y * y - 2 * rho * x * y) / (nu * (1 - rho**2))
        joint = -(nu + 2) / 2 * mp.log1p(square) - mp.log(2 * mp.pi) - mp.log(1 - rho**2) / 2

        def h(a, b):
            return student_cdf((a - rho * b) / mp.sqrt((nu + b * b) * (1 - rho**2) / (nu + 1)), nu + 1)

        return float(joint - log_student(x, nu) - log_student(y, nu)), float(h(y, x)), float(h(x, y))


def normal_quantile(u):
    return mp.sqrt(2) * mp.erfinv(2 * mp.mpf(u) - 1)


def log_student(x, nu):
    constant = mp.loggamma((nu + 1) / 2) - mp.loggamma(nu / 2) - mp.log(nu * mp.pi) / 2
    return constant - (nu + 1) / 2 * mp.log1p(x * x / nu)


def student_cdf(x, nu):
    tail = mp.betainc(nu / 2, mp.mpf(1) / 2, 0, nu / (nu + x * x), regularized=True) / 2
    return 1 - tail if x > 0 else tail


@cache
def student_quantile(u, nu):
    with mp.workdps(40):
        from scipy import stats

        if u == 0.5:
            return mp.mpf(0)
        start = mp.mpf(stats.t.ppf(u, nu))
        return mp.findroot(lambda x: mp.log(student_cdf(x, mp.mpf(nu)) / u), (start, start * (1 + mp.mpf(10) ** -9)))


def close(found, expected, bound):
    """Whether all are within the bound; NaN is not."""
    return all(math.isfinite(f) and abs(f - e) <= bound for f, e in zip(found, expected, strict=True))
