"""The kinds of sites and histories: which constructs are in them."""

from __future__ import annotations

from typing import Final

from tests.reference.expression_strategies import Features

EVERYTHING: Final[Features] = frozenset(
    {
        "until",
        "branch",
        "where",
        "windows",
        "if",
        "when",
        "ends",
        "entry rules",
        "chains",
        "absence",
        "where history",
        "set",
        "emit",
        "time",
        "at",
        "score",
        "segments",
        "segment patterns",
        "remembered",
        "policy",
        "users",
        "duplicates",
    }
)

KINDS: Final[dict[str, Features]] = {
    "waits": frozenset({"until", "branch"}),
    "conditions": frozenset({"where", "windows", "if", "when", "branch"}),
    "late": frozenset({"late", "duplicates", "until", "where", "windows", "when", "ends"}),
    "ends": frozenset({"until", "ends", "entry rules", "users"}),
    "chains": frozenset({"chains", "where", "until", "ends"}),
    "late chains": frozenset({"chains", "late", "where"}),
    "absence": frozenset({"absence", "where", "until", "ends"}),
    "late absence": frozenset({"absence", "late"}),
    "where": frozenset({"where", "where history", "set", "emit", "until", "ends"}),
    "emit": frozenset({"set", "emit", "until", "when", "ends", "if"}),
    "time": frozenset({"time", "when", "at", "windows"}),
    "score": frozenset({"score", "when"}),
    "session": frozenset({"session", "when", "if"}),
    "context": frozenset(
        {"context", "if", "when", "where", "windows", "until", "ends", "late", "segments", "segment patterns"}
    ),
    "context and identity": frozenset({"context", "if", "when", "where", "identity", "policy", "speech", "users"}),
    "in session": frozenset({"session", "when", "if", "windows", "chains", "until", "where"}),
    "remembered": frozenset({"remembered", "when", "if", "where"}),
    "late remembered": frozenset({"late", "remembered", "when", "if", "where"}),
    "segments": frozenset({"segments", "segment patterns", "until", "ends", "windows", "set", "emit"}),
    "policy": frozenset({"policy", "branch", "entry rules"}),
    "identity": frozenset({"identity", "users", "until", "ends", "entry rules", "chains"}),
    "identity and policy": frozenset({"identity", "users", "policy", "entry rules", "branch"}),
    "identity and time": frozenset({"identity", "absence", "when", "windows", "score"}),
    "late and policy": frozenset({"late", "policy", "until", "ends"}),
    "late profile": frozenset(
        {"late", "identity", "users", "policy", "if", "where", "where history", "set", "until", "segments"}
    ),
    "unmatched": frozenset({"unmatched", "entry rules", "if", "users"}),
    "long": frozenset(
        {"long", "remembered", "when", "if", "where", "until", "ends", "entry rules", "identity", "absence"}
    ),
    "speech": frozenset({"speech", "policy", "until", "ends", "chains"}),
    "speech and time": frozenset(
        {"speech", "policy", "absence", "set", "emit", "segments", "segment patterns", "session"}
    ),
    "speech and identity": frozenset({"speech", "policy", "identity", "users", "until", "absence", "late"}),
    "history": frozenset({"historical", "until", "branch", "where", "windows", "ends", "entry rules", "if"}),
    "history and time": frozenset({"historical", "absence", "where", "chains", "until", "ends"}),
    "history and what is known": frozenset(
        {"historical", "remembered", "segments", "segment patterns", "if", "where", "set", "emit", "until", "ends"}
    ),
    "history and policy": frozenset({"historical", "policy", "branch", "entry rules", "unmatched"}),
    "history and conditions": frozenset({"historical", "when", "windows", "if", "branch"}),
    "everything": EVERYTHING,
}
