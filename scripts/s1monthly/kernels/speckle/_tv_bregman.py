"""Compiled kernels of the split Bregman iteration in ``tv_bregman``: layout of its state, filling, sweeps, reading out.

A sweep looks serial, because u depends on its new northern and western neighbours. But both lie on the diagonal (from
upper right to lower left) before a pixel's own, and the other two on the diagonal after it. So the state is stored by
diagonals, and a sweep is vector code along one diagonal after the other. Iterations follow each other two diagonals
apart, so that their data stay in the cache.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Power = NDArray[np.float32]
Places = NDArray[np.int32]

# A frame of one pixel surrounds the array. Rows and columns are counted from the frame's first; a diagonal's number is
# row + column. Its pixels are stored in chunks of LANES rows. A chunk stores one field after the other, so that every
# offset is a constant at compile time; before and after a field is room for the adjoining pixel of the next chunk.
# ``places[row // LANES + 1, diagonal]`` is the index of a chunk. Only chunks with a value, or next to one, have an
# index; chunk 0 stands for all others, also beyond the first and last row, and is never written.
LANES = 256
ROOM = 16  # float32 numbers in a cache line; every field begins at one
SOUTH = ROOM  # t = difference of u to the southern neighbour + Bregman variable b, of the last iteration
SHRINK = SOUTH + LANES + ROOM  # 1 / (1 + lam |t|): b = shrink t, and the auxiliary d = (1 - shrink) t
VALUE = SHRINK + LANES + ROOM  # u, dB; 0 where there is no data
GAIN = VALUE + LANES + ROOM  # lam / (weight + lam n) for n neighbours; 0 where no data; -1 where the frame has a value
EAST = GAIN + LANES + ROOM  # t, for the eastern neighbour
DATA = EAST + LANES  # weight / lam x the noisy value
STATE = DATA + LANES

TOGETHER = 8  # iterations advanced side by side: their diagonals fit into the cache of a core
# These flags are safe because the state holds no NaN and no infinity, and nothing is divided by zero.
_VECTOR = {"contract", "nsz", "arcp", "reassoc", "nnan", "ninf"}


@njit(nogil=True, cache=True)
def mark(power: Power, first: int, last: int, needed: NDArray[np.bool_]) -> tuple[int, int]:
    """Mark the diagonals on which rows first to last - 1 of one chunk have values.

    Returns the number of values that are not NaN, and of those among them that are zero, negative or infinite.
    """
    cols = power.shape[1]
    valid = bad = 0
    for row in range(first, last):
        line = power[row - 1]
        marks = needed[row + 1 : row + 1 + cols]
        for c in range(cols):
            x = line[c]
            there = not np.isnan(x)
            marks[c] |= there
            valid += there
            bad += there & ((x <= 0) | (x == np.inf))
    return valid, bad


@njit(nogil=True, cache=True)
def _frame_pixel(number: int, rows: int, cols: int) -> tuple[int, int, int, int]:
    """Return row and column of one of the frame's 2 (rows + columns) pixels, and of the pixel whose value it repeats.

    Above and left of the array the frame repeats its second row and column; below and right, its last ones.
    """
    if number < 2 * cols:
        col = 1 + number // 2
        return (rows + 1, col, rows, col) if number % 2 else (0, col, min(2, rows), col)
    row = 1 + number // 2 - cols
    return (row, cols + 1, row, cols) if number % 2 else (row, 0, row, min(2, cols))


@njit(nogil=True, cache=True)
def mark_frame(power: Power, needed: NDArray[np.bool_]) -> None:
    """Mark the chunks of the frame's pixels that have a value, and of the rows above them."""
    rows, cols = power.shape
    for number in range(2 * (rows + cols)):
        row, col, source_row, source_col = _frame_pixel(number, rows, cols)
        if not np.isnan(power[source_row - 1, source_col - 1]):
            needed[row // LANES + 1, row + col] = True
            needed[max(row - 1, 0) // LANES + 1, row + col] = True


@njit(nogil=True, cache=True)
def fill(decibel: Power, first: int, state: Power, places: Places) -> None:
    """Set u of the rows from ``first`` on, all in one chunk, and set the gain to 1 where there is a value."""
    rows, cols = decibel.shape
    chunks = places[first // LANES + 1]
    for diagonal in range(first + 1, first + rows + cols):
        if chunks[diagonal] > 0:
            here = state[chunks[diagonal]]
            for row in range(max(first, diagonal - cols), min(first + rows, diagonal)):
                x = decibel[row - first, diagonal - row - 1]
                there = not np.isnan(x)
                here[VALUE + row % LANES] = x if there else np.float32(0)
                here[GAIN + row % LANES] = np.float32(1) if there else np.float32(0)


@njit(nogil=True, cache=True)
def fill_frame(rows: int, cols: int, state: Power, places: Places) -> None:
    """Set the frame's fixed values where the repeated pixels have a value."""
    for number in range(2 * (rows + cols)):
        row, col, source_row, source_col = _frame_pixel(number, rows, cols)
        source = state[places[source_row // LANES + 1, source_row + source_col]]
        if source[GAIN + source_row % LANES] != 0:
            here = state[places[row // LANES + 1, row + col]]
            here[VALUE + row % LANES] = source[VALUE + source_row % LANES]
            here[GAIN + row % LANES] = -1


@njit(nogil=True, cache=True)
def _copy_to_neighbours(state: Power, left: int, here: int, right: int) -> None:
    """Copy a chunk's outermost values to the chunks before and after it on its diagonal."""
    if left > 0:
        state[left, VALUE + LANES] = state[here, VALUE]
    if right > 0:
        for field in (VALUE, SHRINK, SOUTH):
            state[right, field - 1] = state[here, field + LANES - 1]


@njit(nogil=True, cache=True)
def join(first: int, last: int, state: Power, places: Places) -> None:
    """Copy outermost values between neighbouring chunks on diagonals first to last - 1."""
    for diagonal in range(first, last):
        for q in range(1, places.shape[0] - 1):
            left, here, right = places[q - 1, diagonal], places[q, diagonal], places[q + 1, diagonal]
            if here > 0:
                _copy_to_neighbours(state, left, here, right)
                if left > 0:
                    state[left, GAIN + LANES] = state[here, GAIN]
                if right > 0:
                    state[right, GAIN - 1] = state[here, GAIN + LANES - 1]


@njit(nogil=True, cache=True, error_model="numpy")
def _weigh_chunk(here: Power, behind: Power, ahead: Power) -> None:
    zero, one, two, half = np.float32(0), np.float32(1), np.float32(2), np.float32(0.5)
    for i in range(LANES):
        north_west = (one if behind[GAIN + i] != zero else zero) + (one if behind[GAIN + i - 1] != zero else zero)
        south_east = (one if ahead[GAIN + i] != zero else zero) + (one if ahead[GAIN + i + 1] != zero else zero)
        gain = two / (one + two * (north_west + south_east))
        here[GAIN + i] = gain if here[GAIN + i] > zero else here[GAIN + i]
        here[DATA + i] = half * here[VALUE + i]


@njit(nogil=True, cache=True)
def weigh(first: int, last: int, state: Power, places: Places) -> None:
    """Compute gain and data term from u and the valid neighbours, in the chunks of diagonals first to last - 1."""
    for diagonal in range(first, last):
        for q in range(1, places.shape[0] - 1):
            if places[q, diagonal] > 0:
                behind, ahead = state[places[q, diagonal - 1]], state[places[q, diagonal + 1]]
                _weigh_chunk(state[places[q, diagonal]], behind, ahead)


@njit(nogil=True, cache=True)
def restart(first: int, last: int, state: Power) -> None:
    """Reset u of chunks first to last - 1 to the noisy value, and b and d to zero."""
    for place in range(first, last):
        here = state[place]
        for i in range(LANES):
            here[VALUE + i] = np.float32(2) * here[DATA + i]
        here[EAST : EAST + LANES] = 0
        here[SOUTH - 1 : SOUTH + LANES] = 0


@njit(nogil=True, cache=True, error_model="numpy", fastmath=_VECTOR)
def _sweep(here: Power, behind: Power, ahead: Power, lam: np.float32) -> np.float32:
    """Update a chunk; return the sum of squared changes of u."""
    zero, one, two = np.float32(0), np.float32(1), np.float32(2)
    total = zero
    for i in range(LANES):
        gain = here[GAIN + i]
        u = here[VALUE + i]
        u_east, u_south = ahead[VALUE + i], ahead[VALUE + i + 1]
        shrink, east, south = here[SHRINK + i], here[EAST + i], here[SOUTH + i]
        live = gain > zero
        new = gain * (
            behind[VALUE + i]
            + behind[VALUE + i - 1]
            + u_east
            + u_south
            + (two * shrink - one) * (east + south)
            - (two * behind[SHRINK + i] - one) * behind[EAST + i]
            - (two * behind[SHRINK + i - 1] - one) * behind[SOUTH + i - 1]
            + here[DATA + i]
        )
        new = new if live else u
        new_east = u_east - u + shrink * east
        new_east = new_east if live & (ahead[GAIN + i] != zero) else zero
        new_south = u_south - u + shrink * south
        new_south = new_south if live & (ahead[GAIN + i + 1] != zero) else zero
        total += (new - u) * (new - u)
        here[VALUE + i] = new
        here[EAST + i] = new_east
        here[SOUTH + i] = new_south
        here[SHRINK + i] = one / (one + lam * np.sqrt(new_east * new_east + new_south * new_south))
    return total


@njit(nogil=True, cache=True)
def advance(
    state: Power,
    places: Places,
    start: int,
    stop: int,
    first: int,
    last: int,
    lam: np.float32,
    changes: NDArray[np.float64],
    keep: int,
    previous: Power,
) -> None:
    """Advance iterations start to stop - 1 of a round while the front moves over diagonals first to last - 1.

    Iteration k works on diagonal front - 2 k. It reads the diagonal before (from iteration k) and the diagonal after
    (from iteration k - 1), both finished when the front was one diagonal earlier. ``changes[k, diagonal]`` receives the
    sum of squared changes; the u of iteration ``keep`` is copied to ``previous``, chunk by chunk.
    """
    for front in range(first, last):
        for k in range(start, stop):
            diagonal = front - 2 * k
            if not 1 <= diagonal < places.shape[1] - 1:
                continue
            for q in range(1, places.shape[0] - 1):
                here = places[q, diagonal]
                if here > 0:
                    behind, ahead = places[q, diagonal - 1], places[q, diagonal + 1]
                    changes[k, diagonal] += _sweep(state[here], state[behind], state[ahead], lam)
                    _copy_to_neighbours(state, places[q - 1, diagonal], here, places[q + 1, diagonal])
                    if k == keep:
                        previous[here] = state[here, VALUE : VALUE + LANES]


@njit(nogil=True, cache=True)
def collect(values: Power, places: Places, power: Power, first: int, last: int, decibel: Power) -> None:
    """Copy the values (place, LANES) of rows first to last - 1 of one chunk where power is valid; NaN elsewhere."""
    cols = power.shape[1]
    chunks = places[first // LANES + 1]
    for diagonal in range(first + 1, last + cols):
        here = values[chunks[diagonal]]
        for row in range(max(first, diagonal - cols), min(last, diagonal)):
            col = diagonal - row
            there = not np.isnan(power[row - 1, col - 1])
            decibel[row - first, col - 1] = here[row % LANES] if there else np.float32(np.nan)
