import pytest

from horos_gateway.settings import Settings, SettingsError

GIVEN = {
    "HOROS_GATEWAY_REDIS_URL": "redis://:hidden@redis:6379/0",
    "HOROS_GATEWAY_INSTALL": "horos.horos",
    "HOROS_GATEWAY_TOKEN": "0123456789abcdef",
}


def test_settings_are_read_from_the_environment():
    settings = Settings.from_environment(
        {**GIVEN, "HOROS_GATEWAY_PORT": "9000", "HOROS_GATEWAY_HOST": "", "X": "y"}
    )
    assert (settings.port, settings.host, settings.install) == (9000, "127.0.0.1", "horos.horos")
    assert "0123456789abcdef" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REDIS_URL", "http://redis"),
        ("REDIS_URL", ""),
        ("INSTALL", ""),
        ("TOKEN", "short-secret"),
        ("PORT", "70000"),
        ("COLOUR", "red"),
    ],
)
def test_a_wrong_variable_is_named_without_its_value(name, value):
    with pytest.raises(SettingsError, match=f"HOROS_GATEWAY_{name}: ") as refused:
        Settings.from_environment({**GIVEN, f"HOROS_GATEWAY_{name}": value})
    assert "short-secret" not in str(refused.value)
