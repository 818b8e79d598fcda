"""The whole product in a minute, on real stations, and real charging sessions played again."""
