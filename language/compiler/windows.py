"""Which window a question about the user's history means."""

from __future__ import annotations

from typing import Final

from language.syntax import ast

EVER: Final = ast.Window(kind="ever")


def window_of(node: ast.Did | ast.Aggregate | ast.Top, *, in_run: bool) -> ast.Window:
    """Return the window that a question means: inside a run, without one, `since entry`, else `ever`.

    `since entry` begins with the entry event. Of `did` and `no` it means `after entry`: with the entry event in it, a run
    that a purchase began would have bought at once.
    """
    window = node.window
    if window is None:
        window = ast.Window(kind="since_entry") if in_run and not isinstance(node, ast.Top) else EVER
    if isinstance(node, ast.Did) and window.kind == "since_entry":
        return ast.Window(at=window.at, kind="after_entry")
    return window
