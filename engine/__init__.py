"""Many actors in time: submit, residence, alarms, commit, recovery, the clock; and the same actors in virtual time."""
