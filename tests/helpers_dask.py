"""Ways to cut arrays into blocks, and what comes back."""

import dask
import dask.array as da
import numpy as np
import pytest

N = 23
CUTS = ((3, 10, 0, 9, 1), (12, 11))  # of N rows; one block empty
DTYPES = (np.dtype(np.float32), np.dtype(np.float64))
EACH_CUT = pytest.mark.parametrize("rows,dtype", list(zip(CUTS, DTYPES, strict=True)), ids=["float32", "float64"])


def cut(array, rows):
    """A dask array of blocks of these rows, whole along the other axes."""
    return da.from_array(array, chunks=(rows, *array.shape[1:]))


def computed(results):
    """The results of a call as NumPy's, in a tuple; they must have been lazy, and of the promised shape and dtype."""
    lazy = results if isinstance(results, tuple) else (results,)
    assert all(isinstance(result, da.Array) for result in lazy)
    got = dask.compute(*lazy, scheduler="synchronous")
    for promise, result in zip(lazy, got, strict=True):
        assert (promise.dtype, promise.shape) == (np.asarray(result).dtype, np.shape(result))
    return got
