"""Qwen2.5-Omni: thinker, talker and codec-to-wave of a few thousand weights, as published.

The vocabulary is the 256 bytes and the published special tokens, with other ids; the codec's 8448
ids are the published ones.
"""

from __future__ import annotations

from pathlib import Path

MODELS = ("qwen2.5-omni-7b",)
NAMED = {
    "image_token": "<|IMAGE|>",
    "audio_token": "<|AUDIO|>",
    "video_token": "<|VIDEO|>",
    "vision_bos_token": "<|vision_bos|>",
    "vision_eos_token": "<|vision_eos|>",
    "audio_bos_token": "<|audio_bos|>",
    "audio_eos_token": "<|audio_eos|>",
}
MARKS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", *NAMED.values())
SPOKEN = ("<tts_pad>", "<tts_text_bos>", "<tts_text_eod>", "<tts_text_bos_single>")
VOCABULARY = 288
HIDDEN, HEADS, MEL = 32, 2, 80
TEMPLATE = """\
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content -%}
{% if part.type == "audio" %}<|audio_bos|><|AUDIO|><|audio_eos|>{% else %}{{ part.text }}{% endif %}
{%- endfor %}{% endif %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


def build(name: str, home: Path) -> None:
    """Write a tiny model of the layout into the empty folder `home`."""
    import torch
    from transformers import (
        Qwen2_5OmniConfig,
        Qwen2_5OmniForConditionalGeneration,
        Qwen2_5OmniProcessor,
        Qwen2VLImageProcessor,
        Qwen2VLVideoProcessor,
        WhisperFeatureExtractor,
    )

    torch.manual_seed(0)
    words = tokenizer()
    number = words.convert_tokens_to_ids
    model = Qwen2_5OmniForConditionalGeneration(Qwen2_5OmniConfig(**config(number))).eval()
    for weight in model.token2wav.code2wav_bigvgan_model.parameters():
        torch.nn.init.normal_(weight, std=0.1)  # as made it is nearly silent
    model.save_pretrained(home)
    Qwen2_5OmniProcessor(
        image_processor=Qwen2VLImageProcessor(),
        video_processor=Qwen2VLVideoProcessor(),
        feature_extractor=WhisperFeatureExtractor(feature_size=128, chunk_length=300),
        tokenizer=words,
        chat_template=TEMPLATE,
    ).save_pretrained(home)
    speakers = {
        speaker: {
            "bos_token": number(mark),
            "cond": torch.randn(1, 192),
            "ref_mel": torch.randn(1, 40, MEL),
        }
        for speaker, mark in (("Chelsie", SPOKEN[1]), ("Ethan", SPOKEN[3]))
    }
    torch.save(speakers, home / "spk_dict.pt")


def tokenizer():
    """A byte-level tokenizer without merges."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import Qwen2TokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    plain = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, []))
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    plain.add_special_tokens([AddedToken(mark, special=True) for mark in (*MARKS, *SPOKEN)])
    return Qwen2TokenizerFast(
        tokenizer_object=plain,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        unk_token=None,
        extra_special_tokens=NAMED,
    )


def config(number) -> dict:
    """The published config with small sizes; `number` gives a special token's id."""
    marks = {
        "audio_token_index": number("<|AUDIO|>"),
        "image_token_index": number("<|IMAGE|>"),
        "video_token_index": number("<|VIDEO|>"),
        "audio_start_token_id": number("<|audio_bos|>"),
        "audio_end_token_id": number("<|audio_eos|>"),
        "vision_start_token_id": number("<|vision_bos|>"),
        "vision_end_token_id": number("<|vision_eos|>"),
    }
    network = {
        "hidden_size": HIDDEN,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": HEADS,
        "num_key_value_heads": 1,
        "max_position_embeddings": 32768,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 1e6,
            "mrope_section": [2, 3, 3],
        },
    }
    thinker = {
        **marks,
        "text_config": {**network, "vocab_size": VOCABULARY, "tie_word_embeddings": False},
        "audio_config": {
            "num_mel_bins": 128,
            "encoder_layers": 1,
            "encoder_attention_heads": HEADS,
            "encoder_ffn_dim": 64,
            "d_model": HIDDEN,
            "output_dim": HIDDEN,
        },
        "vision_config": {
            "depth": 1,
            "hidden_size": HIDDEN,
            "intermediate_size": 64,
            "num_heads": HEADS,
            "fullatt_block_indexes": [0],
            "out_hidden_size": HIDDEN,
        },
        "bos_token_id": number("<|im_start|>"),
        "eos_token_id": number("<|im_end|>"),
        "pad_token_id": number("<|endoftext|>"),
        "user_token_id": number("u"),
    }
    talker = {
        **network,
        **marks,
        "vocab_size": 8448,
        "head_dim": HIDDEN // HEADS,
        "embedding_size": HIDDEN,
        "tts_text_start_token_id": number(SPOKEN[1]),
        "tts_text_end_token_id": number(SPOKEN[2]),
        "tts_text_pad_token_id": number(SPOKEN[0]),
    }
    wave = {
        "dit_config": {
            "hidden_size": HIDDEN,
            "num_hidden_layers": 2,
            "num_attention_heads": HEADS,
            "head_dim": HIDDEN // HEADS,
            "emb_dim": 32,
            "num_embeds": 8448,
            "look_ahead_layers": [1],
            "look_backward_layers": [0],
            "enc_dim": 16,
            "enc_emb_dim": 192,
            "enc_channels": [16, 16, 16, 16, 48],
            "enc_attention_channels": 8,
            "enc_se_channels": 8,
        },
        "bigvgan_config": {
            "upsample_initial_channel": 64,
            "resblock_kernel_sizes": [3],
            "resblock_dilation_sizes": [[1, 3, 5]],
        },
    }
    return {
        "thinker_config": thinker,
        "talker_config": talker,
        "token2wav_config": wave,
        "enable_audio_output": True,
    }
