"""Keys of services and people, by the forms in which they are handed out. Pure."""

import re
from collections.abc import Iterator
from typing import Final

from memory_service.redaction.found import Found

# A key whose end is missing goes to the end of the text: what stands there is a part of it.
_PEM: Final = re.compile(
    r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:(?!-----END )[\s\S])*(?:-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----)?"
)
_JWT: Final = re.compile(r"(?<![A-Za-z0-9])eyJ[\w-]{8,2048}+\.eyJ[\w-]{8,8192}+\.[\w-]{0,4096}", re.ASCII)
_PREFIXED: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?:AKIA|ASIA)[A-Z0-9]{16}"  # Amazon
    r"|gh[oprsu]_[A-Za-z0-9]{36,255}|github_pat_\w{22,255}"  # GitHub
    r"|gl(?:pat|dt|rt|ptt)-[\w-]{20,128}"  # GitLab
    r"|xox[abeoprs]-[\w-]{10,255}|xapp-\d-[\w-]{10,255}"  # Slack
    r"|sk-(?:ant-|proj-|or-|svcacct-)?(?=[\w-]{0,255}\d)[\w-]{20,255}"  # of models
    r"|[rs]k_(?:live|test)_[A-Za-z0-9]{16,255}|whsec_[A-Za-z0-9+/=]{24,255}"  # Stripe
    r"|AIza[\w-]{35}|ya29\.[\w-]{20,2048}|GOCSPX-[\w-]{20,64}"  # Google
    r"|npm_[A-Za-z0-9]{36}|pypi-AgE[\w-]{50,512}|hf_[A-Za-z0-9]{30,64}|dckr_pat_[\w-]{20,64}"
    r"|dop_v1_[0-9a-f]{64}|SG\.[\w-]{22}\.[\w-]{43}|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}|EAA[A-Za-z0-9]{60,255}"
    r"|ms_(?=[a-z_-]{0,42}[A-Z0-9])[\w-]{43}"  # of this service; names of metrics have small letters only
    r")(?![A-Za-z0-9])",
    re.ASCII,
)
_BEARER: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:bearer|authorization:\s{0,4}(?:basic|token))\s{1,4}"
    r"((?=[\w.~+/-]{0,64}\d)[\w.~+/-]{16,4096}={0,2})",
    re.IGNORECASE | re.ASCII,
)
# What texts without any are passed over by: to look for each of these words is faster than for all of them at once.
_SCHEMES: Final = ("earer", "EARER", "uthorization", "UTHORIZATION")
_BEGINS: Final = (
    "AKIA", "ASIA", "gho_", "ghp_", "ghr_", "ghs_", "ghu_", "github_pat_", "glpat-", "gldt-", "glrt-", "glptt-", "xox", "xapp-",
    "sk-", "sk_", "rk_", "whsec_", "AIza", "ya29.", "GOCSPX-", "npm_", "pypi-", "hf_", "dckr_pat_", "dop_v1_", "SG.", "shpat_",
    "shpca_", "shppa_", "shpss_", "EAA", "ms_",
)  # fmt: skip


def find_secrets(text: str) -> Iterator[Found]:
    """Yield private keys, tokens and the keys of well-known services.

    >>> key = "ghp_" + "a1B2" * 9
    >>> [f.value[:7] for f in find_secrets(f"use {key}, not sk-learn-based-models-everywhere, Bearer of good news, eyJhb")]
    ['ghp_a1B']
    >>> [f.value[-8:] for f in find_secrets("Authorization: Bearer abcdefgh12345678 -----BEGIN PUBLIC KEY-----")]
    ['12345678']
    """
    if "PRIVATE KEY" in text:
        yield from (Found(*match.span(), match.group()) for match in _PEM.finditer(text))
    if "eyJ" in text:
        yield from (Found(*match.span(), match.group()) for match in _JWT.finditer(text))
    if any(word in text for word in _BEGINS):
        yield from (Found(*match.span(), match.group()) for match in _PREFIXED.finditer(text))
    if any(word in text for word in _SCHEMES):
        yield from (Found(*match.span(1), match[1]) for match in _BEARER.finditer(text))
