"""A chat model served by vLLM: a local server that this backend starts and stops, or a running one.

Sources: https://github.com/vllm-project/vllm (Apache-2.0); any model that it serves from a folder,
such as those of llm/transformers, with the same replies and scores at several times the speed.
Needs vllm (with CUDA) and openai; one GPU of 24 GB or more for 8B parameters, or `parallel` ones.

The server runs on a free port of 127.0.0.1, reads local files only, and ends with this process. It
is used through OpenAI-style endpoints: /v1/chat/completions for replies; /tokenize and the echo of
/v1/completions for scores. With `address`, a running server is used and none is started.
VLLM_API_KEY, if set, is the key of either.

Which requests are batched together depends on when they arrive, and so does the order of the
arithmetic: in half precision a greedy reply may occasionally differ by a word. Sampling at a
temperature above 0 is from the top 50 tokens, with a seed per request. If the model's template
refuses a system message, so does the server: llm/transformers merges it instead.
"""

from __future__ import annotations

import ctypes
import functools
import os
import shlex
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from scripts.backends.llm import Chat, Score, ScoringLlm, Seeds, answer_in, begun, seeds_of
from scripts.common.documents import nearest
from scripts.common.errors import UserError
from scripts.common.job import made
from scripts.common.json_path import mended
from scripts.common.progress import progress
from scripts.services import addresses, errors, http_limits, keys
from scripts.services.errors import CallError

ENV = "vllm"
GPU = True

TOP = 50  # tokens to sample from (top-k)
TRIES = 4  # retries of a request on which the server fails
PATIENCE = 1800  # seconds per request, including its wait in the queue
SHOWN = 15  # last lines of the server's log in an error


def load(
    weights: str = "qwen3-8b",
    device: str = "cuda",
    command: str = "vllm",
    address: str | None = None,
    batch: int = 64,
    context: int | None = None,
    gpu_memory: float = 0.9,
    parallel: int = 1,
    repetition_penalty: float = 1.0,
    thinking: bool = False,
    startup: int = 900,
    extra: Sequence[str] = (),
) -> ScoringLlm:
    """Serve weights/<weights>/ with `command`; at most `batch` requests are in flight at once.

    `context` is the most tokens of a prompt with its reply (by default the model's), `gpu_memory`
    the share of GPU memory that the server takes, `parallel` the number of GPUs that share the
    model, `startup` the seconds it may take to start, `extra` further flags of `vllm serve`. Choose
    a GPU with CUDA_VISIBLE_DEVICES; `device` "cpu" is for vLLM's CPU build. `repetition_penalty`
    and `thinking` are as for llm/transformers.

    With `address` (http://host:port), uses that server's model named `weights`.
    """
    manner: dict[str, Any] = {"batch": batch, "penalty": repetition_penalty, "thinking": thinking}
    keys.learn(os.environ.get("VLLM_API_KEY", ""), "VLLM_API_KEY")
    if address:
        addresses.must_be_own(address, "llm/vllm")
        return Client(weights, address, None, **manner)
    from scripts.backends.device import pick
    from scripts.common.weights import path

    if device not in ("cuda", "cpu"):
        raise UserError(
            f"llm/vllm: the device '{device}' is not known; say cuda or cpu, and choose a GPU by "
            "CUDA_VISIBLE_DEVICES."
        )
    pick(device, "llm/vllm")
    flags = ["--served-model-name", weights, "--gpu-memory-utilization", str(gpu_memory)]
    flags += ["--tensor-parallel-size", str(parallel)]
    flags += ["--max-model-len", str(context)] if context else []
    server = Server([*shlex.split(command), "serve", str(path(weights)), *flags, *extra])
    server.wait(startup)
    return Client(weights, server.address, server, **manner)


