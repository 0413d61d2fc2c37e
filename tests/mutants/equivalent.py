"""Reads `equivalent.md`: which mutants change nothing that anyone could rely on, and why."""

from __future__ import annotations

from pathlib import Path

TABLE = Path(__file__).with_name("equivalent.md")


def reasons() -> dict[tuple[str, str, str], str]:
    """Why a mutant may live, by its file, the line as it is and the line as it would be."""
    rows = [line.strip("| ").split(" | ", 3) for line in TABLE.read_text().splitlines() if line.startswith("| `")]
    return {(path.strip("`"), _code(old), _code(new)): why for path, old, new, why in rows}


def _code(cell: str) -> str:
    """What stands in a cell; a table has no bar but escaped."""
    return cell.strip().strip("`").replace("\\|", "|")
