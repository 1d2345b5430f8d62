"""A Llama of ours as a GGUF file, for llama.cpp. Needs the gguf package.

Token numbers go in and out: our pieces are no tokenizer that llama.cpp knows, so the file has none.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlassay.tasks.generation.llama import Llama

PARTS = {
    "before_attention": "attn_norm",
    "before_dense": "ffn_norm",
    "query": "attn_q",
    "key": "attn_k",
    "value": "attn_v",
    "mix": "attn_output",
    "gate": "ffn_gate",
    "up": "ffn_up",
    "down": "ffn_down",
}


def write_gguf(model: Llama, path: Path, *, name: str, context: int) -> None:
    """32-bit floats."""
    import gguf

    recipe = model.recipe
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(name)
    writer.add_license("Apache-2.0")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(context)
    writer.add_embedding_length(recipe.width)
    writer.add_block_count(recipe.layers)
    writer.add_feed_forward_length(recipe.inner)
    writer.add_head_count(recipe.heads)
    writer.add_head_count_kv(recipe.groups)
    writer.add_layer_norm_rms_eps(recipe.epsilon)
    writer.add_rope_dimension_count(recipe.width // recipe.heads)
    writer.add_rope_freq_base(recipe.theta)
    writer.add_vocab_size(recipe.vocabulary)
    writer.add_tokenizer_model("none")
    heads = {"query": recipe.heads, "key": recipe.groups}
    for ours, tensor in model.state_dict().items():
        array = tensor.numpy().astype(np.float32)
        part = ours.split(".")[2] if ours.startswith("blocks.") else ""
        if part in heads:
            array = neighbours_paired(array, heads[part])
        if not (recipe.tied and ours == "out.weight"):
            writer.add_tensor(gguf_name(ours), array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def gguf_name(ours: str) -> str:
    fixed = {
        "words.weight": "token_embd.weight",
        "last.weight": "output_norm.weight",
        "out.weight": "output.weight",
    }
    if ours in fixed:
        return fixed[ours]
    _, number, part, kind = ours.split(".")
    return f"blk.{number}.{PARTS[part]}.{kind}"


def neighbours_paired(array: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Rows of queries or keys: we rotate the first half of a head against the second, llama.cpp neighbours in pairs."""
    rows, columns = array.shape
    halves = array.reshape(heads, 2, rows // heads // 2, columns)
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(rows, columns))
