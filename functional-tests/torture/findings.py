"""What was measured against which criterion, and the table of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Row:
    """One criterion, and how it was met."""

    test: str
    workers: str
    criterion: str
    measured: str
    is_met: bool


class Findings:
    """The rows of one test."""

    def __init__(self, test: str, workers: str):
        self.test = test
        self.workers = workers
        self.rows: list[Row] = []

    def at_most(self, what: str, limit: float, measured: float, unit: str = "") -> None:
        self._add(f"{what} <= {_number(limit)}{unit}", _number(measured) + unit, measured <= limit)

    def at_least(self, what: str, limit: float, measured: float, unit: str = "") -> None:
        self._add(f"{what} >= {_number(limit)}{unit}", _number(measured) + unit, measured >= limit)

    def exactly(self, what: str, expected: object, measured: object) -> None:
        self._add(f"{what} = {expected}", str(measured), measured == expected)

    def none(self, what: str, found: list) -> None:
        """There must be none of these; the first ones are shown."""
        shown = f"{len(found)}" + "".join(f"; {thing}" for thing in found[:2])
        self._add(f"{what} = 0", shown[:160], not found)

    def failed(self, why: str) -> None:
        self._add("the test can be made", why, False)

    def _add(self, criterion: str, measured: str, is_met: bool) -> None:
        row = Row(self.test, self.workers, criterion, measured, is_met)
        # What is tried several times is told once, unless it came out differently.
        if row not in self.rows:
            self.rows.append(row)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}".rstrip("0").rstrip(".")


def table(rows: list[Row]) -> str:
    """The rows in columns; a test is named in its first row."""
    cells = [("test", "workers", "criterion", "", "measured")]
    last = None
    for row in rows:
        name = (row.test, row.workers)
        shown = name if name != last else ("", "")
        last = name
        cells.append((*shown, row.criterion, "ok" if row.is_met else "FAIL", row.measured))
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths)), line[4]])
        for line in cells)
