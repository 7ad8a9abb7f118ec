"""Compiled kernels of the split Bregman iteration in ``bregman``: layout of its state, sweeps, filling and emptying.

A sweep looks serial, since u takes in its new northern and western neighbours. Yet nothing but u_west is new within a
row: all else is gathered by vector code first (``_prepare``), and what is left is one multiply-add a pixel
(``_recur``). Iterations follow each other two rows apart, so that rows stay in the cache and threads have work.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Power = NDArray[np.float32]
Places = NDArray[np.int32]

# The state of a pixel is six numbers. They lie in chunks of LANES pixels of one row, field after field, so that every
# offset is known when the kernel is compiled and its loops become vector code. A frame of one pixel surrounds the
# array. Only chunks with a value have a place in the state; chunk 0 stands for all empty ones and is never written.
# ``places[row, chunk]`` counts rows from the frame's first row, and chunks from an empty column left of the frame.
LANES = 128
VALUE = 0 * LANES  # u, dB; 0 where there is no data
EAST = 1 * LANES  # t = difference of u to the eastern neighbour + Bregman variable b, of the last iteration
SOUTH = 2 * LANES  # the same to the southern neighbour
SHRINK = 3 * LANES  # 1 / (1 + lam |t|): b = shrink t, and the auxiliary d = (1 - shrink) t
DATA = 4 * LANES  # weight / lam x the noisy value
GAIN = 5 * LANES  # lam / (weight + lam n) for n neighbours; 0 where there is no data; -1 where the frame has a value
STATE = 6 * LANES

NEXT_VALUE = 0  # places in a kernel's scratch
NEXT_GAIN = LANES
FLOW = 2 * LANES
KNOWN = 3 * LANES + 16
SCRATCH = 4 * LANES + 16

TOGETHER = 4  # iterations advanced side by side: as many as hide the latency of one multiply-add
# The state holds no NaN and no infinity; that is what makes these flags safe. Division by zero does not occur.
_VECTOR = {"contract", "nsz", "arcp", "reassoc", "nnan", "ninf"}


@njit(nogil=True, cache=True)
def mark(power: Power, first: int, last: int, needed: NDArray[np.bool_]) -> int:
    """Mark the chunks that rows first to last - 1 and their frame need; return how many values are not NaN."""
    cols = power.shape[1]
    valid = 0
    for r in range(first, last):
        for c in range(cols):
            if not math.isnan(power[r, c]):
                valid += 1
                needed[r + 1, (c + 1) // LANES + 1] = True
        if not math.isnan(power[r, cols - 1]):
            needed[r + 1, (cols + 1) // LANES + 1] = True
    return valid


@njit(nogil=True, cache=True, error_model="numpy")
def fill(power: Power, decibel: Power, first: int, state: Power, places: Places) -> int:
    """Set the state of the rows from ``first`` on from their decibels; return how many values are no power, nor NaN."""
    rows, cols = power.shape
    bad = 0
    for i in range(decibel.shape[0]):
        r = first + i
        north = r - 1 if r > 0 else min(1, rows - 1)
        south = min(r + 1, rows - 1)
        for c in range(cols):
            x = decibel[i, c]
            if not math.isfinite(x):
                bad += not math.isnan(power[r, c])
                continue
            west = c - 1 if c > 0 else min(1, cols - 1)
            east = min(c + 1, cols - 1)
            neighbours = (
                int(power[north, c] > 0) + int(power[south, c] > 0) + int(power[r, west] > 0) + int(power[r, east] > 0)
            )
            chunk = state[places[r + 1, (c + 1) // LANES + 1]]
            lane = (c + 1) % LANES
            chunk[VALUE + lane] = x
            chunk[DATA + lane] = np.float32(0.5) * x
            chunk[GAIN + lane] = np.float32(2.0) / np.float32(1 + 2 * neighbours)
            chunk[EAST + lane] = 0
            chunk[SOUTH + lane] = 0
    return bad


@njit(nogil=True, cache=True)
def _fix(state: Power, places: Places, row: int, col: int, source_row: int, source_col: int) -> None:
    """Give a pixel of the frame the value of a pixel of the array, if that has one."""
    source = state[places[source_row, source_col // LANES + 1]]
    if source[GAIN + source_col % LANES] != 0:
        target = state[places[row, col // LANES + 1]]
        target[VALUE + col % LANES] = source[VALUE + source_col % LANES]
        target[GAIN + col % LANES] = -1


@njit(nogil=True, cache=True)
def frame(state: Power, places: Places, rows: int, cols: int) -> None:
    """Surround the filled state by fixed values: second row and column above and left, last ones below and right."""
    for c in range(1, cols + 1):
        _fix(state, places, 0, c, min(2, rows), c)
        _fix(state, places, rows + 1, c, rows, c)
    for r in range(1, rows + 1):
        _fix(state, places, r, 0, r, min(2, cols))
        _fix(state, places, r, cols + 1, r, cols)


@njit(nogil=True, cache=True, error_model="numpy", fastmath=_VECTOR)
def _prepare(
    here: Power,
    north: Power,
    south: Power,
    scratch: Power,
    next_value: np.float32,
    next_gain: np.float32,
    flow_in: np.float32,
    lam: np.float32,
    known: Power,
    factor: Power,
) -> None:
    """Update t of one chunk and gather all of the new u but its western neighbour: u = known + factor u_west."""
    one = np.float32(1)
    two = np.float32(2)
    zero = np.float32(0)
    for i in range(LANES - 1):
        scratch[NEXT_VALUE + i] = here[VALUE + i + 1]
    for i in range(LANES - 1):
        scratch[NEXT_GAIN + i] = here[GAIN + i + 1]
    scratch[NEXT_VALUE + LANES - 1] = next_value
    scratch[NEXT_GAIN + LANES - 1] = next_gain
    scratch[FLOW] = flow_in
    for i in range(LANES):
        u = here[VALUE + i]
        u_east = scratch[NEXT_VALUE + i]
        u_south = south[VALUE + i]
        shrink = here[SHRINK + i]
        east = here[EAST + i]
        south_t = here[SOUTH + i]
        live = here[GAIN + i] > zero
        new_east = u_east - u + shrink * east
        new_east = new_east if live & (scratch[NEXT_GAIN + i] != zero) else zero
        new_south = u_south - u + shrink * south_t
        new_south = new_south if live & (south[GAIN + i] != zero) else zero
        new_shrink = one / (one + lam * np.sqrt(new_east * new_east + new_south * new_south))
        scratch[KNOWN + i] = (
            north[VALUE + i]
            + u_south
            + u_east
            + (two * shrink - one) * (east + south_t)
            - (two * north[SHRINK + i] - one) * north[SOUTH + i]
            + here[DATA + i]
        )
        here[EAST + i] = new_east
        here[SOUTH + i] = new_south
        here[SHRINK + i] = new_shrink
        scratch[FLOW + i + 1] = (two * new_shrink - one) * new_east
    for i in range(LANES):
        gain = here[GAIN + i]
        value = gain * (scratch[KNOWN + i] - scratch[FLOW + i])
        known[i] = value if gain > zero else here[VALUE + i]
        factor[i] = gain if gain > zero else zero


@njit(nogil=True, cache=True, fastmath=_VECTOR)
def _recur(known: Power, factor: Power, west: Power) -> None:
    """Run u = known + factor u_west along four independent chunks; the result replaces ``known``."""
    u0, u1, u2, u3 = west[0], west[1], west[2], west[3]
    for i in range(LANES):
        u0 = known[0, i] + factor[0, i] * u0
        known[0, i] = u0
        u1 = known[1, i] + factor[1, i] * u1
        known[1, i] = u1
        u2 = known[2, i] + factor[2, i] * u2
        known[2, i] = u2
        u3 = known[3, i] + factor[3, i] * u3
        known[3, i] = u3


@njit(nogil=True, cache=True, fastmath=_VECTOR)
def _commit(here: Power, new: Power) -> np.float32:
    """Write the new u of a chunk; return the sum of its squared changes."""
    total = np.float32(0)
    for i in range(LANES):
        change = new[i] - here[VALUE + i]
        total += change * change
        here[VALUE + i] = new[i]
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
    kept: Power,
) -> None:
    """Advance iterations start to stop - 1 (at most TOGETHER) of a round while the front moves from first to last - 1.

    Iteration k works on row front - 2 k: what it needs of the row above (iteration k) and of the row below (iteration
    k - 1) was made when the front stood one row earlier, so the iterations at one front are independent of each other.
    ``changes[k, row]`` receives the squared changes; the u of iteration ``keep`` is copied to ``kept``.
    """
    rows, cols = kept.shape
    edge = LANES - 1
    scratch = np.zeros(SCRATCH, np.float32)
    known = np.zeros((TOGETHER, LANES), np.float32)
    factor = np.zeros((TOGETHER, LANES), np.float32)
    west = np.zeros(TOGETHER, np.float32)
    active = np.zeros(TOGETHER, np.bool_)
    one = np.float32(1)
    two = np.float32(2)
    for front in range(first, last):
        for q in range(1, places.shape[1] - 1):
            busy = False
            for i in range(TOGETHER):
                r = front - 2 * (start + i)
                active[i] = start + i < stop and 1 <= r <= rows and places[r, q] > 0
                if active[i]:
                    busy = True
                    left, right = state[places[r, q - 1]], state[places[r, q + 1]]
                    west[i] = left[VALUE + edge]
                    _prepare(
                        state[places[r, q]],
                        state[places[r - 1, q]],
                        state[places[r + 1, q]],
                        scratch,
                        right[VALUE],
                        right[GAIN],
                        (two * left[SHRINK + edge] - one) * left[EAST + edge],
                        lam,
                        known[i],
                        factor[i],
                    )
                else:
                    factor[i, :] = 0
            if not busy:
                continue
            _recur(known, factor, west)
            for i in range(TOGETHER):
                if active[i]:
                    r = front - 2 * (start + i)
                    here = state[places[r, q]]
                    changes[start + i, r - 1] += _commit(here, known[i])
                    if start + i == keep:
                        origin = (q - 1) * LANES - 1
                        for c in range(max(origin, 0), min(origin + LANES, cols)):
                            kept[r - 1, c] = here[VALUE + c - origin]


@njit(nogil=True, cache=True)
def collect(state: Power, places: Places, first: int, last: int, use_kept: bool, decibel: Power) -> None:
    """Take u out of the state, or keep what ``decibel`` holds already; NaN where there is no data."""
    for r in range(first, last):
        for c in range(decibel.shape[1]):
            chunk = state[places[r + 1, (c + 1) // LANES + 1]]
            lane = (c + 1) % LANES
            if chunk[GAIN + lane] == 0:
                decibel[r, c] = np.nan
            elif not use_kept:
                decibel[r, c] = chunk[VALUE + lane]
