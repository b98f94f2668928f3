"""Where an image keeps its compiled kernels: beside the sources, where its build left them."""

from __future__ import annotations

from numba.core.caching import InTreeCacheLocator


class ImageCacheLocator(InTreeCacheLocator):
    """Takes the cache beside the sources though nothing can be written there; named in the Dockerfile.

    numba's own locators leave a folder out that they can't write to, and would compile at every start.
    """

    def ensure_cache_path(self) -> None:
        """Nothing to ensure: the build compiled everything."""
