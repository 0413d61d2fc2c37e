"""A second opinion: a slow, plain interpreter of the campaign language, and random sites and histories to compare it on.

Written from the specification of the language and from docs/language-choices.md, not from the code. It keeps what
happened and nothing else: for each question it looks at the user's whole history again. Where it and the actors
disagree, one of them is wrong, or the documents are silent.
"""
