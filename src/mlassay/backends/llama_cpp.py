"""GGUF models on llama.cpp, token by token, through the C interface that llama-cpp-python gives.

Each prompt has a sequence of its own in one shared memory of keys and values, so that prompts join and leave the batch
at every step without any copying. Decoding is greedy here, in numpy, as with the other runtimes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.backends.decoder import cut, generating_file
from mlassay.backends.exported import file_sha256
from mlassay.backends.generation import Engine, GeneratingSUT, Work
from mlassay.backends.options import check_bounds, option, parse_options
from mlassay.core.errors import BadFile, MissingDependency, SutFailure, UsageError
from mlassay.core.model import Generation, ModelSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How llama.cpp is to run the model."""

    max_batch: int = option(8, "most prompts that step together", at_least=1)
    max_new_tokens: int = option(0, "tokens after which an answer is cut; 0: as the task says", at_least=0)
    context: int = option(2048, "tokens of memory for each prompt and its answer together", at_least=2)
    threads: int = option(0, "processor threads; 0: llama.cpp's choice", at_least=0)
    gpu_layers: int = option(0, "layers on the graphics card, in a build of llama-cpp-python that has one", at_least=0)
    read_at_once: int = option(512, "most tokens of prompts read in one pass", at_least=1)


class LlamaCpp(GeneratingSUT):
    """A SUT that generates with llama.cpp."""

    name = "llama-cpp"
    formats = ("gguf",)
    OPTIONS = Options

    def __init__(self, model: ModelSpec | Path | str, **options: Any) -> None:
        self.options = parse_options(Options, self.name, options)
        check_bounds(self.options, self.name)
        self.path, how = generating_file(model, "gguf", self.name)
        self._spec = model if isinstance(model, ModelSpec) else None
        if how.beams > 1:
            raise UsageError(
                f"llama-cpp decodes greedily; {how.beams} beams are wanted",
                hint="an ONNX file runs by beams on --backend onnx-generation; --task-option beams=1 is greedy",
            )
        super().__init__(cut(how, self.options.max_new_tokens), self.options.max_batch)
        llama_library()
        self._sha256 = ""

    def load_engine(self) -> Engine:
        return LlamaEngine(self.path, self.how, self.options)

    def describe(self) -> Mapping[str, Any]:
        self._sha256 = self._sha256 or file_sha256(self.path)
        library = llama_library()
        return {
            **super().describe(),
            "runtime": "llama.cpp",
            "version": f"llama-cpp-python {library.__version__}",
            "build": library.llama_print_system_info().decode("utf-8", "replace").strip(),
            "model": {
                "name": self._spec.name if self._spec else self.path.name,
                "file": self.path.name,
                "sha256": self._sha256,
                **({"about": dict(self._spec.about)} if self._spec and self._spec.about else {}),
            },
            "options": asdict(self.options),
        }


