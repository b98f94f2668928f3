"""Best one-to-one assignment (the Hungarian method by shortest augmenting paths, Jonker and Volgenant 1987).

Written here for the same reason as ``row_filters``; the tests hold it against scipy.optimize.linear_sum_assignment.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def best_assignment(weights: Floats) -> list[tuple[int, int]]:
    """Pairs (row, column) with the greatest total weight, every row or every column used once.

    Parameters
    ----------
    weights : ndarray, shape (rows, columns)
        Finite.

    Examples
    --------
    >>> best_assignment(np.array([[4.0, 1.0], [3.0, 2.0], [0.0, 5.0]]))
    [(0, 0), (2, 1)]
    """
    if weights.shape[0] > weights.shape[1]:
        return sorted((row, column) for column, row in best_assignment(weights.T))
    cost = -weights
    rows, columns = cost.shape
    row_price, column_price = np.zeros(rows), np.zeros(columns)
    row_of = np.full(columns, -1, dtype=np.intp)
    for row in range(rows):
        _augment(cost, row, row_price, column_price, row_of)
    return sorted((int(row), column) for column, row in enumerate(row_of) if row >= 0)


def _augment(cost: Floats, first_row: int, row_price: Floats, column_price: Floats, row_of: NDArray[np.intp]) -> None:
    """Give ``first_row`` a column, moving others along the cheapest path to a free one."""
    columns = cost.shape[1]
    distance = np.full(columns, np.inf)
    previous = np.full(columns, first_row, dtype=np.intp)
    visited = np.zeros(columns, dtype=bool)
    row, reached = first_row, 0.0
    path: list[tuple[int, int]] = []
    while True:
        through = reached + cost[row] - row_price[row] - column_price
        shorter = ~visited & (through < distance)
        distance[shorter] = through[shorter]
        previous[shorter] = row
        column = int(np.where(visited, np.inf, distance).argmin())
        reached = float(distance[column])
        visited[column] = True
        if row_of[column] < 0:
            break
        row = int(row_of[column])
        path.append((row, column))
    row_price[first_row] += reached
    for passed_row, passed_column in path:
        row_price[passed_row] += reached - distance[passed_column]
        column_price[passed_column] -= reached - distance[passed_column]
    while True:
        row = int(previous[column])
        given_up = np.flatnonzero(row_of == row)
        row_of[column] = row
        if row == first_row:
            return
        column = int(given_up[0])
