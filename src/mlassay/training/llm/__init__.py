"""GPT-class language models: the GPT-3 shape and the Llama shape."""
