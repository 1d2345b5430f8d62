"""Another kind of English to fine-tune to: the reference manuals of Docutils, in the public domain."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mlassay.core.fetch import Pinned, fetched

_TOP = "docutils-0.21.2/"
_FILES = {
    "docs/ref/doctree.txt": "7e7e5c1ccd715e9ca03d3c9b72f0bea214fcc05f63800afc46439a1f1a458a9c",
    "docs/ref/rst/restructuredtext.txt": "51511f2304db0b1472986bed1d16375d0f7d8494d2ff37ff473928d6bfcb3194",
    "docs/ref/rst/directives.txt": "55b31c2e5607ee779702a8943c049caf5fac1ac7269ef531517d11b90623d752",
    "docs/user/config.txt": "6538cb48f0117ba5fae8155d5844771647c524945510711029e92777820e8173",
    "docs/user/latex.txt": "4517f12201aeedbf8921b0ed2d12c809e0856b28ee44546b8ac6f835ed758086",
    "docs/user/odt.txt": "5357e0149292ed82285c33da558f2986ff47a1202b00e87c53222941d4936133",
    "docs/user/slide-shows.txt": "940d36957efe59b14c9617a5439efeb0ab17d0ccee544e0e14c3848f204ed345",
    "docs/dev/todo.txt": "c30384dcb6224f6cbcd24a6288729de3a5b12b9300a6546637c4a4d1435502ff",
    "docs/dev/rst/alternatives.txt": "b5e78cfa1b38316ad2e8dc94d4cf9d16bf01059c250614aa6948b463bb54ba02",
    "docs/dev/rst/problems.txt": "06945c1fbe1ef721778670e01d9119a751e9111fbe3beca13a20019f12ea7400",
    "docs/peps/pep-0258.txt": "0f3f3fc004834d820b7f361332f38a0c789491138d2c4d01b768a8119a51f770",
    "docs/peps/pep-0287.txt": "cf48a79c7828387c15e3d78cfc8879ae9c74ec2577d0b15c69357ce5b69bdf70",
    "FAQ.txt": "8b2ab34058f4ecb06985befba02cfd033a79d33b4e09bdadd8fe9ef433c04e6c",
}

MANUALS = Pinned(
    package="docutils",
    version="0.21.2",
    members={_TOP + name: digest for name, digest in _FILES.items()},
    size_mb=2.2,
    licence="these texts are in the public domain, as each of them says",
    source=True,
)


def load_manuals() -> npt.NDArray[np.uint8]:
    """Their bytes, one after the other; fetched once and kept."""
    return np.frombuffer(b"".join(path.read_bytes() for path in fetched(MANUALS).values()), np.uint8)
