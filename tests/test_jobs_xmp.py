from __future__ import annotations

from xml.etree import ElementTree

import pytest

from nstfilter.jobs.xmp import packet, recipe_in

TEXTS = ['{"a": 1}', "<&>\"'", "ünï ✓", "&amp;lt;", "]]>", "line\\n"]


@pytest.mark.parametrize("text", TEXTS)
def test_what_goes_in_comes_out(text):
    assert recipe_in(packet(text)) == text


@pytest.mark.parametrize("text", TEXTS)
def test_a_packet_is_proper_xml(text):
    (recipe,) = ElementTree.fromstring(packet(text).decode()).findall(".//{urn:nstfilter:xmp/1.0/}recipe")
    assert recipe.text == text


def test_other_programs_may_write_it_as_an_attribute():
    rewritten = b'<rdf:Description rdf:about="" nstfilter:recipe="{&quot;a&quot;: 1}" dc:format="x"/>'
    assert recipe_in(rewritten) == '{"a": 1}'


@pytest.mark.parametrize("other", [b"", b"\xff\xfe\x00", b"<x:xmpmeta/>", b"<nstfilter:recipe><b/>"])
def test_packets_of_strangers_have_none(other):
    assert recipe_in(other) is None