class Server:
    """A vLLM server on this machine; its log is in a temporary folder."""

    def __init__(self, command: list[str]):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        self.command = [*command, "--host", "127.0.0.1", "--port", str(port)]
        folder = tempfile.TemporaryDirectory(prefix="vllm-")
        self.log = Path(folder.name) / "server.log"
        libc = ctypes.CDLL(None)
        quiet = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
        try:
            with self.log.open("wb") as log:
                self.process = subprocess.Popen(
                    self.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=os.environ | quiet,
                    start_new_session=True,  # a separate process group, to stop all children
                    # The kernel stops it if this process is killed (1: PR_SET_PDEATHSIG; Linux).
                    preexec_fn=functools.partial(libc.prctl, 1, signal.SIGTERM),
                )
        except OSError as error:
            folder.cleanup()
            raise UserError(
                f"llm/vllm: the command '{command[0]}' cannot be run ({error.strerror}); install "
                "what envs/vllm.yaml lists, or say where it is with the option `command`."
            ) from error
        # Runs when this object is garbage-collected, and at exit.
        self.close = weakref.finalize(self, stop, self.process, folder)

    def wait(self, seconds: float) -> None:
        """Wait until the server answers; otherwise UserError with the end of its log."""
        until = time.monotonic() + seconds
        while not healthy(self.address):
            if self.process.poll() is not None:
                words = self.last_words()
                self.close()
                raise UserError(f"llm/vllm: the server did not start. {words}")
            if time.monotonic() > until:
                words = self.last_words()
                self.close()
                raise UserError(
                    f"llm/vllm: the server did not answer within {seconds:g} s; give it longer "
                    f"with the option `startup`. {words}"
                )
            time.sleep(0.2)

    def last_words(self) -> str:
        """How the server ended and the last lines of its log."""
        status = self.process.poll()
        state = "It runs" if status is None else f"It ended with status {status}"
        lines = self.log.read_text("utf-8", errors="replace").splitlines()[-SHOWN:]
        words = "\n".join(lines or ["(nothing was logged)"])
        return f"{state}; its log ends:\n{keys.cleaned(words)}"


