"""What can be wrong with a cache, a file of one, or a plan for one.

    ActivationError
    ├── BadTensor          a shape, a type or a number that no cache has
    ├── BlobRefused        a file that is no cache, or is not whole
    ├── GrantRefused       a token that this service did not sign, or that has expired
    ├── MissingStatistic   a policy was given too little to decide by
    └── UnsupportedRope    positions that cannot be moved

They carry no HTTP status: whoever answers a request says what its client can do.
"""


class ActivationError(ValueError):
    """Something about a key–value cache is wrong."""


class BadTensor(ActivationError):
    """A tensor has a shape, a type or numbers that no cache has."""


class BlobRefused(ActivationError):
    """A file is not a cache as this service writes it, or is not whole."""


class GrantRefused(ActivationError):
    """A grant was not signed by this service, or has expired."""


class MissingStatistic(ActivationError):
    """A policy needs a statistic that was not observed."""


class UnsupportedRope(ActivationError):
    """A model's rotary positions depend on more than the position, so that no key can be moved."""
