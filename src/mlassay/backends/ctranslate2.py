"""CTranslate2: Transformer models that translate, from a folder as its converters write it.

The runtime does the whole search; samples are sentences in pieces of text, and so are the answers. Its converters know
Transformers only (OpenNMT, Fairseq, Marian, Hugging Face), so that GNMT, which is recurrent, cannot come this way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from mlassay.backends.model_backend import ModelBackend
from mlassay.backends.options import check_bounds, option, parse_options
from mlassay.core.errors import BadFile, MachineProblem, MissingDependency, SutFailure
from mlassay.core.model import ModelSpec, TensorSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How CTranslate2 is to translate."""

    device: Literal["cpu", "cuda", "auto"] = option("cpu", "where to run")
    compute_type: str = option("default", "default: as the model was saved; float32, int8, int8_float32, bfloat16, ...")
    beams: int = option(4, "hypotheses kept; 1: greedy", at_least=1)
    length_penalty: float = option(1.0, "exponent on the length that a hypothesis' score is divided by")
    coverage_penalty: float = option(0.0, "weight of source pieces that nothing looked at")
    longest: int = option(256, "pieces after which a translation is cut", at_least=1)
    parallel: int = option(1, "translations at the same time: a batch is shared out among them", at_least=1)
    threads: int = option(0, "threads of each; 0: CTranslate2's choice", at_least=0)
    file: str = option("", "a model folder instead of the task's")
    max_batch: int = option(32, "most sentences translated together", at_least=1)
    warmup: int = option(3, "untimed translations of each batch size when opened", at_least=0)


class CTranslate2(ModelBackend):
    """A SUT that translates with CTranslate2, on the thread that asks."""

    name = "ctranslate2"
    formats = ("ctranslate2",)
    OPTIONS = Options

    def __init__(self, model: ModelSpec | Path | str, **options: Any) -> None:
        self.options = parse_options(Options, self.name, options)
        check_bounds(self.options, self.name)
        chosen = self.options
        super().__init__(model, max_batch=chosen.max_batch, warmup=chosen.warmup, file=chosen.file)
        _ctranslate2()

    def _load(self) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
        library = _ctranslate2()
        if not self.path.is_dir() or not library.contains_model(str(self.path)):
            raise BadFile(
                self.path,
                found="without a CTranslate2 model",
                expected="a folder with model.bin, config.json and vocabularies",
                hint="convert one: ct2-transformers-converter, ct2-opennmt-py-converter, ct2-fairseq-converter, ...",
            )
        wish = self.options
        try:
            self._translator = library.Translator(
                str(self.path),
                device=wish.device,
                compute_type=wish.compute_type,
                inter_threads=wish.parallel,
                intra_threads=wish.threads,
            )
        except (RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise MachineProblem(
                f"CTranslate2 cannot load {self.path} ({reason})", hint="try other options, or convert the model anew"
            ) from error
        return (), ()

    def _run(self, batch: Sequence[Any]) -> Sequence[Any]:
        """[sentences in pieces] -> [translations in pieces]; the runtime sorts by length by itself."""
        return [self._translate(batch[0], self.options.longest)]

    def _translate(self, sentences: Sequence[Sequence[str]], longest: int) -> list[list[str]]:
        wish = self.options
        try:
            found = self._translator.translate_batch(
                [list(pieces) for pieces in sentences],
                max_batch_size=-(-len(sentences) // wish.parallel),
                beam_size=wish.beams,
                length_penalty=wish.length_penalty,
                coverage_penalty=wish.coverage_penalty,
                max_decoding_length=longest,
            )
        except (RuntimeError, ValueError, TypeError) as error:
            raise SutFailure(
                f"{self.name} could not translate {len(sentences)} sentences ({str(error).splitlines()[0]})"
            ) from error
        return [result.hypotheses[0] for result in found]

    def _warm_up(self, n: int) -> None:
        some = [["a", "b", "c"]] * n  # pieces that the model does not know are as good as any
        self._translate(some, min(8, self.options.longest))

    def _release(self) -> None:
        self._translator.unload_model()
        del self._translator

    def _about(self) -> Mapping[str, Any]:
        about: dict[str, Any] = {
            "runtime": "CTranslate2",
            "version": _ctranslate2().__version__,
            "device": self.options.device,
            "options": asdict(self.options),
        }
        if self._loaded:
            about["compute_type"] = self._translator.compute_type
        return about


def _ctranslate2() -> Any:
    try:
        import ctranslate2
    except ModuleNotFoundError as error:
        raise MissingDependency("ctranslate2", extra="ctranslate2") from error
    return ctranslate2
