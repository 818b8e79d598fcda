"""What stations report, and what becomes of it: EVSE statuses, Sessions, CDRs."""
