"""Whisper by Hugging Face transformers, English and Chinese.

Radford et al., 2022. Sources: https://huggingface.co/openai/whisper-large-v3-turbo (MIT), the
recogniser of the paper's cascades; https://huggingface.co/openai/whisper-large-v3 and
https://huggingface.co/openai/whisper-medium (Apache-2.0). For the corpus the paper names
`whisper-medium-v3`, which does not exist (medium has no version 3): it means either whisper-medium
or whisper-large-v3. Any multilingual Whisper in this layout works; an English-only one for English.

Needs torch, transformers and opencc-python-reimplemented; turbo takes 2 GB of GPU memory, large 4.
float16 on a GPU, float32 on the CPU. Options: `weights`, `device`, `batch` (clips per batch) and
`word_times` (bool: start and end of each word, from the cross-attention; several times slower).

Clips of up to 30 s are transcribed in batches by greedy decoding. A clip without speech, by
Whisper's own test, gets no text; one whose text repeats itself is decoded again with five beams.
Longer clips go through Whisper's own long form, window by window, without the previous text as a
prompt. Unlike the original: no temperature fallback after a failed attempt, and a detected language
is the likelier of English and Chinese. In float16 the rest of the batch may change a word.
"""

from __future__ import annotations

import zlib
from dataclasses import replace
from functools import partial

import numpy as np

from scripts.backends.asr import RATE, AsrBackend, Transcription, Word, audible, ideograph, speaks
from scripts.common.job import made

ENV = "torch"
GPU = True

LANGUAGES = {"English": "en", "Chinese": "zh"}
WINDOW = 30 * RATE  # samples of Whisper's input
NO_SPEECH, UNLIKELY, REPEATING = 0.6, -1.0, 2.4  # Whisper's own thresholds
BEAMS = 5  # for the second attempt


def load(
    weights: str = "whisper-large-v3-turbo",
    device: str = "cuda",
    batch: int = 16,
    word_times: bool = False,
) -> AsrBackend:
    """Load weights/<weights>/; see the docstring of this file for the options."""
    from scripts.backends.device import opened

    with opened("asr/whisper", weights, device) as home:
        import torch
        from transformers import (
            WhisperFeatureExtractor,
            WhisperForConditionalGeneration,
            WhisperTokenizer,
        )

        extractor = WhisperFeatureExtractor.from_pretrained(home, local_files_only=True)
        tokenizer = WhisperTokenizer.from_pretrained(home, local_files_only=True)
        net, found = WhisperForConditionalGeneration.from_pretrained(
            home,
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.float32 if device == "cpu" else torch.float16,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # reported below, instead of in a printed table
        )
        if found["missing_keys"]:
            raise ValueError(f"it lacks {sorted(found['missing_keys'])[:3]}")
        if found["mismatched_keys"]:
            raise ValueError(f"of another shape: {sorted(found['mismatched_keys'])[:3]}")
        if word_times and not getattr(net.generation_config, "alignment_heads", None):
            raise ValueError("its generation_config.json has no alignment_heads for word_times")
    return Whisper(weights, net.eval().to(device), extractor, tokenizer, batch, word_times)


