"""States at a real MQTT broker: retained, with a last will, also when the broker was away."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from live.test_state_changes import VIEW
from support.certificates import certificate
from support.feeds import until

from seqcls.cli.hide_arguments import covered
from seqcls.errors import UsageError
from seqcls.live.mqtt import MqttStates, MqttTarget, mqtt_target
from seqcls.types import Event

PRESENT = Event("left/liver", "present", 5.5, 165, 6.75)
NOTHING = replace(VIEW, organs=())
MOSQUITTO = shutil.which("mosquitto", path=f"{shutil.os.environ.get('PATH', '')}:/usr/sbin")  # type: ignore[attr-defined]


class Fake:
    """What is asked of paho's client, which has room for ``room`` messages that no broker has confirmed."""

    def __init__(self, room: int = 1000) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.room, self.count = room, 0

    def __getattr__(self, name: str) -> Any:
        return lambda *given, **named: self.calls.append((name, *given))

    def publish(self, *given: Any, **named: Any) -> Any:
        full = self.room == 0
        if not full:
            self.room, self.count = self.room - 1, self.count + 1
            self.calls.append(("publish", *given))
        return SimpleNamespace(rc=15 if full else 0, mid=self.count, wait_for_publish=print)

    def confirm(self, states: MqttStates, first: int, last: int) -> None:
        for number in range(first, last + 1):
            self.room += 1
            states._published(self, None, number, None, None)

    def published(self) -> list[tuple[str, str]]:
        """Since it was last asked: the topics, and the states or words."""
        found = [(topic, text) for name, topic, text in (c for c in self.calls if c[0] == "publish")]
        self.calls.clear()
        return [(topic, json.loads(text)["state"] if text[0] == "{" else text) for topic, text in found]


CONNECTED = (None, None, SimpleNamespace(is_failure=False), None)


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
    states.view(NOTHING)
    states._failed(fake, None)
    states._failed(fake, None)
    assert fake.published() == [("ward/1/left%2Fliver/state", "present")]
    states._connected(fake, *CONNECTED)
    assert fake.published() == []  # paho sends what waited itself
    fake.confirm(states, 1, 1)
    assert fake.published() == [("ward/1/availability", "online")]
    fake.confirm(states, 2, 2)
    assert fake.published() == []
    states._disconnected(fake, *CONNECTED)
    states._connected(fake, *CONNECTED)  # a broker that forgot: the state is told again, once
    assert fake.published() == [("ward/1/left%2Fliver/state", "present"), ("ward/1/availability", "online")]
    fake.confirm(states, 3, 4)
    assert fake.published() == []
    there = "MQTT mqtts://host:8883 is there again"
    assert said == [
        "MQTT mqtts://host:8883 cannot be reached; tried again, the run goes on",
        there,
        "MQTT mqtts://host:8883 is away; tried again, the run goes on",
        there,
    ]
    states.close()
    assert fake.calls[-1] == ("loop_stop",) and len(said) == 4


def test_what_there_is_no_room_for_is_said_and_the_last_state_follows() -> None:
    fake, said = Fake(room=2), list[str]()
    states = MqttStates(MqttTarget.parse("mqtt://host"), notify=said.append, client=lambda: fake)
    for index, state in enumerate(("present", "absent", "present", "unknown")):
        states.event(Event("liver", state, float(index), index, index + 0.5))  # type: ignore[arg-type]
        states.view(NOTHING)
    assert fake.published() == [("seqcls/liver/state", "present"), ("seqcls/liver/state", "absent")]
    states._connected(fake, *CONNECTED)
    fake.confirm(states, 1, 2)
    assert fake.published() == [("seqcls/liver/state", "unknown"), ("seqcls/availability", "online")]
    assert states.left_out == 2
    states.close()
    assert said == [
        "MQTT mqtt://host:1883 is away for too long: changes are left out",
        "MQTT mqtt://host:1883: 3 changes of state not delivered",  # the last one is not confirmed
    ]


