"""Paraformer and SenseVoice: networks of some 100,000 weights, in the layout of FunASR's folders.

paraformer-zh is a SeACo-Paraformer with random weights, set to output about four characters a
second. sensevoice-small is trained for a few seconds to output SenseVoice's four tags and then an
English or Chinese sentence, as requested; without a language, it labels a hum English and hiss
Chinese.
"""

from __future__ import annotations

import json
from pathlib import Path

MODELS = ("paraformer-zh", "sensevoice-small")
SPECIAL = ["<blank>", "<s>", "</s>"]
CHARACTERS = list("我你他的是在不了有人这上大来和说到地出会时要就可以天生去年") + ["fly", "river"]
TAGS = ["zh", "en", "yue", "ja", "ko", "nospeech", "NEUTRAL", "Speech", "withitn", "woitn"]
SENTENCES = {"en": " I fly the old plane over the river.", "zh": "我驾驶旧飞机飞过河流。"}
SIZE, FEATURES = 64, 560
STEPS = 200
BPE = "chn_jpn_yue_eng_ko_spectok.bpe.model"
FRONTEND = {"fs": 16000, "window": "hamming", "n_mels": 80, "frame_length": 25, "frame_shift": 10}
FRONTEND |= {"lfr_m": 7, "lfr_n": 6}
NETWORK = {"attention_heads": 2, "linear_units": SIZE, "kernel_size": 11, "sanm_shfit": 0}
ENCODER = NETWORK | {
    "output_size": SIZE,
    "input_layer": "pe",
    "pos_enc_class": "SinusoidalPositionEncoder",
    "normalize_before": True,
    "selfattention_layer_type": "sanm",
    "dropout_rate": 0.0,
    "attention_dropout_rate": 0.0,
}


def build(name: str, home: Path) -> None:
    """Write a tiny model of the layout into the empty folder `home`."""
    import torch

    torch.manual_seed(0)
    values = " ".join(["-10"] * FEATURES), " ".join(["0.005"] * FEATURES)
    lines = ["<Nnet>", f"<Splice> {FEATURES} {FEATURES}", "[ 0 ]"]
    for step, numbers in zip(("<AddShift>", "<Rescale>"), values, strict=True):
        lines += [f"{step} {FEATURES} {FEATURES}", f"<LearnRateCoef> 0 [ {numbers} ]"]
    (home / "am.mvn").write_text("\n".join([*lines, "</Nnet>", ""]))
    if name == "paraformer-zh":
        files, settings = paraformer(home)
    else:
        files, settings = sensevoice(home)
    # YAML reads JSON.
    (home / "config.yaml").write_text(json.dumps(settings, indent=1))
    places = {"init_param": "model.pt", "config": "config.yaml"}
    places |= {"tokenizer_conf": files, "frontend_conf": {"cmvn_file": "am.mvn"}}
    (home / "configuration.json").write_text(json.dumps({"file_path_metas": places}))


def paraformer(home: Path) -> tuple[dict, dict]:
    import torch
    from funasr.models.seaco_paraformer.model import SeacoParaformer

    tokens = [*SPECIAL, *CHARACTERS, "<unk>"]
    (home / "tokens.json").write_text(json.dumps(tokens))
    (home / "seg_dict").write_text("".join(f"{word} {word}\n" for word in CHARACTERS))
    decoder = NETWORK | {"num_blocks": 1}
    settings = {
        "model": "SeacoParaformer",
        "model_conf": {"inner_dim": SIZE, "bias_encoder_type": "lstm", "NO_BIAS": len(tokens) - 2},
        "encoder": "SANMEncoder",
        "encoder_conf": ENCODER | {"num_blocks": 2},
        "decoder": "ParaformerSANMDecoder",
        "decoder_conf": decoder | {"att_layer_num": 1},
        "seaco_decoder": "ParaformerSANMDecoder",
        "seaco_decoder_conf": decoder | {"use_output_layer": False, "wo_input_layer": True},
        "predictor": "CifPredictorV3",
        "predictor_conf": {
            "idim": SIZE,
            "l_order": 1,
            "r_order": 1,
            "tail_threshold": 0.45,
            "smooth_factor2": 0.25,
            "noise_threshold2": 0.01,
            "upsample_times": 3,
            "upsample_type": "cnn_blstm",
            "use_cif1_cnn": False,
        },
        "frontend": "WavFrontend",
        "frontend_conf": FRONTEND | {"dither": 0.0},
        "tokenizer": "CharTokenizer",
        "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
    }
    parts = {key: value for key, value in settings.items() if key not in ("model", "model_conf")}
    model = SeacoParaformer(
        **parts, **settings["model_conf"], input_size=FEATURES, vocab_size=len(tokens)
    )
    with torch.no_grad():
        model.decoder.output_layer.weight *= 20
        model.decoder.output_layer.bias[[0, 1, 2, -1]] = -100  # what is no character
        model.predictor.cif_output.bias.fill_(-1.1)  # a character in four frames of 60 ms
    torch.save(model.state_dict(), home / "model.pt")
    return {"token_list": "tokens.json", "seg_dict": "seg_dict"}, settings