class Whisper:
    """See the contract in scripts/backends/asr/__init__.py."""

    def __init__(self, name, net, extractor, tokenizer, batch: int, word_times: bool):
        from opencc import OpenCC

        self.name, self.net = name, net
        self.extractor, self.tokenizer = extractor, tokenizer
        self.batch, self.word_times = batch, word_times
        self.simplify = OpenCC("t2s").convert
        settings = net.generation_config
        marks = getattr(settings, "lang_to_id", {})
        # An English-only Whisper has no language tokens.
        self.marks = {
            name: marks[f"<|{code}|>"] for name, code in LANGUAGES.items() if f"<|{code}|>" in marks
        }
        self.languages = list(self.marks) or ["English"]
        self.silence = settings.no_timestamps_token_id - 1  # the <|nospeech|> token

    def transcribe(
        self,
        clips: list[np.ndarray],
        language: str | None = None,
    ) -> list[Transcription]:
        """Text of each (n,) float32 clip and its language; see the contract."""
        import torch

        from scripts.backends.device import in_batches

        speaks(f"asr/whisper with {self.name}", language, self.languages)
        heard = [i for i, clip in enumerate(clips) if audible(clip)]
        results = [self.result([], language or self.languages[0], 0.0) for _ in clips]
        with torch.inference_mode():
            for work, chosen in (
                (self.long, [i for i in heard if len(clips[i]) > WINDOW]),
                (self.short, [i for i in heard if len(clips[i]) <= WINDOW]),
            ):
                found = in_batches(
                    partial(work, language=language),
                    [clips[i] for i in chosen],
                    self.batch,
                    len,
                    f"clips heard by {self.name}",
                    partial(self.tell, chosen),
                )
                for i, result in zip(chosen, found, strict=True):
                    results[i] = result
        return results

    def tell(self, chosen: list[int], number: int, result: Transcription) -> None:
        made(self, "transcribe", chosen[number], result)

    def short(self, clips: list[np.ndarray], language: str | None) -> list[Transcription]:
        """Transcribe clips of up to one window; the encoder runs once per batch."""
        import torch

        # One by one: a batch of spectra exceeds a CPU's cache and takes three times as long.
        parts = [self.features([clip], padding="max_length") for clip in clips]
        features, mask = map(torch.cat, zip(*parts, strict=True))
        encoded = self.net.model.encoder(features).last_hidden_state
        languages, silence = self.begin(encoded, language)
        found = self.generate(languages, mask, encoded)
        for i, segments in enumerate(found):
            tokens = [token for segment in segments for token in self.spoken(segment)]
            likely = silence[i] <= NO_SPEECH or (
                self.likelihood(encoded[i], languages[i], tokens) >= UNLIKELY
            )
            if not likely:
                found[i] = []
            elif repeats(self.tokenizer.decode(tokens)):
                one = slice(i, i + 1)
                again = self.generate(languages[one], mask[one], encoded[one], num_beams=BEAMS)
                found[i] = again[0]
        return self.results(found, languages, clips)

    def long(self, clips: list[np.ndarray], language: str | None) -> list[Transcription]:
        """Transcribe clips of more than one window; windows without speech are skipped."""
        features, mask = self.features(clips, padding="longest", truncation=False)
        encoded = self.net.model.encoder(features[:, :, : self.extractor.nb_max_frames])
        languages, _ = self.begin(encoded.last_hidden_state, language)
        found = self.generate(
            languages,
            mask,
            input_features=features,
            condition_on_prev_tokens=False,
            no_speech_threshold=NO_SPEECH,
            logprob_threshold=UNLIKELY,
        )
        return self.results(found, languages, clips)

    def features(self, clips: list[np.ndarray], **padding):
        """Log mel spectrograms (clips, mels, frames) and their padding masks (clips, frames)."""
        found = self.extractor(
            clips,
            sampling_rate=RATE,
            return_attention_mask=True,
            return_tensors="pt",
            device=str(self.net.device),
            **padding,
        ).to(self.net.device)
        return found.input_features.to(self.net.dtype), found.attention_mask

    def begin(self, encoded, language: str | None) -> tuple[list[str], list[float]]:
        """Each clip's language and the probability of no speech, from the first token's logits."""
        import torch

        start = torch.full((len(encoded), 1), self.net.generation_config.decoder_start_token_id)
        logits = self.net(
            encoder_outputs=(encoded,), decoder_input_ids=start.to(encoded.device), use_cache=False
        ).logits[:, -1]
        silence = logits.float().softmax(-1)[:, self.silence].tolist()
        if language or not self.marks:
            return [language or self.languages[0]] * len(encoded), silence
        best = logits[:, list(self.marks.values())].argmax(-1)
        return [self.languages[i] for i in best.tolist()], silence

    def generate(self, languages: list[str], mask, encoded=None, **inputs) -> list[list[dict]]:
        """Each clip's segments, as returned by transformers' Whisper (see its `generate`)."""
        from transformers.modeling_outputs import BaseModelOutput

        if encoded is not None:
            inputs["encoder_outputs"] = BaseModelOutput(encoded)
        prompt = {}
        if self.marks:
            codes = [LANGUAGES[language] for language in languages]
            prompt = {"language": codes, "task": "transcribe"}
        return self.net.generate(
            attention_mask=mask,
            return_timestamps=encoded is None,  # needed by the long form
            return_segments=True,
            return_token_timestamps=self.word_times,
            temperature=0.0,
            **prompt,
            **inputs,
        )["segments"]

    def spoken(self, segment: dict) -> list[int]:
        """The text tokens of a segment."""
        end = self.net.generation_config.eos_token_id
        return [token for token in segment["tokens"].tolist() if token < end]

    def likelihood(self, encoded, language: str, tokens: list[int]) -> float:
        """Mean log-probability of the tokens of a clip's text."""
        import torch

        settings = self.net.generation_config
        prompt = [settings.decoder_start_token_id]
        if self.marks:
            prompt += [self.marks[language], settings.task_to_id["transcribe"]]
        prompt.append(settings.no_timestamps_token_id)
        ids = torch.tensor([[*prompt, *tokens, settings.eos_token_id]], device=encoded.device)
        logits = self.net(encoder_outputs=(encoded[None],), decoder_input_ids=ids[:, :-1]).logits
        wanted = ids[:, len(prompt) :]
        scores = logits[:, len(prompt) - 1 :].float().log_softmax(-1)
        return float(scores.gather(-1, wanted[..., None]).mean())

    def results(self, found, languages: list[str], clips: list[np.ndarray]) -> list[Transcription]:
        return [
            self.result(segments, language, len(clip) / RATE)
            for segments, language, clip in zip(found, languages, clips, strict=True)
        ]

    def result(self, segments: list[dict], language: str, seconds: float) -> Transcription:
        tokens = [token for segment in segments for token in self.spoken(segment)]
        plain = self.simplify if language == "Chinese" else str
        text = plain(self.tokenizer.decode(tokens).strip()) if tokens else ""
        if not self.word_times:
            return Transcription(text, language)
        words = [word for segment in segments for word in self.words(segment, seconds)]
        return Transcription(text, language, [replace(w, word=plain(w.word)) for w in words])

    def words(self, segment: dict, seconds: float) -> list[Word]:
        """The words of a segment; a token's timestamp is its end."""
        end = self.net.generation_config.eos_token_id
        found: list[Word] = []
        part: list[int] = []
        start = min(round(float(segment["start"]), 2), seconds)
        for token, time in zip(
            segment["tokens"].tolist(), segment["token_timestamps"].tolist(), strict=True
        ):
            stop = max(start, min(round(time, 2), seconds))
            if token < end:
                part.append(token)
                text = self.tokenizer.decode(part)
                if text.endswith("\ufffd") or text.isspace():
                    continue  # the next token continues the character or the word
                if found and not begins(text, found[-1].word):
                    found[-1] = replace(found[-1], word=found[-1].word + text.strip(), end=stop)
                else:
                    found.append(Word(text.strip(), start, stop))
                part = []
            start = stop
        return found


def begins(text: str, before: str) -> bool:
    """Whether a token's text begins a new word after the word `before`."""
    if not any(letter.isalnum() for letter in text):
        return False  # punctuation belongs to the word before
    return text[0].isspace() or ideograph(text[0]) or ideograph(before[0])


def repeats(text: str) -> bool:
    """Whisper's own test for a repetitive text."""
    written = text.encode()
    return len(written) > REPEATING * len(zlib.compress(written))
