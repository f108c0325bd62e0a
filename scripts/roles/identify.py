"""Finds out which role each diarized speaker is, by two language models (paper, section 3.2).

The paper asks GPT-4.1 and DeepSeek-V3 for the name. Services are asked the same way here: they read
the scene around a speaker's lines and choose among the work's cast and "somebody else", which takes
its share of the probability.

Small models, when asked, confuse the name of the person addressed with the speaker's own. So a
model that can score texts (`score`) is not asked but told "Speaker A is Joe", once for each name of
the cast; the likelihood of the lines around Speaker A given that is the name's score (a noisy
channel: Bayes' rule with equal priors; Min et al., ACL 2022, arXiv 2108.04106). All names score the
same text, so the length and rarity of a name do not matter. As this is expensive, each model after
the first scores only the few names that the earlier models rank highest for a speaker: list the
smallest model first.

Speakers and names are matched one to one to maximise the sum of log-probabilities (linear sum
assignment), as two speakers of one medium are two people; with more speakers than names, those most
likely to be somebody else get none. The mean over the models decides. Nothing here is final before
people have looked: `verify` applies their decisions.
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
    `tables` of earlier models rank highest for each speaker."""
    if not tables:
        return [np.ones((len(scene.speakers), len(scene.cast)), bool) for scene in scenes]
    means = [np.mean(own, axis=0) for own in zip(*tables, strict=True)]
    # The rank of each name for its speaker, 0 the most likely.
    return [np.argsort(np.argsort(-mean, kind="stable")) < SHORTLIST for mean in means]


def likelihoods(
    model: ScoringLlm, prompts: dict[str, Prompt], scenes: list[Scene], shortlist: list[np.ndarray]
) -> list[np.ndarray]:
    """Log-probability of each name for each speaker, (speakers, cast) a scene; probabilities of a
    row sum to 1. A name outside `shortlist`, bool of the same shape, gets the lowest value within
    it. All prompts go to the model in one call, which reads shared prefixes once."""
    pairs = [
        pair
        for scene, mask in zip(scenes, shortlist, strict=True)
        for pair in hypotheses(prompts[scene.medium.language], scene, mask)
    ]
    scores = iter([score.logprob for score in model.score(pairs)])
    tables = []
    for mask in shortlist:
        table = np.full(mask.shape, np.inf)
        table[mask] = [next(scores) for _ in range(mask.sum())]
        table = np.where(mask, table, table.min(axis=1, keepdims=True))
        tables.append(table - np.logaddexp.reduce(table, axis=1, keepdims=True))
    return tables


def hypotheses(prompt: Prompt, scene: Scene, shortlist: np.ndarray) -> list[tuple[Chat, str]]:
    """(chat, continuation) of each speaker with each name in `shortlist`, bool (speakers, cast)."""
    language = scene.medium.language
    letters = {name: letter(number) for number, name in enumerate(scene.speakers)}
    names = [role["name"] for role in scene.cast]
    cast = COMMA[language].join(names)
    pairs = []
    for speaker, wanted in zip(scene.speakers, shortlist, strict=True):
        lines = telling(scene, speaker, names)
        # Empty if nothing was recognised: all names are then equally likely.
        said = "\n".join(LABEL[language].format(letters[who], text) for who, text in lines)
        places = {"work": scene.medium.work, "cast": cast, "speaker": letters[speaker]}
        pairs += [
            (prompt.chat(**places, name=name), said)
            for name, wants in zip(names, wanted, strict=True)
            if wants
        ]
    return pairs


def choices(
    model: ChoosingLlm, prompts: dict[str, Prompt], scenes: list[Scene]
) -> list[np.ndarray]:
    """Log-probability of each name as the model's answer for each speaker, (speakers, cast) a
    scene; rows sum to 1 less the share of somebody else. All names are equally likely for a speaker
    without recognised lines and if the model gives no answer."""
    return [
        chosen(model, prompts[scene.medium.language], scene)
        for scene in progress(scenes, len(scenes), f"identify with {model.name}")
    ]


def chosen(model: ChoosingLlm, prompt: Prompt, scene: Scene) -> np.ndarray:
    """The table of `choices` of one scene."""
    language = scene.medium.language
    names = [role["name"] for role in scene.cast]
    table = np.full((len(scene.speakers), len(names)), -np.log(len(names)))
    heard = {speaker for speaker, _, _ in scene.lines}
    numbers = [number for number, speaker in enumerate(scene.speakers) if speaker in heard]
    places = {"work": scene.medium.work, "cast": COMMA[language].join(names)}
    chats = [
        prompt.chat(**places, speaker=str(number + 1), lines=stretch(scene, scene.speakers[number]))
        for number in numbers
    ]
    found = model.choose(chats, [*names, SOMEBODY[language]])
    for number, row in zip(numbers, found, strict=True):
        if row is not None:
            table[number] = row[:-1]
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
    joint = matched(np.mean(tables, axis=0))
    own = [matched(table) for table in tables]
    rows = []
    for number, speaker in enumerate(scene.speakers):
        votes = []
        for model, table, match in zip(models, tables, own, strict=True):
            shares = dict(zip(ids, softmax(table[number]), strict=True))
            choice = match.get(number, int(table[number].argmax()))
            votes.append(Vote(model=model, role=ids[choice], scores=shares))
        role = ids[joint[number]] if number in joint else None
        rows.append(
            Identity(
                media=scene.medium.id,
                speaker=speaker,
                work=scene.medium.work,
                candidates=ids,
                votes=votes,
                agreed=len({vote.role for vote in votes}) == 1,
                role=role,
                seconds=scene.seconds[speaker],
                evidence=quotes(scene, speaker),
            )
        )
    return rows


def matched(table: np.ndarray) -> dict[int, int]:
    """Speaker number -> role number, one to one; with more speakers than roles some have none."""
    speakers, roles = linear_sum_assignment(table, maximize=True)
    return {int(s): int(r) for s, r in zip(speakers, roles, strict=True)}


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
