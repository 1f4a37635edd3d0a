"""Sklar's theorem: marginals and a copula give one joint distribution, for any observed set."""

from __future__ import annotations

from sklar.joint.calibration import Calibration
from sklar.joint.joint import Joint
from sklar.joint.marginalize import Marginalized, Prediction, marginalize
from sklar.joint.mixture import JointMixture

__all__ = ["Calibration", "Joint", "JointMixture", "Marginalized", "Prediction", "marginalize"]
