"""HubClientInfo: who is connected to a hub (mod_hub_client_info)."""
