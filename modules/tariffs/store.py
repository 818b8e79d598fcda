"""Tariffs as they are stored."""

from sqlalchemy import Index

from ocpi.editing import Document
from ocpi.headers import Party
from ocpi.mappings import Mappings
from ocpi.spec.tariffs import Tariff
from ocpi.store import PulledObject, Store


class TariffRow(PulledObject, table=True):
    """A Tariff."""

    __tablename__ = "tariff"
    __table_args__ = (
        Index("ix_tariff_owner", "owner", "position"),
        Index("ix_tariff_dated", "owner", "last_updated", "position"),
    )


class TariffStore(Store[TariffRow]):
    """Tariffs, of which some are new to a partner from the moment on that a mapping gives them."""

    def told(self, document: Document, mappings: Mappings) -> Document:
        """Dated no earlier than the mapping that gives it to the partner, or gave it."""
        owner = Party(document["country_code"], document["party_id"])
        date = mappings.date(owner.key, [document["id"]], document["last_updated"])
        return {**document, "last_updated": date}


tariffs = TariffStore(TariffRow, Tariff)
