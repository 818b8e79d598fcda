"""The module sessions: charging as it goes on, told to the eMSP whose driver it is."""
