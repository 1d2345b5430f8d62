"""BERT: masked-language-model accuracy, at BERT-large size or small on the bytes of a text."""