class LlamaEngine:
    """A model with its memory, cut into as many sequences as prompts may step together."""

    sure_tokens = True

    def __init__(self, path: Path, how: Generation, options: Options) -> None:
        self._lib, self._how, self._options = llama_library(), how, options
        self._model = load_gguf(path, gpu_layers=options.gpu_layers)
        self._context = self._make_context(path)
        self._batch = self._lib.llama_batch_init(options.read_at_once, 0, 1)
        self._n_words = self._lib.llama_vocab_n_tokens(self._lib.llama_model_get_vocab(self._model))
        self._free = list(range(options.max_batch))
        self._busy: dict[int, Work] = {}  # sequence to prompt
        self.steps = self.tokens = 0

    @property
    def room(self) -> int:
        return len(self._free)

    @property
    def busy(self) -> bool:
        return bool(self._busy)

    def admit(self, works: Sequence[Work]) -> list[Work]:
        places = []
        for work in works:
            if len(work.prompt) + self._how.most > self._options.context:
                raise SutFailure(
                    f"a prompt of {len(work.prompt)} tokens and {self._how.most} new ones do not fit into"
                    f" context={self._options.context}",
                    hint=f"give -b context={len(work.prompt) + self._how.most} or more",
                )
            sequence = self._free.pop()
            self._busy[sequence] = work
            places += [(sequence, at, token) for at, token in enumerate(work.prompt.tolist())]
        ends = np.cumsum([len(work.prompt) for work in works]) - 1
        return self._pass(places, set(ends.tolist()))

    def step(self) -> list[Work]:
        places = [(s, len(w.prompt) + len(w.made) - 1, w.made[-1]) for s, w in self._busy.items()]
        return self._pass(places, set(range(len(places))))

    def drop(self) -> None:
        self._lib.llama_memory_clear(self._lib.llama_get_memory(self._context), True)
        self._free, self._busy = list(range(self._options.max_batch)), {}

    def close(self) -> None:
        self._lib.llama_batch_free(self._batch)
        self._lib.llama_free(self._context)
        self._lib.llama_model_free(self._model)

    def _pass(self, places: Sequence[tuple[int, int, int]], ends: set[int]) -> list[Work]:
        """Feed (sequence, position, token); at `ends` a next token is taken. Returns the finished prompts."""
        size, batch, done = self._options.read_at_once, self._batch, []
        self.steps += 1
        for begin in range(0, len(places), size):
            part = places[begin : begin + size]
            batch.n_tokens = len(part)
            for row, (sequence, position, token) in enumerate(part):
                batch.token[row], batch.pos[row] = token, position
                batch.n_seq_id[row], batch.seq_id[row][0] = 1, sequence
                batch.logits[row] = begin + row in ends
            code = self._lib.llama_decode(self._context, batch)
            if code:
                raise SutFailure(f"llama-cpp could not step: llama_decode gave {code}")
            for row, (sequence, _, _) in enumerate(part):
                if begin + row in ends:
                    self.tokens += 1
                    if self._busy[sequence].take(self._logits(row), self._how):
                        done.append(self._leave(sequence))
        return done

    def _logits(self, row: int) -> NDArray[np.float32]:
        """(V,), in llama.cpp's own memory, until the next pass."""
        found = self._lib.llama_get_logits_ith(self._context, row)
        return np.ctypeslib.as_array(found, shape=(self._n_words,))

    def _leave(self, sequence: int) -> Work:
        self._lib.llama_memory_seq_rm(self._lib.llama_get_memory(self._context), sequence, -1, -1)
        self._free.append(sequence)
        return self._busy.pop(sequence)

    def _make_context(self, path: Path) -> Any:
        wish = self._lib.llama_context_default_params()
        options = self._options
        wish.n_ctx, wish.n_seq_max = options.context * options.max_batch, options.max_batch
        wish.n_batch = wish.n_ubatch = options.read_at_once
        wish.no_perf = True
        if options.threads:
            wish.n_threads = wish.n_threads_batch = options.threads
        context = self._lib.llama_init_from_model(self._model, wish)
        if not context:
            raise SutFailure(
                f"llama.cpp has no memory for {options.max_batch} prompts of {options.context} tokens with {path.name}",
                hint="give a smaller -b max_batch or -b context",
            )
        return context


class GgufTokenizer:
    """The tokenizer that a GGUF file brings along; special tokens are left out of texts."""

    def __init__(self, path: Path) -> None:
        self._lib = llama_library()
        self._model = load_gguf(path, vocab_only=True)
        self._vocab = self._lib.llama_model_get_vocab(self._model)
        if not self._lib.llama_vocab_type(self._vocab):
            raise UsageError(
                f"{path.name} has no tokenizer inside", hint="give --task-option tokenizer=FILE, or prompts of tokens"
            )

    def ends(self) -> tuple[int, ...]:
        """The tokens that end an answer."""
        n = self._lib.llama_vocab_n_tokens(self._vocab)
        return tuple(token for token in range(n) if self._lib.llama_vocab_is_eog(self._vocab, token))

    def encode(self, text: str) -> list[int]:
        """Special tokens that stand in the text by name are taken as such, as chat templates need it."""
        raw = text.encode("utf-8")
        room = len(raw) + 8
        found = (self._lib.llama_token * room)()
        n = self._lib.llama_tokenize(self._vocab, raw, len(raw), found, room, True, True)
        if n < 0:
            raise SutFailure(f"llama.cpp could not tokenize a text of {len(raw)} bytes")
        return list(found[:n])

    def decode(self, tokens: Sequence[int]) -> str:
        return b"".join(self._bytes(tokens)).decode("utf-8", "replace")

    def _bytes(self, tokens: Sequence[int]) -> Iterator[bytes]:
        import ctypes

        buffer = ctypes.create_string_buffer(256)
        for token in map(int, tokens):
            n = self._lib.llama_token_to_piece(self._vocab, token, buffer, len(buffer), 0, False)
            yield buffer.raw[: max(n, 0)]


def load_gguf(path: Path, *, gpu_layers: int = 0, vocab_only: bool = False) -> Any:
    """A llama_model. Raises BadFile for what llama.cpp cannot load."""
    library = llama_library()
    wish = library.llama_model_default_params()
    wish.n_gpu_layers, wish.vocab_only = gpu_layers, vocab_only
    model = library.llama_model_load_from_file(str(path).encode(), wish)
    if not model:
        raise BadFile(path, found="not a model that llama.cpp can load", expected="a .gguf file of a language model")
    return model


_QUIET: list[Any] = []


def llama_library() -> Any:
    """llama_cpp, its log silenced: what fails is told by errors."""
    try:
        import llama_cpp
    except ModuleNotFoundError as error:
        raise MissingDependency("llama-cpp-python", extra="llama-cpp", why="it runs .gguf models") from error
    if not _QUIET:
        _QUIET.append(llama_cpp.llama_log_callback(lambda level, text, data: None))
        llama_cpp.llama_log_set(_QUIET[0], None)
        llama_cpp.llama_backend_init()
    return llama_cpp
