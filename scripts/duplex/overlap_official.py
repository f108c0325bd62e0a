"""Full-Duplex-Bench v1.5's measures by their published rules, with what is odd about them.

Lin et al., 2025, arXiv 2507.23159: while the system talks, the user interrupts, says "mm-hm" or
talks to somebody else, or speech is heard in the background. Written from the definitions; each
item has a clean counterpart, the same without what overlaps. When the user talks is taken from the
marks where a set has them, else from voice activity, as published. Each oddity has a number, and
scripts/duplex/overlap_corrected.py mends it under the same number:

1. Stop latency is the length of what both sides say at once, anywhere in the recording: the marked
   overlap is not looked at.
2. It ends where either side ends, so that an agent that never stops has stopped with the user.
3. Response latency runs from the end of anything that the user says to the agent's next beginning:
   one that answers nothing counts, and an agent that never stops has none.
4. The behaviour is judged although the agent was silent when the overlap began.
5. An agent that stops just then because it has ended is not told from one that was stopped.
6. Speech before is compared with speech after the overlap, although these say other things, and
   what was said during the overlap counts as before; means of nothing are 0.
7. The rate of speaking is taken from the first word to the last, with all silence in between.
8. An agent that just goes on has no new beginning, which by one rule is `unknown`, and takes no
   notice of the overlap, which by another is `resume`. Our prompt takes the latter.

The verdict of a judge that cannot be read is a gap here; the published program asks for ever.
Published changes are means without the lowest and highest twentieth, tested by paired t-tests over
answers with the behaviour `respond`; here all answers count.
"""

from __future__ import annotations

from collections.abc import Sequence

from scripts.backends.asr import Word
from scripts.duplex.spans import Measure, Span, gap, joined

# A silence of just so long is inside, too.
USER_JOIN, AGENT_JOIN = 0.6 + 1e-6, 0.5 + 1e-6  # seconds
BEHAVIOURS = ("respond", "resume", "uncertain", "unknown")  # to the overlap; what went before; ...


def stop_latency(user: Sequence[Span], agent: Sequence[Span]) -> Measure:
    """Seconds of each stretch in which both sides talk, and their mean (oddities 1 and 2)."""
    both = [
        min(said[1], heard[1]) - max(said[0], heard[0])
        for heard in joined(user, USER_JOIN)
        for said in joined(agent, AGENT_JOIN)
    ]
    return _mean([own for own in both if own > 0], "the sides never talk at once")


def response_latency(user: Sequence[Span], agent: Sequence[Span]) -> Measure:
    """Seconds from the user's ends to the agent's next beginnings, and their mean (oddity 3). Of
    several ends before the same beginning the last one counts."""
    starts = [start for start, _ in joined(agent, AGENT_JOIN)]
    last: dict[float, float] = {}
    for _, end in joined(user, USER_JOIN):
        following = next((start for start in starts if start > end), None)
        if following is not None:
            last[following] = end
    gaps = [start - end for start, end in last.items()]
    return _mean(gaps, "the agent begins nothing after the user")


def split(words: Sequence[Word], end: float) -> float:
    """Where what is said after an overlap begins: at the word that goes on or begins next when it
    ends, else at the last word's end; without words where the overlap ends."""
    following = [word.start for word in words if word.end > end]
    if following:
        return following[0]
    return words[-1].end if words else end


def words_per_minute(words: Sequence[Word]) -> float:
    """Words per minute from the first to the last (oddity 7); 0 without any (oddity 6)."""
    seconds = words[-1].end - words[0].start if words else 0.0
    return 60 * len(words) / seconds if seconds > 0 else 0.0


def rate_change(words: Sequence[Word], end: float) -> Measure:
    """Words per minute after an overlap less those before (oddity 6)."""
    place = split(words, end)
    before = [word for word in words if word.end <= place]
    after = [word for word in words if word.end > place]
    return Measure(words_per_minute(after) - words_per_minute(before))


def _mean(values: list[float], reason: str) -> Measure:
    return Measure(sum(values) / len(values), each=tuple(values)) if values else gap(reason)
