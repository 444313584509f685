"""Styles, mixes of styles, and packs of them: reading, adding, making."""
