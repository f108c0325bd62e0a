"""Finds out which role each diarized speaker is, by two language models (paper, section 3.2).

The paper asks GPT-4.1 and DeepSeek-V3 for the name. Services are asked the same way here: they read
the scene around a speaker's lines and choose among the work's cast and "somebody else".

Small models, when asked, confuse the name of the person addressed with the speaker's own. So a
model that can score texts (`score`) is not asked but told "Speaker A is Joe", once for each name of
the cast and for "somebody else"; the likelihood of the lines around Speaker A given that is the
name's score (a noisy channel: Bayes' rule with equal priors; Min et al., ACL 2022, arXiv
2108.04106). All score the same text, so the length and rarity of a name do not matter. As this is
expensive, each model after the first scores only the few names that the earlier models rank highest
for a speaker: list the smallest model first.

A probability is only worth something beside that of somebody else: over the cast alone, a cast of
one would be certain of everybody. So what counts are a name's log-odds against somebody else.
Speakers and names are matched one to one to maximise the sum of the models' mean log-odds (linear
sum assignment), as two speakers of one medium are two people. How likely a model finds lines of
"somebody else" depends on how it takes those words, so that the two sides are not on quite the same
scale. Hence a speaker matched with a name goes without it only if no model finds it likelier than
somebody else: people look at every proposal, and a wrong one costs them less than a missing one.
Nothing here is final before they have looked: `verify` applies their decisions.
"""

from collections import defaultdict
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from scripts import backends
from scripts.backends.llm import ChoosingLlm, LlmBackend, ScoringLlm, chooses, scores
from scripts.common.progress import progress
from scripts.common.prompts import Chat, Prompt, read_prompt
from scripts.rows.corpus import Recording, Segment, Transcript, Turn
from scripts.rows.jsonl import read_all, write_rows
from scripts.rows.roles import Evidence, Identity, Vote
from scripts.workflow import stage
from scripts.workflow.model_spec import ModelSpec

PLACES = {"work", "cast", "speaker", "name"}
ASKED_PLACES = {"work", "cast", "speaker", "lines"}
LINES = 6  # scored for each speaker and name: the cost of this stage is proportional
LONGEST = 110  # characters of a line
SHORTLIST = 3  # names that a second model scores for a speaker
QUOTES = 3  # of a speaker, as evidence for people
LABEL = {"English": "Speaker {}: {}", "Chinese": "说话人{}：{}"}
SHOWN = 6000  # characters of a scene shown to a model
SOMEBODY = {"English": "somebody else", "Chinese": "其他人"}
COMMA = {"English": ", ", "Chinese": "、"}


class Scene:
    """One medium: its speakers by first appearance, and its lines as (speaker, segment, text)."""

    def __init__(self, medium: Recording, cast: list[dict], turns: list[Turn], lines: list):
        self.medium, self.cast, self.lines = medium, cast, lines
        self.seconds: dict[str, float] = defaultdict(float)
        for turn in sorted(turns, key=lambda turn: turn.start):
            self.seconds[turn.speaker] += turn.end - turn.start
        self.speakers = list(self.seconds)


def identify(
    recordings: list[Path],
    turns: list[Path],
    segments: list[Path],
    transcripts: list[Path],
    english: Path,
    chinese: Path,
    choice_english: Path,
    choice_chinese: Path,
    identities: Path,
    llms: list[ModelSpec],
    roles: list[dict],
) -> None:
    """Write one `Identity` for each speaker of a medium whose work has roles, by medium; none
    without models.

    recordings ... are lists in the same order of batches; roles are all rows of roles.tsv; english
    and chinese are prompt files for models that score, choice_english and choice_chinese for those
    that choose; llms are specs, loaded one after the other.
    """
    told = {"English": read_prompt(english, PLACES), "Chinese": read_prompt(chinese, PLACES)}
    choosing = {
        "English": read_prompt(choice_english, ASKED_PLACES),
        "Chinese": read_prompt(choice_chinese, ASKED_PLACES),
    }
    found = scenes(
        read_all(recordings, Recording),
        read_all(turns, Turn),
        read_all(segments, Segment),
        read_all(transcripts, Transcript),
        roles,
    )
    names: list[str] = []
    tables: list[list[np.ndarray]] = []
    for spec in llms if found else []:
        model: LlmBackend = backends.load(spec)
        names.append(model.name)
        if scores(model):
            tables.append(likelihoods(model, told, found, shortlists(found, tables)))
        elif chooses(model):
            tables.append(choices(model, choosing, found))
        del model
    rows = [
        row
        for number, scene in enumerate(found if tables else [])
        for row in decided(scene, names, [table[number] for table in tables])
    ]
    write_rows(identities, rows)


