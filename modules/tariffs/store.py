"""Tariffs as they are stored."""

from ocpi.spec.tariffs import Tariff
from ocpi.store import Store, StoredObject


class TariffRow(StoredObject, table=True):
    """A Tariff."""

    __tablename__ = "tariff"


tariffs = Store(TariffRow, Tariff)