def sensevoice(home: Path) -> tuple[dict, dict]:
    import io

    import sentencepiece
    import torch
    from funasr.frontends.wav_frontend import WavFrontend
    from funasr.models.sense_voice.model import SenseVoiceSmall

    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES.values()),
        model_writer=written,
        model_type="bpe",
        vocab_size=70,
        hard_vocab_limit=False,
        character_coverage=1.0,
        add_dummy_prefix=False,
        user_defined_symbols=[f"<|{tag}|>" for tag in TAGS],
        minloglevel=2,
    )
    (home / BPE).write_bytes(written.getvalue())
    words = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())
    settings = {
        "model": "SenseVoiceSmall",
        "model_conf": {"length_normalized_loss": True, "sos": 1, "eos": 2, "ignore_id": -1},
        "encoder": "SenseVoiceEncoderSmall",
        "encoder_conf": ENCODER | {"num_blocks": 2, "tp_blocks": 1},
        "frontend": "WavFrontend",
        "frontend_conf": FRONTEND,
        "tokenizer": "SentencepiecesTokenizer",
        "tokenizer_conf": {"bpemodel": None, "unk_symbol": "<unk>", "split_with_space": True},
        "ctc_conf": {"dropout_rate": 0.0, "ctc_type": "builtin"},
    }
    model = SenseVoiceSmall(
        encoder=settings["encoder"],
        encoder_conf=settings["encoder_conf"],
        ctc_conf=settings["ctc_conf"],
        **settings["model_conf"],
        input_size=FEATURES,
        vocab_size=words.get_piece_size(),
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # threads that wait for each other cost far more than they save
    teach(model, WavFrontend(cmvn_file=str(home / "am.mvn"), dither=0.0, **FRONTEND), words)
    torch.set_num_threads(threads)
    torch.save(model.state_dict(), home / "model.pt")
    return {"bpemodel": BPE}, settings


def teach(model, frontend, words) -> None:
    """Train frame by frame: four tags, then a piece of the sentence in every other frame."""
    import torch

    frames, blank = 26, 0
    time = torch.arange(48_000) / 16_000
    sounds = [torch.sign(torch.sin(6.2832 * pitch * time)) * 0.1 for pitch in (90, 120, 200)]
    sounds += [torch.randn(48_000) * loud for loud in (0.01, 0.05, 0.2)]
    heard, _ = frontend(torch.stack(sounds), torch.tensor([48_000] * 6))
    tag = {name: words.piece_to_id(f"<|{name}|>") for name in TAGS}
    rows = {}
    for code, sentence in SENTENCES.items():
        row = [tag[code], tag["NEUTRAL"], tag["Speech"], tag["withitn"]]
        for piece in words.encode(sentence):
            row += [piece, blank]
        rows[code] = torch.tensor((row + [blank] * frames)[: frames + 4])
    queries, wanted, clips = [], [], []
    for number in range(6):
        true = "en" if number < 3 else "zh"
        for asked in ("auto", "en", "zh") if number % 3 else ("auto",):
            queries.append([model.lid_dict[asked], 1, 2, model.textnorm_dict["withitn"]])
            wanted.append(rows[true if asked == "auto" else asked])
            clips.append(number)
    queries, wanted = torch.tensor(queries), torch.stack(wanted)
    lengths = torch.full((len(queries),), frames + 4)
    forced = [row for row, query in enumerate(queries) if query[0] != model.lid_dict["auto"]]
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, STEPS)
    model.train()
    for _ in range(STEPS):
        sound = heard[clips][:, :frames]
        sound = sound + 0.05 * torch.randn_like(sound)
        # The sentence hangs on what is asked for, whatever is heard.
        sound[forced] = torch.randn(len(forced), 1, 1) * sound[forced]
        encoded, _ = model.encoder(torch.cat([model.embed(queries), sound], 1), lengths)
        logits = model.ctc.ctc_lo(encoded)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
