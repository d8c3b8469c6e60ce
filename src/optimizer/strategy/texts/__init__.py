"""Texts as readers and browsers take them: markup, links, phrases, placeholders."""
