"""The families by name: a new one is one class and one line here."""

from sklar.copulas.pair.archimedean import Clayton, Gumbel, Joe
from sklar.copulas.pair.bb import BB1, BB6, BB7, BB8
from sklar.copulas.pair.elliptical import Gaussian, Independence, Student
from sklar.copulas.pair.family import Family
from sklar.copulas.pair.frank import Frank
from sklar.copulas.pair.tawn import Tawn

FAMILIES: dict[str, Family] = {
    family.name: family()
    for family in (Independence, Gaussian, Student, Clayton, Gumbel, Frank, Joe, BB1, BB6, BB7, BB8, Tawn)
}