def healthy(address: str) -> bool:
    """Whether a server is ready for requests; proxies are bypassed."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{address}/health", timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def stop(process: subprocess.Popen, folder: tempfile.TemporaryDirectory) -> None:
    """End a process and its group, first with SIGTERM."""
    for kind, seconds in ((signal.SIGTERM, 20), (signal.SIGKILL, 5)):
        try:
            os.killpg(process.pid, kind)
        except ProcessLookupError:
            break
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
    process.poll()
    folder.cleanup()


class Client:
    """See the contract in scripts/backends/llm/__init__.py."""

    def __init__(
        self,
        name: str,
        address: str,
        server: Server | None,
        batch: int,
        penalty: float,
        thinking: bool,
    ):
        import httpx
        import openai

        self.name = name
        self.address = address.rstrip("/").removesuffix("/v1")
        self.server = server
        self.batch = batch
        self.penalty = penalty
        self.thinking = thinking
        self.openai = openai.OpenAI(
            base_url=f"{self.address}/v1",
            api_key=os.environ.get("VLLM_API_KEY") or "none",
            max_retries=TRIES,
            timeout=PATIENCE,
            http_client=httpx.Client(
                trust_env=server is None,  # no proxy for a local server
                limits=httpx.Limits(max_connections=batch),
                timeout=PATIENCE,
                headers={"Accept-Encoding": "gzip, deflate"},
                event_hooks={"response": [http_limits.limited_in_thread("llm/vllm", PATIENCE)]},
            ),
        )
        served = self.call(lambda: {one.id: one for one in self.openai.models.list().data})
        if name not in served:
            raise UserError(
                f"llm/vllm: the server at {self.address} serves no model '{name}'"
                f"{nearest(name, served)}"
            )
        longest = getattr(served[name], "max_model_len", None)  # vLLM's own addition
        self.context = longest if isinstance(longest, int) else None

    def close(self) -> None:
        """Stop the server, if it was started here."""
        if self.server:
            self.server.close()

    def generate(
        self, chats: list[Chat], max_tokens: int, seed: Seeds = 0, temperature: float = 0.0
    ) -> list[str]:
        """One reply per chat, of at most `max_tokens` tokens; see the contract."""

        def work(asked: tuple[Chat, int]) -> str:
            chat, own = asked
            messages, form = self.form(chat)
            # Set explicitly, or the checkpoint's generation_config.json would.
            choice = {"top_k": TOP, "min_p": 0.0, "repetition_penalty": self.penalty}
            answer = self.openai.chat.completions.create(
                model=self.name,
                messages=messages,
                max_tokens=max_tokens,
                seed=own,
                temperature=temperature,
                top_p=1.0,
                extra_body=form | choice,
            )
            text = answer.choices[0].message.content or ""
            return answer_in(keys.cleaned(mended(text)))

        asked = list(zip(chats, seeds_of(seed, chats), strict=True))
        kept = functools.partial(made, self, "generate")
        return self.each(work, asked, f"replies of {self.name}", kept)

    def count(self, texts: list[str]) -> list[int]:
        """The number of tokens of each text; see the contract."""
        return list(map(len, self.each(self.text_tokens, texts, f"texts for {self.name}")))

    def score(self, pairs: list[tuple[Chat, str]]) -> list[Score]:
        """Log-probability and number of tokens of each continuation; see the contract."""
        chats = list({repr(chat): chat for chat, _ in pairs}.values())
        texts = list(dict.fromkeys(text for _, text in pairs))
        found = self.each(self.prompt_tokens, chats, f"prompts for {self.name}")
        prompts = {repr(chat): tokens for chat, tokens in zip(chats, found, strict=True)}
        found = self.each(self.text_tokens, texts, f"texts for {self.name}")
        answers = dict(zip(texts, found, strict=True))
        both = [(prompts[repr(chat)], answers[text]) for chat, text in pairs]
        kept = functools.partial(made, self, "score")
        return self.each(self.likelihood, both, f"scores of {self.name}", kept)

    def form(self, chat: Chat) -> tuple[Chat, dict[str, Any]]:
        """The messages of a request, and options for the chat template."""
        messages, goes_on = begun(chat)
        return messages, {
            "add_generation_prompt": not goes_on,
            "continue_final_message": goes_on,
            "chat_template_kwargs": {"enable_thinking": self.thinking},
        }

    def prompt_tokens(self, chat: Chat) -> list[int]:
        messages, form = self.form(chat)
        return self.tokenize({"messages": messages, **form})

    def text_tokens(self, text: str) -> list[int]:
        return self.tokenize({"prompt": text, "add_special_tokens": False}) if text else []

    def tokenize(self, body: dict[str, Any]) -> list[int]:
        found = self.openai.post(
            f"{self.address}/tokenize",
            body={"model": self.name, **body},
            cast_to=dict[str, object],
        )
        return found["tokens"]

    def likelihood(self, text: tuple[list[int], list[int]]) -> Score:
        """Score of a (prompt, answer), from the server's log-probabilities of its tokens."""
        prompt, answer = text
        if not answer:
            return Score(0.0, 0)
        found = self.openai.completions.create(
            model=self.name,
            prompt=[*prompt, *answer],
            max_tokens=1,
            temperature=0.0,
            echo=True,
            logprobs=1,
        )
        told = found.choices[0].logprobs
        own = told.token_logprobs[len(prompt) : len(prompt) + len(answer)] if told else []
        if len(own) < len(answer) or None in own:
            raise UserError(
                f"llm/vllm: the server at {self.address} does not tell how likely a prompt's "
                "tokens are (`echo` with `logprobs`); scores need a vLLM."
            )
        return Score(min(0.0, float(sum(own))), len(answer))

    def each(
        self,
        work: Callable,
        items: Sequence,
        label: str,
        kept: Callable[[int, Any], None] = lambda place, result: None,
    ) -> list:
        """`work` on each item, in parallel, with results in order; the first error ends it. `kept`
        gets each item's place and result when it is there."""
        with ThreadPoolExecutor(self.batch) as pool:
            jobs = [pool.submit(self.call, lambda item=item: work(item)) for item in items]
            places = {job: place for place, job in enumerate(jobs)}
            try:
                for job in progress(as_completed(jobs), len(jobs), label):
                    kept(places[job], job.result())
                return [job.result() for job in jobs]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def call(self, request: Callable) -> Any:
        """The server's answer; UserError with an explanation if there is none."""
        import openai

        where = f"llm/vllm: the server of {self.name} at {self.address}"
        try:
            return request()
        except (CallError, TimeoutError) as error:
            raise UserError(f"{where}: {error or 'no answer in time'}.") from error
        except errors.UNREADABLE as error:
            said = keys.cleaned(f"{type(error).__name__}: {error}")[:200]
            raise UserError(f"{where} answers what is no reply ({said}). Is it a vLLM?") from error
        except openai.APIConnectionError as error:
            words = self.server.last_words() if self.server else "Is it running, and is this it?"
            raise UserError(f"{where} cannot be reached any more. {words}") from error
        except openai.APIStatusError as error:
            said = error.body.get("message") if isinstance(error.body, dict) else None
            said = " ".join(keys.cleaned(str(said or error.message)).split())[:600]
            if error.status_code in (401, 403):
                advice = "Set VLLM_API_KEY to its key."
            elif error.status_code == 404:
                advice = "It does not speak vLLM's protocol, or not of this model."
            elif error.status_code < 500:
                advice = "If a prompt is too long, shorten what is filled in or raise `context`."
            else:
                advice = f"It was asked {TRIES + 1} times."
                advice += f" {self.server.last_words()}" if self.server else ""
            raise UserError(
                f"{where} answers with HTTP {error.status_code}: {said} {advice}"
            ) from error
