"""The parts of a forecast and the parameters that they need.

Of a side, for the band of log price between the mark and ``d`` beyond it::

    median(d) = exp(Z beta) * (exp(W gamma) * sum_k theta_k E_k(d) + sum_j kappa_j D_j(d)) + exp(V eta) * kappa_0 * unit

``E_k`` is the map's mass of layer k in the band, ``D_j`` the part of distance band j that it covers, and the last term
is what is liquidated however little price moves: it belongs to no price, so it stands at the mark itself. Z, W and V
are features of the hours before. Amounts are in units of ``UNIT_SHARE`` of the open interest, so that the parameters
of one market mean the same on another.
"""

from __future__ import annotations

from typing import Final

#: Distances from the mark at which the diffuse profile has its steps.
DIFFUSE_EDGES: Final = (0.0, 0.0004, 0.0008, 0.0012, 0.002, 0.003, 0.005, 0.008, 0.012, 0.2)
DIFFUSE_BANDS: Final = len(DIFFUSE_EDGES) - 1
#: One unit of an amount as a share of the open interest: a million USD where eight billion are open.
UNIT_SHARE: Final = 1.25e-4
#: Diffuse and background mass are counted in thousandths of the open interest: this many units.
THOUSANDTH: Final = 1e-3 / UNIT_SHARE

#: Windows of the price activity in steps of five minutes, and what its logarithm is about in each.
ACTIVITY_STEPS: Final = (3, 12, 48, 288, 2016)
ACTIVITY_CENTRES: Final = (-6.2, -5.0, -3.7, -2.0, 0.0)
#: Means of the hourly range over so many hours.
RANGE_HOURS: Final = (1, 4, 24)

#: Order of the features of a side. Z takes the first ``COMMON`` and a one; W also the side; V also what was liquidated.
FEATURES: Final = (
    *(f"activity_{steps}" for steps in ACTIVITY_STEPS),
    *(f"{name}_{order}" for order in (1, 2, 3) for name in ("sin_day", "cos_day")),
    "weekend",
    *(f"range_{hours}h" for hours in RANGE_HOURS),
    "short_side",
    "liquidated_own",
    "liquidated_other",
)
COMMON: Final = FEATURES.index("short_side")
Z_COUNT: Final = COMMON + 1
W_COUNT: Final = COMMON + 1
V_COUNT: Final = len(FEATURES)


def group_count(layers: int) -> int:
    """Number of weights, which come first: of the layers, of the distance bands, of the background."""
    return layers + DIFFUSE_BANDS + 1


def level_place(layers: int) -> int:
    """Place of the multiplier's constant: a common factor of all weights."""
    return group_count(layers) + COMMON


def parameter_names(layer_names: tuple[str, ...]) -> tuple[str, ...]:
    """Names of all parameters in the order of the filter's state.

    >>> names = parameter_names(("a", "b"))
    >>> names[:3], names[11], len(names)
    (('log_theta_a', 'log_theta_b', 'log_kappa_0'), 'log_background', 62)
    """
    common = FEATURES[:COMMON]
    return (
        *(f"log_theta_{name}" for name in layer_names),
        *(f"log_kappa_{band}" for band in range(DIFFUSE_BANDS)),
        "log_background",
        *(f"beta_{name}" for name in (*common, "one")),
        *(f"gamma_{name}" for name in (*common, "short_side")),
        *(f"eta_{name}" for name in FEATURES),
    )
