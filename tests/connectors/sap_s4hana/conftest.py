from __future__ import annotations

import pytest

from connectors.sap_s4hana.sap_bench import Sap


@pytest.fixture
def sap() -> Sap:
    return Sap()
