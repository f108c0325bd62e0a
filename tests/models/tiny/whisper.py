"""Whisper: an encoder and a decoder of some 100,000 weights, in the layout of transformers or of
CTranslate2, that output one English or one Chinese sentence for any input.

The encoder is random. The decoder is trained for a second or two, on outputs of that encoder and on
noise, to write its sentence after <|en|> or <|zh|>, with and without timestamps, and to label a hum
English and hiss Chinese. So each clip has a text that later stages can read.
"""

from __future__ import annotations

from pathlib import Path

MODELS = (
    "whisper-large-v3-turbo",
    "whisper-large-v3",
    "whisper-medium",
    "faster-whisper-large-v3",
)
ENGLISH = "I fly the old plane over the river."
CHINESE = "我驾驶旧飞机飞过河流。"
TIMES = [f"<|{0.02 * number:.2f}|>" for number in range(1501)]
HIDDEN, HEADS, POSITIONS = 64, 2, 448
STEPS = 220


def build(name: str, home: Path) -> None:
    """Write a tiny model of the layout into the empty folder `home`."""
    import tempfile

    import torch
    from ctranslate2.converters import TransformersConverter
    from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration

    converted = name.startswith("faster")
    torch.manual_seed(0)
    words = tokenizer()
    mels = 80 if name == "whisper-medium" else 128
    model = WhisperForConditionalGeneration(config(words, mels)).eval()
    hearing = WhisperFeatureExtractor(feature_size=mels)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # threads that wait for each other cost far more than they save
    teach(model, hearing, words)
    torch.set_num_threads(threads)
    model.generation_config = settings(words)
    with tempfile.TemporaryDirectory() as scratch:
        folder = scratch if converted else home
        for part in (model, words, hearing):
            part.save_pretrained(folder)
        if converted:
            files = ["tokenizer.json", "preprocessor_config.json"]
            converter = TransformersConverter(folder, copy_files=files)
            converter.convert(str(home), quantization="float16", force=True)


def tokenizer():
    """A byte-level tokenizer with merges for the two sentences and the published special tokens."""
    import json

    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, trainers
    from transformers import WhisperTokenizer
    from transformers.models.whisper.tokenization_whisper import LANGUAGES

    plain = Tokenizer(models.BPE())
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=320, initial_alphabet=letters, show_progress=False, min_frequency=1
    )
    plain.train_from_iterator([f" {ENGLISH}", CHINESE], trainer)
    marks = ["<|endoftext|>", "<|startoftranscript|>", *(f"<|{code}|>" for code in LANGUAGES)]
    marks += ["<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>"]
    marks += ["<|nospeech|>", "<|notimestamps|>"]
    vocabulary = plain.get_vocab()
    vocabulary[""] = len(vocabulary)  # by it CTranslate2 knows a multilingual vocabulary
    merges = [tuple(pair) for pair in json.loads(plain.to_str())["model"]["merges"]]
    words = WhisperTokenizer(
        vocab=vocabulary, merges=merges, pad_token="<|endoftext|>", unk_token="<|endoftext|>"
    )
    words.add_special_tokens({"additional_special_tokens": marks})
    words.add_tokens([AddedToken(time, special=False, normalized=False) for time in TIMES])
    return words


def config(words, mels: int):
    from transformers import WhisperConfig

    end, start = words.convert_tokens_to_ids(["<|endoftext|>", "<|startoftranscript|>"])
    return WhisperConfig(
        vocab_size=len(words),
        num_mel_bins=mels,
        d_model=HIDDEN,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=HEADS,
        decoder_attention_heads=HEADS,
        encoder_ffn_dim=HIDDEN,
        decoder_ffn_dim=2 * HIDDEN,
        max_target_positions=POSITIONS,
        decoder_start_token_id=start,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )


def settings(words):
    """The content of the published generation_config.json, with the ids of this vocabulary."""
    from transformers import GenerationConfig
    from transformers.models.whisper.tokenization_whisper import LANGUAGES

    number = words.convert_tokens_to_ids
    end = number("<|endoftext|>")
    return GenerationConfig(
        is_multilingual=True,
        lang_to_id={f"<|{code}|>": number(f"<|{code}|>") for code in LANGUAGES},
        task_to_id={task: number(f"<|{task}|>") for task in ("translate", "transcribe")},
        no_timestamps_token_id=number("<|notimestamps|>"),
        prev_sot_token_id=number("<|startofprev|>"),
        decoder_start_token_id=number("<|startoftranscript|>"),
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        max_initial_timestamp_index=50,
        max_length=POSITIONS,
        return_timestamps=False,
        suppress_tokens=[number(f"<|{mark}|>") for mark in ("translate", "transcribe")],
        begin_suppress_tokens=[number("Ġ"), end],
        alignment_heads=[[1, 0], [1, 1]],
        _from_model_config=False,
    )


def teach(model, hearing, words) -> None:
    """Train the decoder; the encoder keeps its initial weights."""
    import numpy as np
    import torch

    number = words.convert_tokens_to_ids
    start, end = number("<|startoftranscript|>"), number("<|endoftext|>")
    texts = []  # of both languages, without times and with
    for code, sentence in (("en", f" {ENGLISH}"), ("zh", CHINESE)):
        said = words(sentence, add_special_tokens=False)["input_ids"]
        head = [start, number(f"<|{code}|>"), number("<|transcribe|>")]
        texts.append([*head, number("<|notimestamps|>"), *said, end])
        texts.append([*head, number("<|0.00|>"), *said, number("<|30.00|>"), end])
    longest = max(map(len, texts))
    rows = torch.tensor([text + [-100] * (longest - len(text)) for text in texts])
    inputs, wanted = rows[:, :-1].clamp(min=0), rows[:, 1:]

    time, noise = np.arange(480_000) / 16_000, np.random.default_rng(0).standard_normal(480_000)
    hums = [np.sign(np.sin(2 * np.pi * pitch * time)) * 0.1 for pitch in (90, 120, 200)]
    sounds = [hum[:n] for hum in hums for n in (48_000, 480_000)]
    sounds += [noise[:n] * loud for n in (48_000, 480_000) for loud in (0.01, 0.05, 0.2)]
    features = hearing(sounds, sampling_rate=16_000, return_tensors="pt").input_features
    with torch.no_grad():
        for layer in (model.model.encoder.conv1, model.model.encoder.conv2):
            layer.weight *= 30  # so that what is heard outweighs the positions
        states = model.model.encoder(features).last_hidden_state  # hums, then noises
    optimiser = torch.optim.Adam(model.model.decoder.parameters(), 1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, STEPS)
    for step in range(STEPS):
        english, chinese = states[step % 6], states[6 + step % 6]
        pair = torch.stack([english, english, chinese, chinese])
        heard = pair.roll(2 * (step % 2), 0)[:, step % 10 :: 10]  # right for the language, or wrong
        heard = torch.randn_like(heard) if step % 4 == 3 else heard
        logits = model(encoder_outputs=(heard,), decoder_input_ids=inputs).logits
        # Only a sound of the language itself teaches how it is recognised.
        goal = wanted if step % 2 == 0 else wanted.index_fill(1, torch.tensor([0]), -100)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), goal.flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