def scenes(
    recordings: list[Recording],
    turns: list[Turn],
    segments: list[Segment],
    transcripts: list[Transcript],
    roles: list[dict],
) -> list[Scene]:
    """The media with a cast and with speakers, by id."""
    text = {row.id: row.text for row in transcripts if row.text}
    lines, talk = defaultdict(list), defaultdict(list)
    for row in sorted(segments, key=lambda row: row.start):
        if row.id in text:
            lines[row.media].append((row.speaker, row, text[row.id]))
    for turn in turns:
        talk[turn.media].append(turn)
    found = []
    for medium in sorted(recordings, key=lambda row: row.id):
        cast = [role for role in roles if role["work"] == medium.work]
        if medium.work and cast and talk[medium.id]:
            found.append(Scene(medium, cast, talk[medium.id], lines[medium.id]))
    return found


def shortlists(scenes: list[Scene], tables: list[list[np.ndarray]]) -> list[np.ndarray]:
    """Which names a model scores, bool (speakers, cast) a scene: all, or the `SHORTLIST` that the
    `tables` of earlier models rank highest for each speaker. Somebody else is always scored."""
    if not tables:
        return [np.ones((len(scene.speakers), len(scene.cast)), bool) for scene in scenes]
    means = [np.mean(own, axis=0)[:, :-1] for own in zip(*tables, strict=True)]
    # The rank of each name for its speaker, 0 the most likely.
    return [np.argsort(np.argsort(-mean, kind="stable")) < SHORTLIST for mean in means]


def likelihoods(
    model: ScoringLlm, prompts: dict[str, Prompt], scenes: list[Scene], shortlist: list[np.ndarray]
) -> list[np.ndarray]:
    """Log-probability of each name and, last, of somebody else for each speaker, (speakers, cast +
    1) a scene; probabilities of a row sum to 1. A name outside `shortlist`, bool (speakers, cast),
    gets the lowest value of a name within it. All prompts go to the model in one call, which reads
    shared prefixes once."""
    pairs = [
        pair
        for scene, mask in zip(scenes, shortlist, strict=True)
        for pair in hypotheses(prompts[scene.medium.language], scene, mask)
    ]
    scores = iter([score.logprob for score in model.score(pairs)])
    tables = []
    for mask in shortlist:
        asked = with_somebody(mask)
        table = np.full(asked.shape, np.inf)
        table[asked] = [next(scores) for _ in range(asked.sum())]
        table = np.where(asked, table, table[:, :-1].min(axis=1, keepdims=True))
        tables.append(table - np.logaddexp.reduce(table, axis=1, keepdims=True))
    return tables


def with_somebody(shortlist: np.ndarray) -> np.ndarray:
    """The shortlist, bool (speakers, cast), with a last column for somebody else."""
    return np.pad(shortlist, ((0, 0), (0, 1)), constant_values=True)


def hypotheses(prompt: Prompt, scene: Scene, shortlist: np.ndarray) -> list[tuple[Chat, str]]:
    """(chat, continuation) of each speaker with each name in `shortlist`, bool (speakers, cast),
    and with somebody else."""
    language = scene.medium.language
    letters = {name: letter(number) for number, name in enumerate(scene.speakers)}
    names = [role["name"] for role in scene.cast]
    cast = COMMA[language].join(names)
    pairs = []
    for speaker, wanted in zip(scene.speakers, with_somebody(shortlist), strict=True):
        lines = telling(scene, speaker, names)
        # Empty if nothing was recognised: all names are then equally likely.
        said = "\n".join(LABEL[language].format(letters[who], text) for who, text in lines)
        places = {"work": scene.medium.work, "cast": cast, "speaker": letters[speaker]}
        pairs += [
            (prompt.chat(**places, name=name), said)
            for name, wants in zip([*names, SOMEBODY[language]], wanted, strict=True)
            if wants
        ]
    return pairs


def choices(
    model: ChoosingLlm, prompts: dict[str, Prompt], scenes: list[Scene]
) -> list[np.ndarray]:
    """Log-probability of each name and, last, of somebody else as the model's answer for each
    speaker, (speakers, cast + 1) a scene; probabilities of a row sum to 1. All are equally likely
    for a speaker without recognised lines and if the model gives no answer."""
    return [
        chosen(model, prompts[scene.medium.language], scene)
        for scene in progress(scenes, len(scenes), f"identify with {model.name}")
    ]


def chosen(model: ChoosingLlm, prompt: Prompt, scene: Scene) -> np.ndarray:
    """The table of `choices` of one scene."""
    language = scene.medium.language
    names = [role["name"] for role in scene.cast]
    options = [*names, SOMEBODY[language]]
    table = np.full((len(scene.speakers), len(options)), -np.log(len(options)))
    heard = {speaker for speaker, _, _ in scene.lines}
    numbers = [number for number, speaker in enumerate(scene.speakers) if speaker in heard]
    places = {"work": scene.medium.work, "cast": COMMA[language].join(names)}
    chats = [
        prompt.chat(**places, speaker=str(number + 1), lines=stretch(scene, scene.speakers[number]))
        for number in numbers
    ]
    found = model.choose(chats, options)
    for number, row in zip(numbers, found, strict=True):
        if row is not None:
            table[number] = row
    return table


