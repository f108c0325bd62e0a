"""Networks of our own that load published checkpoints whose code is in no package.

The parts of LLaMA-Omni around its language model: `speech_adaptor` (from what Whisper hears to what
Llama reads), `unit_decoder` (from what Llama thinks to units of speech), `unit_vocoder` (from units
to sound); `checkpoint` reads parameters by name and compares them with what a network wants. Names
of attributes are those of the published state dicts. They need torch and know nothing of backends.
"""
