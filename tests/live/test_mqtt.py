"""States at a real MQTT broker: retained, with a last will, also when the broker was away."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from live.test_state_changes import VIEW

from seqcls.errors import UsageError
from seqcls.live.mqtt import MqttStates, MqttTarget
from seqcls.types import Event

PRESENT = Event("left/liver", "present", 5.5, 165, 6.75)
MOSQUITTO = shutil.which("mosquitto", path=f"{shutil.os.environ.get('PATH', '')}:/usr/sbin")  # type: ignore[attr-defined]


class Fake:
    """What is asked of paho's client."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *given, **named: self.calls.append((name, *given)) or SimpleNamespace(wait_for_publish=print)


def test_the_last_states_are_published_again_when_the_broker_is_back() -> None:
    fake, said = Fake(), list[str]()
    states = MqttStates(
        MqttTarget.parse("mqtts://doctor:s%20cret@host/ward/1"), notify=said.append, client=lambda: fake
    )
    assert ("username_pw_set", "doctor", "s cret") in fake.calls and ("tls_set",) in fake.calls
    assert ("will_set", "ward/1/availability", "offline") in fake.calls and (
        "connect_async",
        "host",
        8883,
    ) in fake.calls
    states.event(PRESENT)
    states._failed(fake, None)
    states._failed(fake, None)
    fake.calls.clear()
    states._connected(fake, None, None, SimpleNamespace(is_failure=False), None)
    (_, topic, online), (_, organ, line) = fake.calls
    assert (topic, online, organ) == ("ward/1/availability", "online", "ward/1/left_liver/state")
    assert json.loads(line)["last_known_s"] == 5.5
    assert said == [
        "MQTT mqtts://host:8883 cannot be reached; tried again, the run goes on",
        "MQTT mqtts://host:8883 is there again",
    ]
    states.close()
    assert fake.calls[-1] == ("loop_stop",)


@pytest.mark.parametrize(
    "wrong",
    [
        "http://host",
        "mqtt://",
        "mqtt://u:secret@host:99999",
        "mqtt://u:secret@host/a/#",
        "mqtt://[secret",
        "mqtt://h/x?secret",
    ],
)
def test_addresses_that_cannot_be_right(wrong: str) -> None:
    with pytest.raises(UsageError, match="takes mqtt://") as caught:
        MqttTarget.parse(wrong)
    assert "secret" not in str(caught.value)


def test_an_address_may_stand_in_a_file_and_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "broker").write_text("mqtt://u:secret@[::1]/\n")
    target = MqttTarget.parse(str(tmp_path / "broker"))
    assert target.shown == "mqtt://[::1]:1883" and target.prefix == "seqcls" and "secret" not in repr(target)


def test_without_paho_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    with pytest.raises(UsageError, match=r"pip install 'seqcls\[mqtt\]'"):
        MqttStates(MqttTarget.parse("mqtt://host"))


@contextmanager
def broker(port: int) -> Iterator[subprocess.Popen[bytes]]:
    assert MOSQUITTO
    quiet = subprocess.DEVNULL
    with subprocess.Popen([MOSQUITTO, "-p", str(port)], stdout=quiet, stderr=quiet) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.skipif(MOSQUITTO is None, reason="no MQTT broker: apt-get install mosquitto")
def test_a_real_broker_that_is_killed_and_comes_back() -> None:
    mqtt = pytest.importorskip("paho.mqtt.client")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    got: list[tuple[str, str]] = []
    came = threading.Condition()

    def take(client: Any, userdata: object, message: Any) -> None:
        with came:
            got.append((message.topic, message.payload.decode()))
            came.notify_all()

    def wait_for(topic: str, part: str) -> None:
        with came:
            assert came.wait_for(lambda: any(t == topic and part in text for t, text in got), 60), got
            got.clear()

    listener = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    listener.on_message = take
    listener.on_connect = lambda client, *_: client.subscribe("ward/#", qos=1)
    listener.reconnect_delay_set(1, 1)
    listener.connect_async("127.0.0.1", port)
    listener.loop_start()
    try:
        with closing(MqttStates(MqttTarget.parse(f"mqtt://127.0.0.1:{port}/ward"))) as states:
            states._client.reconnect_delay_set(1, 1)
            with broker(port):
                states.view(VIEW)
                wait_for("ward/liver/state", '"absent"')
            states.event(Event("liver", "present", 5.5, 165, 6.75))  # nobody is there
            with broker(port):
                wait_for("ward/liver/state", '"present"')
                states.view(VIEW)
                wait_for("ward/liver/state", '"absent"')
                states._client._sock.shutdown(socket.SHUT_RDWR)  # as a process that dies
                wait_for("ward/availability", "offline")
                wait_for("ward/availability", "online")
                states.close()
                wait_for("ward/availability", "offline")
    finally:
        listener.disconnect()
        listener.loop_stop()