def stretch(scene: Scene, speaker: str) -> str:
    """At most `SHOWN` characters of the scene, in order, with numbered speakers (the answers to
    choose from have letters); "..." marks omissions.

    Lines closer to one of the speaker's are preferred; of equally close ones, those with a name.
    """
    numbers = {name: number for number, name in enumerate(scene.speakers, 1)}
    label = LABEL[scene.medium.language]
    lines = [label.format(numbers[who], text) for who, _, text in scene.lines]
    own = np.array([i for i, (who, _, _) in enumerate(scene.lines) if who == speaker])
    names = [role["name"] for role in scene.cast]

    def worth(i: int) -> tuple[int, bool, int]:
        return int(np.abs(own - i).min()), not any(name in lines[i] for name in names), i

    left = SHOWN
    chosen: list[int] = []
    for i in sorted(range(len(lines)), key=worth):
        left -= len(lines[i]) + 5  # with a line break and an omission mark
        if left < 0 and chosen:
            break
        chosen.append(i)
    chosen.sort()
    gaps = {i for before, i in zip([-1, *chosen], chosen, strict=False) if i != before + 1}
    shown = [f"...\n{lines[i]}" if i in gaps else lines[i] for i in chosen]
    return "\n".join(shown)[:SHOWN]


def telling(scene: Scene, speaker: str, names: list[str]) -> list[tuple[str, str]]:
    """At most `LINES` lines that the speaker says, replies to or is replied to by, in order.

    Lines with a name are preferred, each with the lines before and after it.
    """
    lines = [(who, text[:LONGEST]) for who, _, text in scene.lines]
    near = {
        j
        for i, (who, _) in enumerate(lines)
        if who == speaker
        for j in (i - 1, i, i + 1)
        if 0 <= j < len(lines)
    }
    named = [i for i in sorted(near) if any(name in lines[i][1] for name in names)]
    around = [j for i in named for j in (i, i - 1, i + 1) if j in near]
    chosen = list(dict.fromkeys([*around, *sorted(near)]))[:LINES]
    return [lines[i] for i in sorted(chosen)]


def decided(scene: Scene, models: list[str], tables: list[np.ndarray]) -> list[Identity]:
    """The rows of one medium from one table of log-probabilities a model."""
    ids = [role["role"] for role in scene.cast]
    joint = matched(tables)
    own = [matched([table]) for table in tables]
    rows = []
    for number, speaker in enumerate(scene.speakers):
        votes = [
            vote(model, ids, table[number], match.get(number))
            for model, table, match in zip(models, tables, own, strict=True)
        ]
        rows.append(
            Identity(
                media=scene.medium.id,
                speaker=speaker,
                work=scene.medium.work,
                candidates=ids,
                votes=votes,
                agreed=len({vote.role for vote in votes}) == 1,
                role=ids[joint[number]] if number in joint else None,
                seconds=scene.seconds[speaker],
                evidence=quotes(scene, speaker),
            )
        )
    return rows


def vote(model: str, ids: list[str], row: np.ndarray, match: int | None) -> Vote:
    """One model's vote on a speaker from its log-probabilities (cast + 1,): the name that it was
    matched with, else the likeliest of all names and somebody else (of equals: somebody else)."""
    *scores, somebody_else = softmax(row)
    if match is None and row[:-1].max() > row[-1]:
        match = int(row[:-1].argmax())
    return Vote(
        model=model,
        role=None if match is None else ids[match],
        scores=dict(zip(ids, scores, strict=True)),
        somebody_else=somebody_else,
    )


def matched(tables: list[np.ndarray]) -> dict[int, int]:
    """Speaker number -> role number, one to one, from the tables (speakers, cast + 1) of models.

    Speakers have no role if there are more of them than roles, and if no model finds the role that
    is left for them likelier than somebody else.
    """
    odds = np.stack([table[:, :-1] - table[:, -1:] for table in tables])
    speakers, roles = linear_sum_assignment(odds.mean(axis=0), maximize=True)
    return {int(s): int(r) for s, r in zip(speakers, roles, strict=True) if odds[:, s, r].max() > 0}


def softmax(row: np.ndarray) -> list[float]:
    """Probabilities, rounded to 4 decimals."""
    weights = np.exp(row - row.max())
    return [round(float(value), 4) for value in weights / weights.sum()]


def quotes(scene: Scene, speaker: str) -> list[Evidence]:
    """The speaker's longest lines, clips first, so that a person can listen to the speaker."""
    mine = [(row, text) for name, row, text in scene.lines if name == speaker]
    mine.sort(key=lambda pair: (pair[0].dropped is not None, -len(pair[1]), pair[0].start))
    return [
        Evidence(media=row.media, start=row.start, end=row.end, text=text)
        for row, text in mine[:QUOTES]
    ]


def letter(number: int) -> str:
    """A, B ... Z, A1, B1 ..."""
    turn, place = divmod(number, 26)
    return chr(ord("A") + place) + (str(turn) if turn else "")


if __name__ == "__main__":
    stage.run(identify, globals().get("snakemake"))
