"""The finders that are built in, by name. Pure."""

from collections.abc import Callable, Mapping
from typing import Final

from memory_service.redaction.addresses import find_emails, find_ips, find_url_credentials
from memory_service.redaction.found import Finder
from memory_service.redaction.national_ids import NationalIdFinder
from memory_service.redaction.numbers import find_cards, find_ibans
from memory_service.redaction.phones import PhoneFinder
from memory_service.redaction.secrets import find_secrets

# Each is made for the countries that a rule names; most know none.
FINDERS: Final[Mapping[str, Callable[[tuple[str, ...]], Finder]]] = {
    "email": lambda _: find_emails,
    "phone": PhoneFinder,
    "card": lambda _: find_cards,
    "iban": lambda _: find_ibans,
    "ip": lambda _: find_ips,
    "national_id": NationalIdFinder,
    "secret": lambda _: find_secrets,
    "url_credentials": lambda _: find_url_credentials,
}
