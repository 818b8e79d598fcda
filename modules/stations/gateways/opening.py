"""Which way to stations the settings choose."""

from modules.stations.gateways.webhook import WebhookGateway
from ocpi.client import Client
from ocpi.gateway import Gateway, NoGateway
from ocpi.settings import MissingSecret, Settings
from ocpi.signing import key_of


def open_gateway(settings: Settings) -> Gateway:
    """The gateway to the operator's backend, or none where no webhook is set.

    Raises ``MissingSecret`` for a webhook without its secret, or with one that is no secret.
    """
    if settings.station_webhook_url is None:
        return NoGateway()
    if settings.station_webhook_secret is None:
        raise MissingSecret(
            "OCPI_STATION_WEBHOOK_URL needs OCPI_STATION_WEBHOOK_SECRET, which signs the requests."
        )
    try:
        key = key_of(settings.station_webhook_secret.get_secret_value())
    except ValueError:
        raise MissingSecret("OCPI_STATION_WEBHOOK_SECRET: Base64 is due behind whsec_.") from None
    # The operator's own backend may well live on a private network; and a station that is slow to
    # answer through it may not keep the others waiting.
    client = Client(allow_private=True, connections=100)
    return WebhookGateway(client, settings.station_webhook_url, key)
