"""Corpus: raw films, games and recordings -> rated, transcribed clips of single speakers.

needs  config/media.tsv and the media at its locations
makes  results/corpus/: rows by batch, joined by id; audio and vocals as mono 16 kHz FLAC
"""


rule fetch:
    input:
        lambda wildcards: filter(fits, own_files(wildcards.batch)),
    output:
        media=directory("results/corpus/media/{batch}"),
        truth=directory("results/corpus/truth/{batch}"),
        index="results/corpus/media/{batch}.jsonl",
    log:
        "logs/fetch/{batch}.log",
    benchmark:
        "logs/fetch/{batch}.tsv"
    localrule: asks_service(stage_model("fetch", "tts"))
    conda:
        env_of(stage_model("fetch", "tts"))
    threads: cores(stage_model("fetch", "tts"))
    resources:
        gpu=gpus(stage_model("fetch", "tts")),
        mem_mb=memory_mb(2000, stage_model("fetch", "tts")),
        runtime=60,
    params:
        rows=lambda wildcards: media_of(wildcards.batch),
        tts=stage_model("fetch", "tts"),
        code=code(
            "corpus/fetch",
            stage_model("fetch", "tts"),
            files=lambda wildcards: own_files(wildcards.batch),
        ),
    script:
        "../scripts/corpus/fetch.py"


rule extract:
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
        mem_mb=memory_mb(2000),
        runtime=60,
    params:
        code=code("corpus/extract"),
    script:
        "../scripts/corpus/extract.py"


rule separate:
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
        env_of(stage_model("separate", "separation"))
    threads: cores(stage_model("separate", "separation"))
    resources:
        gpu=gpus(stage_model("separate", "separation")),
        mem_mb=memory_mb(4000, stage_model("separate", "separation")),
        runtime=60,
    params:
        separation=stage_model("separate", "separation"),
        code=code("corpus/separate", stage_model("separate", "separation")),
    script:
        "../scripts/corpus/separate.py"


rule diarize:
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
        env_of(stage_model("diarize", "diarization"))
    threads: cores(stage_model("diarize", "diarization"))
    resources:
        gpu=gpus(stage_model("diarize", "diarization")),
        mem_mb=memory_mb(4000, stage_model("diarize", "diarization")),
        runtime=60,
    params:
        diarization=stage_model("diarize", "diarization"),
        code=code("corpus/diarize", stage_model("diarize", "diarization")),
    script:
        "../scripts/corpus/diarize.py"


rule segment:
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
        env_of(stage_model("segment", "vad"))
    threads: 1
    resources:
        gpu=gpus(stage_model("segment", "vad")),
        mem_mb=memory_mb(2000, stage_model("segment", "vad")),
        runtime=60,
    params:
        vad=stage_model("segment", "vad"),
        shortest=config["segment"]["shortest"],
        longest=config["segment"]["longest"],
        join_gap=config["segment"]["join_gap"],
        code=code("corpus/segment", stage_model("segment", "vad")),
    script:
        "../scripts/corpus/segment.py"


rule rate:
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
        env_of(stage_model("rate", "quality"))
    threads: cores(stage_model("rate", "quality"))
    resources:
        gpu=gpus(stage_model("rate", "quality")),
        mem_mb=memory_mb(2000, stage_model("rate", "quality")),
        runtime=60,
    params:
        quality=stage_model("rate", "quality"),
        lowest_ovrl=config["rate"]["lowest_ovrl"],
        code=code("corpus/rate", stage_model("rate", "quality")),
    script:
        "../scripts/corpus/rate.py"


rule transcribe:
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
    localrule: asks_service(stage_model("transcribe", "asr"))
    conda:
        env_of(stage_model("transcribe", "asr"))
    threads: cores(stage_model("transcribe", "asr"))
    resources:
        gpu=gpus(stage_model("transcribe", "asr")),
        mem_mb=memory_mb(2000, stage_model("transcribe", "asr")),
        runtime=60,
    params:
        asr=stage_model("transcribe", "asr"),
        code=code("corpus/transcribe", stage_model("transcribe", "asr")),
    script:
        "../scripts/corpus/transcribe.py"


rule corpus:
    input:
        expand("results/corpus/quality/{batch}.jsonl", batch=BATCHES),
        expand("results/corpus/transcripts/{batch}.jsonl", batch=BATCHES),
