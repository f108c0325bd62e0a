"""Corpus: raw films, games and recordings -> rated, transcribed clips of single speakers.

needs  config/media.tsv and the media at its locations
makes  results/corpus/: rows by batch, joined by id; audio and vocals as mono 16 kHz FLAC
"""

from scripts.workflow.rule_parts import files_of_media

EPISODE_TTS = stage_model("fetch", "tts")
SEPARATION = stage_model("separate", "separation")
DIARIZATION = stage_model("diarize", "diarization")
VAD = stage_model("segment", "vad")
QUALITY = stage_model("rate", "quality")
ASR = stage_model("transcribe", "asr")
MEDIA_OF = {batch: [row for row in MEDIA_USED if row["batch"] == batch] for batch in BATCHES}


rule fetch:
    """the media of a batch, and the truth that is known of them"""
    input:
        lambda wildcards: filter(fits, files_of_media(MEDIA_OF[wildcards.batch], local)),
    output:
        media=directory("results/corpus/media/{batch}"),
        truth=directory("results/corpus/truth/{batch}"),
        index="results/corpus/media/{batch}.jsonl",
    log:
        "logs/fetch/{batch}.log",
    benchmark:
        "logs/fetch/{batch}.tsv"
    localrule: asks_service(EPISODE_TTS)
    conda:
        env_of(EPISODE_TTS)
    threads: cores(EPISODE_TTS)
    resources:
        **job_resources(EPISODE_TTS),
    params:
        rows=lambda wildcards: MEDIA_OF[wildcards.batch],
        tts=EPISODE_TTS,
        code=code(
            "corpus/fetch",
            EPISODE_TTS,
            files=lambda wildcards: files_of_media(MEDIA_OF[wildcards.batch], local),
        ),
    script:
        "../scripts/corpus/fetch.py"


rule extract:
    """the sound of each medium of a batch"""
    input:
        media="results/corpus/media/{batch}",
        index="results/corpus/media/{batch}.jsonl",
    output:
        audio=directory("results/corpus/audio/{batch}"),
        recordings="results/corpus/audio/{batch}.jsonl",
    log:
        "logs/extract/{batch}.log",
    benchmark:
        "logs/extract/{batch}.tsv"
    conda:
        env_of()
    threads: 2
    resources:
        **job_resources(),
    params:
        code=code("corpus/extract"),
    script:
        "../scripts/corpus/extract.py"


rule separate:
    """the vocals of each recording of a batch"""
    input:
        audio="results/corpus/audio/{batch}",
        recordings="results/corpus/audio/{batch}.jsonl",
    output:
        vocals=directory("results/corpus/vocals/{batch}"),
        separated="results/corpus/vocals/{batch}.jsonl",
    log:
        "logs/separate/{batch}.log",
    benchmark:
        "logs/separate/{batch}.tsv"
    conda:
        env_of(SEPARATION)
    threads: cores(SEPARATION)
    resources:
        **job_resources(SEPARATION, mem_mb=4000),
    params:
        separation=SEPARATION,
        code=code("corpus/separate", SEPARATION),
    script:
        "../scripts/corpus/separate.py"


rule diarize:
    """who speaks when in each recording of a batch"""
    input:
        vocals="results/corpus/vocals/{batch}",
        recordings="results/corpus/vocals/{batch}.jsonl",
    output:
        turns="results/corpus/turns/{batch}.jsonl",
    log:
        "logs/diarize/{batch}.log",
    benchmark:
        "logs/diarize/{batch}.tsv"
    conda:
        env_of(DIARIZATION)
    threads: cores(DIARIZATION)
    resources:
        **job_resources(DIARIZATION, mem_mb=4000),
    params:
        diarization=DIARIZATION,
        code=code("corpus/diarize", DIARIZATION),
    script:
        "../scripts/corpus/diarize.py"


rule segment:
    """clips of one speaker, 3 to 10 seconds long"""
    input:
        vocals="results/corpus/vocals/{batch}",
        recordings="results/corpus/vocals/{batch}.jsonl",
        turns="results/corpus/turns/{batch}.jsonl",
    output:
        segments="results/corpus/segments/{batch}.jsonl",
    log:
        "logs/segment/{batch}.log",
    benchmark:
        "logs/segment/{batch}.tsv"
    conda:
        env_of(VAD)
    threads: 1
    resources:
        **job_resources(VAD),
    params:
        vad=VAD,
        shortest=config["segment"]["shortest"],
        longest=config["segment"]["longest"],
        join_gap=config["segment"]["join_gap"],
        code=code("corpus/segment", VAD),
    script:
        "../scripts/corpus/segment.py"


rule rate:
    """the quality of each clip of a batch"""
    input:
        vocals="results/corpus/vocals/{batch}",
        recordings="results/corpus/vocals/{batch}.jsonl",
        segments="results/corpus/segments/{batch}.jsonl",
    output:
        rated="results/corpus/quality/{batch}.jsonl",
    log:
        "logs/rate/{batch}.log",
    benchmark:
        "logs/rate/{batch}.tsv"
    conda:
        env_of(QUALITY)
    threads: cores(QUALITY)
    resources:
        **job_resources(QUALITY, mem_mb=3000),
    params:
        quality=QUALITY,
        lowest_ovrl=config["rate"]["lowest_ovrl"],
        code=code("corpus/rate", QUALITY),
    script:
        "../scripts/corpus/rate.py"


rule transcribe:
    """what is said in each clip of a batch"""
    input:
        vocals="results/corpus/vocals/{batch}",
        recordings="results/corpus/vocals/{batch}.jsonl",
        segments="results/corpus/segments/{batch}.jsonl",
    output:
        transcripts="results/corpus/transcripts/{batch}.jsonl",
    log:
        "logs/transcribe/{batch}.log",
    benchmark:
        "logs/transcribe/{batch}.tsv"
    localrule: asks_service(ASR)
    conda:
        env_of(ASR)
    threads: cores(ASR)
    resources:
        **job_resources(ASR),
    params:
        asr=ASR,
        code=code("corpus/transcribe", ASR),
    script:
        "../scripts/corpus/transcribe.py"


rule corpus:
    """phase 1: media to rated, transcribed clips of one speaker"""
    input:
        expand("results/corpus/quality/{batch}.jsonl", batch=BATCHES),
        expand("results/corpus/transcripts/{batch}.jsonl", batch=BATCHES),
