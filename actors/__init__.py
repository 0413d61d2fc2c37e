"""One user's mind: memory, patterns, runs, policy.

Pure: no I/O, no clock, no randomness, no logging, no asyncio. Time comes in as an argument in
milliseconds since the epoch, ids are functions of what is known, and the same call on the same
state gives the same turn, live, simulated, tested, replayed or explained.
"""
