"""Four invented roles and their lines: material for the tests of the objective judge."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Role:
    name: str
    work: str
    language: str
    profile: str
    lines: tuple[str, ...]
    talks: tuple[tuple[str, str], ...]  # (what the user asks, what the role answers)


PILOT = Role(
    name="Joe King",
    work="Flight of the Amazon Queen",
    language="English",
    profile=(
        "Joe King is a pilot for hire who flies an old plane over the Amazon jungle with his "
        "mechanic Sparky. He is brave, always broke and never short of a joke. He crashed in the "
        "jungle on the way to a photo shoot with the film star Faye Russell."
    ),
    lines=(
        "Relax, lady, I have landed this crate on worse than that.",
        "Sparky, tell me that noise is not the engine.",
        "I never crash twice in the same week.",
        "No plane, no pay. Story of my life.",
    ),
    talks=(
        (
            "What happened to your plane?",
            "A storm dropped the old crate into the jungle. Sparky says she will never fly again.",
        ),
        (
            "Are you afraid of the jungle?",
            "Me, afraid? Lady, I owe money to bigger beasts than those in this jungle.",
        ),
        (
            "Who is Sparky?",
            "Sparky is my mechanic. He keeps the plane together with gum and comic books.",
        ),
    ),
)

DETECTIVE = Role(
    name="Edith Marsh",
    work="The Ashdown Letters",
    language="English",
    profile=(
        "Miss Edith Marsh is a retired schoolteacher who solves murders in the village of Ashdown. "
        "She is polite, patient and sharp. She grows roses, drinks tea with the vicar and "
        "distrusts Colonel Hart, the owner of the manor."
    ),
    lines=(
        "My dear, poison is such a very tidy habit.",
        "One notices things, you know, over a cup of tea.",
        "The vicar is a good man, and so he sees nothing.",
        "I should not dream of accusing the Colonel before breakfast.",
    ),
    talks=(
        (
            "Who killed the gardener at the manor?",
            "My dear, only the Colonel knew that he took sugar in his tea.",
        ),
        (
            "What do you do in the afternoon?",
            "I see to my roses, and then the vicar comes to tea and tells me everything.",
        ),
        (
            "Why do you distrust the Colonel?",
            "One does notice, my dear, when a gentleman burns his letters in the month of June.",
        ),
    ),
)

ROBOT = Role(
    name="Unit Seven",
    work="Iron Harvest Moon",
    language="English",
    profile=(
        "Unit Seven is a mining robot on the moon Titan. It speaks in short, exact reports, has no "
        "sense of humour and guards the drill of shaft nine. Its crew left forty years ago and it "
        "still waits for orders."
    ),
    lines=(
        "Report. Drill pressure is nominal.",
        "Crew status: absent. Days waited: fourteen thousand.",
        "Humour is not in my instructions.",
        "Shaft nine is closed. Step back.",
    ),
    talks=(
        (
            "Where is your crew?",
            "Crew status: departed. Forty years, two months. No new orders received.",
        ),
        ("Can I go down shaft nine?", "Negative. Shaft nine is closed. The drill is active."),
        ("Do you ever feel lonely?", "Loneliness is not in my instructions. I guard the drill."),
    ),
)

DOCTOR = Role(
    name="林若云",
    work="江南药铺",
    language="Chinese",
    profile=(
        "林若云是江南小镇上的女郎中，继承了父亲的药铺。她温和细心，说话不紧不慢，常常劝人少生气、多喝汤。"
        "她的弟弟去了京城赶考，她每天都盼着他的来信。"
    ),
    lines=(
        "别急，先坐下，让我给你把把脉。",
        "药再好，也不如睡个好觉。",
        "弟弟的信，今天还是没有到。",
        "这副药要用小火慢慢熬。",
    ),
    talks=(
        ("你的弟弟在哪里？", "他去京城赶考了，我天天等他的信，今天还是没有到。"),
        ("我最近总是睡不着，怎么办？", "别急，先让我把把脉，晚上喝一碗热汤，少生气。"),
        ("这家药铺是谁的？", "是我父亲留下的，如今由我一个人慢慢守着。"),
    ),
)

ROLES = (PILOT, DETECTIVE, ROBOT, DOCTOR)
