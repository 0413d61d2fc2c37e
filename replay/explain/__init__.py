"""Why did it, or did it not? One user and one campaign at one moment, under a magnifier (language.md §10).

The user's journal is folded again through the same actors (`recall.py`, `fold.py`); one walk over the syntax tree says
of every part whether it is true, false or pending until a time (`expressions.py`, `patterns.py`, `rules.py`, `sends.py`,
`runs.py`); `witness.py` looks for the shortest future that would make it fire, and plays it before it says so.
"""
