"""Tariffs as they are stored."""

from sqlalchemy import Index

from ocpi.spec.tariffs import Tariff
from ocpi.store import PulledObject, Store


class TariffRow(PulledObject, table=True):
    """A Tariff."""

    __tablename__ = "tariff"
    __table_args__ = (Index("ix_tariff_owner", "owner", "position"),)


tariffs = Store(TariffRow, Tariff)
