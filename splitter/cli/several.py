"""Flags that take several values after one name, as in `--threshold 'p99<20ms' 'errors<0.1%'`, which click does not have. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

Belongs = Callable[[str, bool], bool]
"""Whether a further word is another value of the flag. Its second argument: whether an argument of the command came before the flag."""


def spread(words: Sequence[str], flags: Mapping[str, Belongs], with_value: frozenset[str]) -> list[str]:
    """The words with the name of each flag of `flags` repeated before each of its values. `with_value`: every flag that takes a value, so
    that a value is not taken for an argument."""
    spread_out: list[str] = []
    flag, is_value, has_argument = "", False, False
    for position, word in enumerate(words):
        if word == "--" and not is_value:
            return [*spread_out, *words[position:]]
        if is_value:
            is_value = False
        elif word.startswith("-") and word != "-":
            flag = word if word in flags else ""
            is_value = word in with_value
        elif flag and flags[flag](word, has_argument):
            spread_out.append(flag)
        else:
            flag, has_argument = "", True
        spread_out.append(word)
    return spread_out
