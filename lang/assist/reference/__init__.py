"""The language in short: what an editor shows of each word of it.

Completion and hover read these tables; a test compares them with those that the
parser has, so that no instruction, flag, mount field or variable goes without. Texts
are Markdown, one or two sentences each; docs/language.md is the whole.
"""
