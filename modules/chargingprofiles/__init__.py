"""The module chargingprofiles: limits over time for running sessions."""
