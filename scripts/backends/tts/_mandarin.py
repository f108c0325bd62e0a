"""Mandarin text to the phonemes that Kokoro was trained on: IPA with arrows for the four tones.

The phoneme set is that of Kokoro's model card (its Mandarin voices, v1.0); pypinyin (MIT) provides
the readings of characters, cn2an (MIT) writes out numbers. espeak-ng's own Mandarin uses another
phoneme set, which is unintelligible when Kokoro speaks it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

INITIALS = {
    "b": "p", "p": "pʰ", "m": "m", "f": "f", "d": "t", "t": "tʰ", "n": "n", "l": "l",
    "g": "k", "k": "kʰ", "h": "x", "j": "ʨ", "q": "ʨʰ", "x": "ɕ", "zh": "ꭧ", "ch": "ꭧʰ",
    "sh": "ʂ", "r": "ɻ", "z": "ʦ", "c": "ʦʰ", "s": "s", "": "",
}  # fmt: skip
FINALS = {  # 0 marks the position of the tone
    "a": "a0", "ai": "ai0", "an": "a0n", "ang": "a0ŋ", "ao": "au0", "e": "ɤ0", "ei": "ei0",
    "en": "ə0n", "eng": "ə0ŋ", "i": "i0", "ia": "ja0", "ian": "jɛ0n", "iang": "ja0ŋ",
    "iao": "jau0", "ie": "je0", "in": "i0n", "iou": "jou0", "ing": "i0ŋ", "iong": "jʊ0ŋ",
    "ong": "ʊ0ŋ", "ou": "ou0", "u": "u0", "uei": "wei0", "ua": "wa0", "uai": "wai0",
    "uan": "wa0n", "uen": "wə0n", "uang": "wa0ŋ", "ueng": "wə0ŋ", "uo": "wo0", "o": "wo0",
    "ü": "y0", "üe": "ɥe0", "üan": "ɥɛ0n", "ün": "y0n", "er": "ɚ0", "ê": "ɛ0", "io": "jɔ0",
}  # fmt: skip
HUMMED = {"m": "m0", "n": "n0", "ng": "ŋ0", "hm": "hm0", "hng": "hŋ0"}
TONES = {"1": "→", "2": "↗", "3": "↓", "4": "↘", "5": ""}
AFTER_SIBILANT = {"zh", "ch", "sh", "r", "z", "c", "s"}  # their i is a different vowel
PUNCTUATION = str.maketrans(
    {
        "，": ", ", "、": ", ", "。": ". ", "．": ". ", "！": "! ", "？": "? ", "：": ": ",
        "；": "; ", "（": " (", "）": ") ", "《": " “", "》": "” ", "「": " “", "」": "” ",
        "【": " “", "】": "” ", "—": "— ",
    }
)  # fmt: skip
HAN = "\u4e00-\u9fff"
RUNS = re.compile(f"[{HAN}]+|[A-Za-z][A-Za-z' -]*|[^{HAN}A-Za-z]+")


def phonemes(text: str, english: Callable[[str], str]) -> str:
    """Phonemes of Chinese `text`; Latin letters are passed to `english`, a function of text.

    Digits are read as a number; other symbols are kept unchanged.
    """
    import cn2an
    from pypinyin.seg import mmseg

    spoken = cn2an.transform(text, "an2cn").translate(PUNCTUATION)
    parts = []
    for run in RUNS.findall(spoken):
        if re.match(f"[{HAN}]", run):
            parts.append(" ".join(map(word, mmseg.seg.cut(run))))
        elif run[0].isascii() and run[0].isalpha():
            parts.append(f" {english(run)} ")
        else:
            parts.append(run)
    return " ".join("".join(parts).split())


def word(characters: str) -> str:
    """Phonemes of a word in Chinese characters; those without a known reading are omitted."""
    from pypinyin import Style, lazy_pinyin

    def read(style) -> list[str]:
        return lazy_pinyin(
            characters, style=style, neutral_tone_with_five=True, v_to_u=True, errors="ignore"
        )

    syllables = zip(read(Style.INITIALS), read(Style.FINALS_TONE3), read(Style.TONE3), strict=True)
    return "".join(syllable(*parts) for parts in syllables)


def syllable(initial: str, final: str, whole: str) -> str:
    """One syllable from its pinyin: ("zh", "ong1", "zhong1") -> "ꭧʊ→ŋ"."""
    sound, tone = whole[:-1], TONES[whole[-1]]
    if sound in HUMMED:
        return HUMMED[sound].replace("0", tone)
    if final[:-1] == "i" and initial in AFTER_SIBILANT:
        return INITIALS[initial] + "ɨ" + tone
    if sound == "o":
        return "ɔ" + tone
    return INITIALS[initial] + FINALS[final[:-1]].replace("0", tone)
