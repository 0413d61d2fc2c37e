"""Where the journal ends: the number and the stamp of the next row, and the program that it is taken under.

One object advances all of them, for inputs on the hot path, for those that had to wait, for timers and for changes of the
site, so that `seq` has no gap and `at` never goes back whoever writes the next row.
"""

from __future__ import annotations

from actors.model.program import Program
from persistence.program_periods import ProgramPeriods


class JournalTip:
    __slots__ = ("began", "floor", "periods", "program", "replayed_before", "seq")

    def __init__(self, program: Program) -> None:
        self.seq = 0
        """Of the newest row, on disk or gathering."""
        self.floor = 0
        """The next input is stamped no earlier."""
        self.replayed_before = 0
        """A turn stamped earlier may be one that was taken before: only the outbox knows what became of its sends."""
        self.periods = ProgramPeriods({}, [], program)
        """The programs of the journal."""
        self.program = program
        """That counts now."""
        self.began = 0
        """Journal position at which it began."""

    # --- the next row ---------------------------------------------------------------------------------------------

    def advance(self) -> int:
        """Return the number of the row that is written now."""
        self.seq = seq = self.seq + 1
        return seq

    def stamp(self, now: int) -> int:
        """Return `at` of an input that is taken `now`; from here on no input is stamped before it."""
        if now > self.floor:
            self.floor = now
        return self.floor

    def pass_timers(self, until: int) -> None:
        """Timers due at `until` have fired: no input is stamped then, or before."""
        self.floor = max(self.floor, until + 1)

    def begin(self, program: Program, seq: int) -> None:
        """Let `program` count from row `seq` on, which is the next one."""
        assert seq == self.seq + 1, f"program entry {seq} after {self.seq}"
        self.seq = seq
        self.program, self.began = program, seq

    # --- where it is found ----------------------------------------------------------------------------------------

    def resume(self, seq: int, floor: int) -> None:
        """Go on after row `seq`, as the disk has it; no input is stamped before `floor`."""
        self.seq, self.floor = seq, floor
        self.replay()

    def follow(self, periods: ProgramPeriods) -> None:
        """Take these for the programs of the journal."""
        self.periods = periods
        self.program, self.began = periods.current, periods.began

    def rewind(self, seq: int) -> None:
        """Go back to row `seq`: the rows after it never came to be. Stamps that were given are not given again."""
        self.seq = seq
        self.program, self.began = self.periods.back_to(seq), self.periods.began

    def replay(self) -> None:
        """Rows up to here are taken again, by one actor or by all."""
        self.replayed_before = self.floor
