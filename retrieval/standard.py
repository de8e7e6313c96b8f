"""Put scores of different kinds on one scale: z = (x − mean) / standard deviation, per query, over the rows searched."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

FLAT: Final = 1e-9  # spread, relative to the largest value, below which scores tell no rows apart


def standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centre (n,) finite scores and scale them to deviation 1; scores that tell nobody apart become zeros.

    Worked by hand: 1, 2, 3 have mean 2 and deviation √(2/3) = .8165.

    >>> standardised(np.array([1.0, 2.0, 3.0])).round(3).tolist()
    [-1.225, 0.0, 1.225]
    >>> standardised(np.array([5.0])).tolist()
    [0.0]
    """
    deviation = spread(values)
    return (values - values.mean()) / deviation if deviation > 0 else np.zeros_like(values)


def spread(values: NDArray[np.float64]) -> float:
    """Return the standard deviation of (n,) finite scores, 0 where they are equal but for rounding.

    >>> spread(np.array([1.0, 1.0 + 1e-12])), round(spread(np.array([1.0, 3.0])), 3)
    (0.0, 1.0)
    """
    if len(values) < 2:
        return 0.0
    deviation = float(values.std())
    return deviation if deviation > FLAT * max(abs(float(values.max())), abs(float(values.min()))) else 0.0
