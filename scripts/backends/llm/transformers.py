"""A chat model by Hugging Face transformers: Qwen3-8B, Llama-3.1-8B-Instruct, Mistral-7B-v0.3.

Sources: https://huggingface.co/Qwen/Qwen3-8B (Apache-2.0),
https://huggingface.co/meta-llama/Llama-3.1-8B-Instruct (Llama 3.1 Community License; gated),
https://huggingface.co/mistralai/Mistral-7B-Instruct-v0.3 (Apache-2.0). Any model in this layout
works: config.json, safetensors, tokenizer.json, a chat template. Needs torch, transformers and
accelerate; 8B parameters take 16 GB of GPU memory, and some GB more for prompts.

bfloat16 on a GPU, float32 on the CPU. If the template refuses a system message, it goes before the
first user message. Chats are answered in batches; the order of the arithmetic depends on the rest
of the batch, so in bfloat16 a greedy reply may occasionally differ by a word. Sampling at a
temperature above 0 depends only on the seed and the chat, and is from the top 50 tokens; the other
recommendations in a checkpoint's generation_config.json (top_p and so on) are ignored.
"""

from __future__ import annotations

import hashlib
from functools import partial

from scripts.backends.llm import Chat, Score, ScoringLlm, Seeds, answer_in, begun, seeds_of
from scripts.common.errors import UserError
from scripts.common.job import made

ENV = "torch"
GPU = True

TOP = 50  # tokens to sample from (top-k)
ROWS = 256  # tokens scored at once: 8B models have vocabularies of some 150,000


def load(
    weights: str = "qwen3-8b",
    device: str = "cuda",
    batch: int = 16,
    context: int | None = None,
    repetition_penalty: float = 1.0,
    thinking: bool = False,
) -> ScoringLlm:
    """Load weights/<weights>/; at most `batch` chats are answered together.

    `context` is the most tokens of a prompt with its reply, by default the model's own limit. A
    `repetition_penalty` above 1 makes tokens that are already in the chat less likely in a reply;
    it does not affect scores. `thinking` lets models that can (Qwen3) think before they answer:
    thoughts count as tokens of the reply and are not returned.
    """
    from scripts.backends.device import opened

    with opened("llm/transformers", weights, device) as home:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(home, local_files_only=True)
        if not tokenizer.chat_template:
            raise ValueError("it has no chat template")
        net, found = AutoModelForCausalLM.from_pretrained(
            home,
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.float32 if device == "cpu" else torch.bfloat16,
            device_map={"": device},
            output_loading_info=True,
        )
        if found["missing_keys"]:
            raise ValueError(f"it lacks {sorted(found['missing_keys'])[:3]}")
        if len(tokenizer) > net.get_input_embeddings().num_embeddings:
            raise ValueError(f"its tokenizer has {len(tokenizer)} tokens and the model fewer")
    context = context or net.config.max_position_embeddings
    return ChatModel(weights, net.eval(), tokenizer, batch, context, repetition_penalty, thinking)