@pytest.mark.parametrize("early", [True, False], ids=["there before the run begins", "there later"])
def test_online_comes_after_the_first_states_of_this_run_and_the_end_leaves_none_known(early: bool) -> None:
    """The broker may hold those of a run that crashed, and its "online", too."""
    fake = Fake()
    states = MqttStates(MqttTarget.parse("mqtt://host"), client=lambda: fake)
    topics = [f"seqcls/{organ}/state" for organ in ("liver", "spleen")]
    if early:
        states._connected(fake, *CONNECTED)
        assert fake.published() == [("seqcls/availability", "offline")]
        fake.confirm(states, 1, 1)
    count = fake.count
    begun = [replace(VIEW.organs[0], organ=organ, state="unknown", reason="not begun") for organ in ("liver", "spleen")]
    states.view(replace(VIEW, feed="connecting", now_s=0.0, organs=(*begun,)))
    assert fake.published() == [(topic, "unknown") for topic in topics]
    if not early:
        states._connected(fake, *CONNECTED)
    fake.confirm(states, count + 1, count + 1)
    assert fake.published() == []
    fake.confirm(states, count + 2, count + 2)
    assert fake.published() == [("seqcls/availability", "online")]
    states.event(Event("liver", "present", 5.5, 165, 6.75))
    states.view(NOTHING)
    fake.calls.clear()
    fake.is_connected = lambda: True  # type: ignore[attr-defined]
    states.close()  # without a last view, as after an error
    assert fake.published() == [("seqcls/liver/state", "unknown"), ("seqcls/availability", "offline")]


def test_no_two_organs_share_a_topic() -> None:
    states = MqttStates(MqttTarget.parse("mqtt://host/ward"), client=Fake)
    topics = [states._topic(name) for name in ("a/b", "a_b", "a+b", "a#b", "a%2Fb", "a$b")]
    assert len({*topics}) == 6 and topics[:2] == ["ward/a%2Fb/state", "ward/a_b/state"]
    assert not any(set(topic.removeprefix("ward/").removesuffix("/state")) & set("/+#") for topic in topics)


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
        mqtt_target(wrong)
    assert "secret" not in str(caught.value)


def test_an_address_may_stand_in_a_file_and_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "broker").write_text("mqtt://u:secret@[::1]/\n")
    target = mqtt_target(str(tmp_path / "broker"))
    assert target is not None
    assert target.shown == "mqtt://[::1]:1883" and target.prefix == "seqcls" and "secret" not in repr(target)


def test_an_address_may_stand_in_the_environment(tmp_path: Path) -> None:
    assert mqtt_target(None, {}) is None
    target = mqtt_target(None, {"SEQCLS_MQTT": "mqtt://doctor:secret@host/ward"})
    assert target is not None and target.password == "secret" and target.prefix == "ward"
    (tmp_path / "broker").write_text("mqtts://host\n")
    target = mqtt_target(None, {"SEQCLS_MQTT_FILE": str(tmp_path / "broker")})
    assert target is not None and target.shown == "mqtts://host:8883"
    assert "secret" not in "".join(covered(["--mqtt", "mqtt://doctor:secret@host/ward"]))


def test_without_paho_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    with pytest.raises(UsageError, match=r"pip install 'seqcls\[mqtt\]'"):
        MqttStates(MqttTarget.parse("mqtt://host"))


@contextmanager
def broker(arguments: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    assert MOSQUITTO
    quiet = subprocess.DEVNULL
    with subprocess.Popen([MOSQUITTO, *arguments], stdout=quiet, stderr=quiet) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.skipif(MOSQUITTO is None, reason="no MQTT broker: apt-get install mosquitto")
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <ssl.SSLSocket"
)  # paho leaves one that failed to the collector
@pytest.mark.parametrize("trusted", [True, False])
def test_a_broker_with_a_certificate(trusted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that this computer trusts; of another it is said why nothing comes of it."""
    pytest.importorskip("paho.mqtt.client")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    pem = certificate(tmp_path, "127.0.0.1")
    others = tmp_path / "others"
    others.mkdir()
    monkeypatch.setenv("SSL_CERT_FILE", str(pem if trusted else certificate(others, "127.0.0.1")))
    (tmp_path / "broker.conf").write_text(
        f"listener {port} 127.0.0.1\nuser root\nallow_anonymous true\ncertfile {pem}\nkeyfile {pem}\n"
    )
    said: list[str] = []
    with broker(["-c", str(tmp_path / "broker.conf")]):
        until(lambda: answers(port))
        with closing(MqttStates(MqttTarget.parse(f"mqtts://127.0.0.1:{port}/ward"), notify=said.append)) as states:
            states.view(VIEW)
            until(lambda: states._confirmed.keys() >= {"liver"} if trusted else said)
    if trusted:
        assert said == []
    else:
        assert "has a certificate that this computer does not trust (" in said[0] and "SSL_CERT_FILE" in said[0]


def answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


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
            with broker(["-p", str(port)]):
                states.view(VIEW)
                wait_for("ward/liver/state", '"absent"')
            states.event(Event("liver", "present", 5.5, 165, 6.75))
            states.view(NOTHING)  # nobody is there
            with broker(["-p", str(port)]):
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
