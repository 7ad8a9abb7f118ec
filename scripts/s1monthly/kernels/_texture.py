"""Compiled kernels of ``texture``: levels, sums and counts over sliding windows, metrics.

Contrast, homogeneity and correlation need no matrix. They follow from sums over the pairs of a window: of 1, i, j, i^2,
j^2, i j and 1 / (1 + (i - j)^2) for a pair of levels (i, j). When the window moves down, the sums of each column gain
one row and lose one; neighbouring columns are then summed by doubling. Entropy needs the counts themselves: when the
window moves along a row, pairs enter and leave a table of counts, and the sum of c ln c is updated.

Every sum is exact, so it neither drifts nor depends on where a block begins. Counts and moments are whole numbers of at
most 63 x 62 pairs x 63^2 < 2^24, exact in float32. Shares of homogeneity are multiples of 2^-36 below 2^12, exact in
float64. c ln c is stored as a whole multiple of 2^-32.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Values = NDArray[np.float32]
Levels = NDArray[np.uint8]
Codes = NDArray[np.uint16]
Whole = NDArray[np.int64]
Double = NDArray[np.float64]
PairRow = tuple[Levels, Levels]

NOTHING = 255  # level of no data
MOST_LEVELS = 64
TOGETHER = 2  # rows whose tables of counts are updated in turns: one row computes while the other waits for memory
STRIP = 2048  # columns processed at a time, so that their sums stay in the cache
CONTRAST, HOMOGENEITY, ENTROPY, CORRELATION = range(4)
PAIRS, SUM_I, SUM_J, SUM_II, SUM_JJ, SUM_IJ = range(6)
LOG_UNIT = 2.0**-32


def count_logs(most: int) -> tuple[Whole, Whole]:
    """Tabulate c ln c in units of `LOG_UNIT` for c from 0 to most + 1, and its differences from c to c + 1."""
    count = np.arange(most + 2, dtype=np.float64)
    logs = np.rint(count * np.log(np.maximum(count, 1.0)) / LOG_UNIT).astype(np.int64)
    return logs, np.diff(logs)


@njit(nogil=True, cache=True, error_model="numpy")
def quantise(
    first: int, last: int, db: Values, low: float, high: float, number: int, half: int, levels: Levels
) -> None:
    """Write the levels of rows first to last - 1 into ``levels``, which has a frame of ``half`` pixels."""
    cols = db.shape[1]
    top = np.float64(number - 1)
    for r in range(first, last):
        line = levels[r + half, half : half + cols]
        for k in range(cols):
            x = np.float64(db[r, k])
            level = np.floor(number * (x - low) / (high - low))
            level = min(max(level, 0.0), top)
            line[k] = np.uint8(level) if abs(x) < np.inf else np.uint8(NOTHING)


@njit(nogil=True, cache=True)
def _pair_row(levels: Levels, row: int, left: int, down: int, along: int, number: int) -> PairRow:
    """Return the levels of the first and of the second pixels of a row of pairs.

    For any direction of the offset, the pairs begin at ``row`` and ``left`` and extend downwards and to the right.
    """
    i, j = left + max(0, -along), left + max(0, along)
    return levels[row + max(0, -down), i : i + number], levels[row + max(0, down), j : j + number]


@njit(nogil=True, cache=True, error_model="numpy")
def _roll_moments(enters: PairRow, leaves: PairRow, columns: Values) -> None:
    """Add an entering row of pairs to the sums of each column, and subtract a leaving row."""
    one, zero = np.float32(1), np.float32(0)
    (new_i, new_j), (old_i, old_j) = enters, leaves
    pairs, sum_i, sum_j = columns[PAIRS], columns[SUM_I], columns[SUM_J]
    sum_ii, sum_jj, sum_ij = columns[SUM_II], columns[SUM_JJ], columns[SUM_IJ]
    for k in range(new_i.size):
        new = one if (new_i[k] < MOST_LEVELS) & (new_j[k] < MOST_LEVELS) else zero
        old = one if (old_i[k] < MOST_LEVELS) & (old_j[k] < MOST_LEVELS) else zero
        i, j = new * np.float32(new_i[k]), new * np.float32(new_j[k])
        x, y = old * np.float32(old_i[k]), old * np.float32(old_j[k])
        pairs[k] += new - old
        sum_i[k] += i - x
        sum_j[k] += j - y
        sum_ii[k] += i * i - x * x
        sum_jj[k] += j * j - y * y
        sum_ij[k] += i * j - x * y


@njit(nogil=True, cache=True, error_model="numpy")
def _roll_shares(enters: PairRow, leaves: PairRow, shares: Double) -> None:
    """Do the same for the sums of 1 / (1 + (i - j)^2), each term rounded to float32."""
    one, zero = np.float32(1), np.float32(0)
    (new_i, new_j), (old_i, old_j) = enters, leaves
    for k in range(new_i.size):
        difference = np.float32(new_i[k]) - np.float32(new_j[k])
        new = one / (one + difference * difference)
        difference = np.float32(old_i[k]) - np.float32(old_j[k])
        old = one / (one + difference * difference)
        new = new if (new_i[k] < MOST_LEVELS) & (new_j[k] < MOST_LEVELS) else zero
        old = old if (old_i[k] < MOST_LEVELS) & (old_j[k] < MOST_LEVELS) else zero
        shares[k] += np.float64(new) - np.float64(old)


@njit(nogil=True, cache=True)
def _add(a: NDArray[np.floating], b: NDArray[np.floating], total: NDArray[np.floating]) -> None:
    for k in range(total.size):
        total[k] = a[k] + b[k]


@njit(nogil=True, cache=True)
def _sum_along(
    columns: NDArray[np.floating], width: int, sums: NDArray[np.floating], spare: NDArray[np.floating]
) -> None:
    """Sum ``width`` neighbouring columns: double to sums of 1, 2, 4 ... columns, and add those in its binary digits."""
    number = sums.size
    sums[:] = 0
    source, done, step, turn = columns, 0, 1, 0
    while step <= width:
        if width & step:
            part = source[done : done + number]
            for k in range(number):
                sums[k] += part[k]
            done += step
        left = source.size - step
        if 2 * step <= width:
            _add(source[:left], source[step:], spare[turn, :left])
            source, turn = spare[turn, :left], 1 - turn
        step *= 2


@njit(nogil=True, cache=True)
def _exchange(counts: Codes, leaves: np.uint16, enters: np.uint16, steps: Whole) -> np.int64:
    """Remove one pair from the table of counts and add another; return the change of the sum of c ln c."""
    count = counts[leaves] - np.uint16(1)
    change = -steps[count]
    counts[leaves] = count
    count = counts[enters]
    counts[enters] = count + np.uint16(1)
    return change + steps[count]


@njit(nogil=True, cache=True)
def _encode(pairs: PairRow, number: int, codes: Codes) -> None:
    """Number the pairs of levels; all pairs with no data share the next number."""
    first, second = pairs
    for k in range(first.size):
        valid = (first[k] < MOST_LEVELS) & (second[k] < MOST_LEVELS)
        codes[k] = np.uint16(np.int32(first[k]) * number + np.int32(second[k]) if valid else number * number)


@njit(nogil=True, cache=True)
def _slide(
    codes: Codes,
    height: int,
    width: int,
    wide: int,
    number: int,
    logs: Whole,
    steps: Whole,
    counts: Codes,
    excess: Whole,
) -> None:
    """Slide two windows, one row apart, along the codes; write n ln n - sum of c ln c to ``excess`` for each place.

    n is the number of valid pairs. Pairs with no data are counted like the others and then subtracted.
    """
    nothing = np.uint16(number * number)
    pairs = height * width
    counts[:] = 0
    upper, lower = counts[0], counts[1]
    upper_sum = lower_sum = np.int64(0)
    for t in range(height):
        for k in range(width):
            code = codes[t, k]
            upper_sum += steps[upper[code]]
            upper[code] += np.uint16(1)
            code = codes[t + 1, k]
            lower_sum += steps[lower[code]]
            lower[code] += np.uint16(1)
    for k in range(wide):
        if k > 0:
            for t in range(height):
                line, below = codes[t], codes[t + 1]
                upper_sum += _exchange(upper, line[k - 1], line[k - 1 + width], steps)
                lower_sum += _exchange(lower, below[k - 1], below[k - 1 + width], steps)
        empty = np.int64(upper[nothing])
        excess[0, k] = logs[pairs - empty] + logs[empty] - upper_sum
        empty = np.int64(lower[nothing])
        excess[1, k] = logs[pairs - empty] + logs[empty] - lower_sum


@njit(nogil=True, cache=True, error_model="numpy")
def _weigh(pairs: Values, weight: Double, angles: Double) -> None:
    """Set the weight of a pair to 1 / n, or to 0 if the window has no pair; count the angles with pairs."""
    for k in range(weight.size):
        n = np.float64(pairs[k])
        weight[k] = 1.0 / n if n > 0 else 0.0
        angles[k] += 1.0 if n > 0 else 0.0


@njit(nogil=True, cache=True)
def _add_contrast(sums: Values, weight: Double, total: Double) -> None:
    """Add the mean of (i - j)^2."""
    sum_ii, sum_jj, sum_ij = sums[SUM_II], sums[SUM_JJ], sums[SUM_IJ]
    for k in range(total.size):
        total[k] += weight[k] * (np.float64(sum_ii[k]) + np.float64(sum_jj[k]) - 2.0 * np.float64(sum_ij[k]))


@njit(nogil=True, cache=True)
def _add_weighted(sums: NDArray[np.generic], unit: float, weight: Double, total: Double) -> None:
    """Add the mean of the shares (homogeneity) or of the logarithms (entropy)."""
    for k in range(total.size):
        total[k] += weight[k] * unit * np.float64(sums[k])


@njit(nogil=True, cache=True, error_model="numpy")
def _add_correlation(sums: Values, weight: Double, total: Double) -> None:
    """Add cov(i, j) / (std(i) std(j)), or 1 if a variance is zero; the factor n^2 makes the terms whole numbers."""
    pairs, sum_i, sum_j = sums[PAIRS], sums[SUM_I], sums[SUM_J]
    sum_ii, sum_jj, sum_ij = sums[SUM_II], sums[SUM_JJ], sums[SUM_IJ]
    for k in range(total.size):
        n, i, j = np.float64(pairs[k]), np.float64(sum_i[k]), np.float64(sum_j[k])
        spread = (n * np.float64(sum_ii[k]) - i * i) * (n * np.float64(sum_jj[k]) - j * j)
        shared = n * np.float64(sum_ij[k]) - i * j
        flat = spread == 0.0
        correlation = 1.0 if flat else shared / np.sqrt(1.0 if flat else spread)
        total[k] += correlation if weight[k] > 0.0 else 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def _write(total: Double, angles: Double, centres: Levels, made: Values) -> None:
    """Write the mean over the angles with pairs; NaN if there are none or the centre is no data."""
    for k in range(made.size):
        good = (centres[k] < MOST_LEVELS) & (angles[k] > 0.0)
        made[k] = np.float32(total[k] / angles[k]) if good else np.float32(np.nan)


@njit(nogil=True, cache=True)
def _any_valid(levels: Levels) -> bool:
    for r in range(levels.shape[0]):
        for k in range(levels.shape[1]):
            if levels[r, k] != NOTHING:
                return True
    return False


@njit(nogil=True, cache=True)
def texture_rows(
    first: int,
    last: int,
    levels: Levels,
    number: int,
    half: int,
    offsets: Whole,
    logs: Whole,
    steps: Whole,
    place: Whole,
    made: NDArray[np.float32],
) -> None:
    """Compute the metrics of rows first to last - 1, averaged over the offsets.

    Parameters
    ----------
    first, last : int
        Rows to compute.
    levels : array (rows + 2 half + 1, columns + 2 half) of uint8
        Levels below ``number``; NOTHING for no data and in the frame. The extra last row completes a pair of rows.
    number : int
        Number of levels, at most MOST_LEVELS.
    half : int
        Half the window; its side is 2 half + 1.
    offsets : array (angle, 2)
        Rows and columns from the first pixel of a pair to the second; smaller than the window.
    logs, steps : array
        Result of `count_logs` for the number of pixels of a window.
    place : array (4,)
        Index in ``made`` of CONTRAST, HOMOGENEITY, ENTROPY and CORRELATION; negative for an unwanted metric.
    made : array (metric, rows, columns) of float32
        Receives the metrics.
    """
    side = 2 * half + 1
    cols = made.shape[2]
    moments = np.zeros((offsets.shape[0], 6, STRIP + side), np.float32)
    shares = np.zeros((offsets.shape[0], STRIP + side), np.float64)
    no_levels = np.full(STRIP + side, NOTHING, np.uint8)
    sums = np.zeros((6, STRIP), np.float32)
    share_sums = np.zeros(STRIP, np.float64)
    spare = np.empty((2, STRIP + side), np.float32)
    share_spare = np.empty((2, STRIP + side), np.float64)
    codes = np.empty((side + 1, STRIP + side), np.uint16)
    counts = np.empty((TOGETHER, number * number + 1), np.uint16)
    excess = np.empty((TOGETHER, STRIP), np.int64)
    weight = np.empty((TOGETHER, STRIP), np.float64)
    angles = np.empty((TOGETHER, STRIP), np.float64)
    total = np.empty((TOGETHER, 4, STRIP), np.float64)
    for left in range(0, cols, STRIP):
        wide = min(STRIP, cols - left)
        if not _any_valid(levels[first + half : last + half, left + half : left + half + wide]):
            made[:, first:last, left : left + wide] = np.nan
            continue
        moments[:] = 0
        shares[:] = 0
        for row in range(first, last, TOGETHER):
            total[:] = 0
            angles[:] = 0
            for a in range(offsets.shape[0]):
                down, along = offsets[a, 0], offsets[a, 1]
                height, width = side - abs(down), side - abs(along)
                reach = wide + width - 1  # pairs in the first row of all windows together
                for t in range(TOGETHER):
                    # A block's first window adds all its rows; every other adds one and drops one.
                    fresh = row + t == first
                    for u in range(row + t if fresh else row + t + height - 1, row + t + height):
                        enters = _pair_row(levels, u, left, down, along, reach)
                        leaves = no_levels[:reach], no_levels[:reach]
                        if not fresh:
                            leaves = _pair_row(levels, u - height, left, down, along, reach)
                        _roll_moments(enters, leaves, moments[a])
                        if place[HOMOGENEITY] >= 0:
                            _roll_shares(enters, leaves, shares[a])
                    for s in range(6):
                        _sum_along(moments[a, s, :reach], width, sums[s, :wide], spare)
                    _weigh(sums[PAIRS, :wide], weight[t, :wide], angles[t, :wide])
                    if place[CONTRAST] >= 0:
                        _add_contrast(sums, weight[t, :wide], total[t, CONTRAST, :wide])
                    if place[HOMOGENEITY] >= 0:
                        _sum_along(shares[a, :reach], width, share_sums[:wide], share_spare)
                        _add_weighted(share_sums[:wide], 1.0, weight[t, :wide], total[t, HOMOGENEITY, :wide])
                    if place[CORRELATION] >= 0:
                        _add_correlation(sums, weight[t, :wide], total[t, CORRELATION, :wide])
                if place[ENTROPY] >= 0:
                    for t in range(height + 1):
                        _encode(_pair_row(levels, row + t, left, down, along, reach), number, codes[t])
                    _slide(codes, height, width, wide, number, logs, steps, counts, excess)
                    for t in range(TOGETHER):
                        _add_weighted(excess[t, :wide], LOG_UNIT, weight[t, :wide], total[t, ENTROPY, :wide])
            for t in range(min(TOGETHER, last - row)):
                centres = levels[row + t + half, left + half : left + half + wide]
                for m in range(4):
                    if place[m] >= 0:
                        target = made[place[m], row + t, left : left + wide]
                        _write(total[t, m, :wide], angles[t, :wide], centres, target)