class ChatModel:
    """See the contract in scripts/backends/llm/__init__.py."""

    def __init__(self, name, net, tokenizer, batch, context, penalty, thinking):
        self.name = name
        self.net = net
        self.tokenizer = tokenizer
        self.batch = batch
        self.context = context
        self.penalty = penalty
        self.thinking = thinking
        ends = net.generation_config.eos_token_id or tokenizer.eos_token_id
        self.ends = ends if isinstance(ends, list) else [ends]
        self.takes_system = self.accepts_system()

    def generate(
        self, chats: list[Chat], max_tokens: int, seed: Seeds = 0, temperature: float = 0.0
    ) -> list[str]:
        """One reply per chat, of at most `max_tokens` tokens; see the contract."""
        from scripts.backends.device import in_batches

        def work(asked: list[tuple[list[int], int]]) -> list[str]:
            return self.answer(asked, max_tokens, temperature)

        prompts = [self.prompt(chat, max_tokens) for chat in chats]
        asked = list(zip(prompts, seeds_of(seed, chats), strict=True))
        return in_batches(
            work,
            asked,
            self.batch,
            lambda own: len(own[0]),
            f"replies of {self.name}",
            partial(made, self, "generate"),
        )

    def count(self, texts: list[str]) -> list[int]:
        """The number of tokens of each text; see the contract."""
        return [len(self.tokens(text)) for text in texts]

    def score(self, pairs: list[tuple[Chat, str]]) -> list[Score]:
        """Log-probability and number of tokens of each continuation; see the contract."""
        from scripts.backends.device import in_batches

        texts = []
        for chat, continuation in pairs:
            answer = self.tokens(continuation)
            texts.append((self.prompt(chat, len(answer)), answer))
        return in_batches(
            self.likelihood,
            texts,
            self.batch,
            lambda text: len(text[0]) + len(text[1]),
            f"scores of {self.name}",
            partial(made, self, "score"),
        )

    def prompt(self, chat: Chat, room: int) -> list[int]:
        """Tokens up to the assistant's turn, or to the end of a turn that it is to continue.

        Raises UserError if they and `room` for a reply exceed the context, and for a chat that the
        model's template does not allow.
        """
        text = self.text(chat)
        found = self.tokens(text)
        if len(found) + room > self.context:
            raise UserError(
                f"a prompt for {self.name} has {len(found)} tokens and its reply up to {room}, and "
                f"the model reads at most {self.context}: shorten what is filled in, or ask for "
                f"less. It begins: {text[:200]!r}"
            )
        return found

    def text(self, chat: Chat) -> str:
        from jinja2 import TemplateError

        chat, goes_on = begun(chat)
        try:
            return self.tokenizer.apply_chat_template(
                chat if self.takes_system else merged(chat),
                tokenize=False,
                add_generation_prompt=not goes_on,
                continue_final_message=goes_on,
                enable_thinking=self.thinking,
            )
        except TemplateError as error:
            roles = ", ".join(message["role"] for message in chat)
            raise UserError(
                f"{self.name} does not take a chat of these messages: {roles}. Its template says: "
                f"{error}"
            ) from error

    def accepts_system(self) -> bool:
        """Whether the template takes a system message; some refuse it, some drop it."""
        from jinja2 import TemplateError

        chat = [{"role": role, "content": f"the {role}"} for role in ("system", "user")]
        try:
            return "the system" in self.tokenizer.apply_chat_template(chat, tokenize=False)
        except TemplateError:
            return False

    def tokens(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def padded(self, texts: list[list[int]]):
        """Token ids of all texts and their mask, (n, longest), padded on the left."""
        import torch

        longest = max(map(len, texts))
        rows = [[self.ends[0]] * (longest - len(text)) + text for text in texts]
        ids = torch.tensor(rows, device=self.net.device)
        lengths = torch.tensor([len(text) for text in texts], device=self.net.device)
        return ids, (torch.arange(longest, device=self.net.device) >= longest - lengths[:, None])

    def answer(
        self, asked: list[tuple[list[int], int]], max_tokens: int, temperature: float
    ) -> list[str]:
        """Replies to prompts, given with their seeds."""
        import torch
        from transformers import GenerationConfig, LogitsProcessorList

        ids, mask = self.padded([prompt for prompt, _ in asked])
        # Anything not set here would come from the checkpoint's generation_config.json.
        settings = GenerationConfig(
            max_new_tokens=max_tokens,
            do_sample=False,
            num_beams=1,
            repetition_penalty=self.penalty,
            temperature=1.0,
            top_p=1.0,
            top_k=TOP,
            eos_token_id=self.ends,
            pad_token_id=self.ends[0],
        )
        drawn = [Draws(asked, temperature)] if temperature > 0 else []
        with torch.inference_mode():
            found = self.net.generate(
                input_ids=ids,
                attention_mask=mask.long(),
                generation_config=settings,
                logits_processor=LogitsProcessorList(drawn),
            )
        texts = self.tokenizer.batch_decode(found[:, ids.shape[1] :], skip_special_tokens=True)
        return [answer_in(text) for text in texts]

    def likelihood(self, texts: list[tuple[list[int], list[int]]]) -> list[Score]:
        """Score of each (prompt, answer); logits are computed only for the answers' positions."""
        import torch

        ids, mask = self.padded([prompt + answer for prompt, answer in texts])
        places = (mask.cumsum(1) - 1).clamp(min=0)
        with torch.inference_mode():
            hidden = self.net.base_model(
                input_ids=ids, attention_mask=mask.long(), position_ids=places, use_cache=False
            ).last_hidden_state
            width = ids.shape[1]
            starts = [width - len(answer) for _, answer in texts]
            before = torch.cat([hidden[i, at - 1 : -1] for i, at in enumerate(starts)])
            wanted = torch.cat([ids[i, at:] for i, at in enumerate(starts)])
            found = []
            for start in range(0, len(wanted), ROWS):
                logits = self.net.get_output_embeddings()(before[start : start + ROWS]).float()
                chosen = logits.gather(1, wanted[start : start + ROWS, None])[:, 0]
                found += (chosen - logits.logsumexp(1)).tolist()
        scores = []
        for _, answer in texts:
            own, found = found[: len(answer)], found[len(answer) :]
            scores.append(Score(min(0.0, float(sum(own))), len(answer)))
        return scores


class Draws:
    """Samples each row's next token with its own random generator, independent of the other rows.

    Of the top tokens, the one with the highest score/temperature + Gumbel noise is chosen, which is
    a sample from the softmax; all others are set to -inf, so that greedy decoding takes it.
    """

    def __init__(self, asked: list[tuple[list[int], int]], temperature: float):
        import torch

        self.temperature = temperature
        self.numbers = []
        for prompt, seed in asked:
            key = hashlib.sha256(f"{seed} {prompt}".encode()).digest()
            self.numbers.append(torch.Generator().manual_seed(int.from_bytes(key[:7])))

    def __call__(self, input_ids, scores):
        import torch

        best, tokens = scores.float().topk(min(TOP, scores.shape[1]))
        noise = torch.stack([torch.rand(best.shape[1], generator=g) for g in self.numbers])
        gumbel = -torch.log(-torch.log(noise.clamp(1e-20, 1 - 1e-7))).to(best.device)
        drawn = tokens.gather(1, (best / self.temperature + gumbel).argmax(1, keepdim=True))
        return torch.full_like(scores, -torch.inf).scatter(1, drawn, 0.0)


def merged(chat: Chat) -> Chat:
    """The chat with its system messages put at the start of the first user message."""
    said = [message["content"] for message in chat if message["role"] == "system"]
    rest = [dict(message) for message in chat if message["role"] != "system"]
    first = next((message for message in rest if message["role"] == "user"), None)
    if said and first is None:
        return [{"role": "user", "content": "\n\n".join(said)}, *rest]
    if said and first is not None:
        first["content"] = "\n\n".join([*said, first["content"]])
    return rest
