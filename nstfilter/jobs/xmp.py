"""XMP, the form in which pictures and MP4 files carry facts about themselves: here, a recipe.

Adobe's XMP Specification, parts 1 and 3 (ISO 16684-1): a packet of RDF, which programs that do not know what
is in it leave alone.
"""

from __future__ import annotations

import re
from xml.sax.saxutils import escape, unescape

NAMESPACE = "urn:nstfilter:xmp/1.0/"
_PACKET = """\
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:nstfilter="{namespace}">
<nstfilter:recipe>{recipe}</nstfilter:recipe>
</rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""
# the second form is what other programs make of the first when they write the packet anew
_RECIPE = re.compile(r'<nstfilter:recipe>([^<]*)</nstfilter:recipe>|\bnstfilter:recipe="([^"<]*)"')
_QUOTES = {"&quot;": '"', "&apos;": "'", "&#34;": '"', "&#39;": "'"}


def packet(recipe: str) -> bytes:
    """The XMP packet that carries `recipe`, in UTF-8."""
    return _PACKET.format(namespace=NAMESPACE, recipe=escape(recipe)).encode()


def recipe_in(packet: bytes) -> str | None:
    """The recipe that an XMP packet in UTF-8 carries; None where it has none. Packets of strangers are looked
    through, not parsed: XML has ways to make a parser suffer."""
    found = _RECIPE.search(packet.decode(errors="replace"))
    return unescape(found[1] or found[2] or "", _QUOTES) if found else None
