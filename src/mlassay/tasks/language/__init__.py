"""Question answering: which words of the paragraph answer the question?"""
