"""States for an MQTT broker: retained, one topic for each organ, and one that says whether anybody watches."""

from __future__ import annotations

import os
import re
import secrets
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from seqcls.credentials import MQTT, secret, stated_lines
from seqcls.errors import UsageError
from seqcls.live.background import Notify, nothing
from seqcls.live.snapshot import LiveView
from seqcls.live.state_changes import StateChanges
from seqcls.text.wording import count_of
from seqcls.third_party import library
from seqcls.types import Event

#: How many messages wait in memory for a broker that is away; of later ones the last state of each organ is kept alone.
MAX_QUEUED = 1000
_QUEUE_IS_FULL = 15  # MQTT_ERR_QUEUE_SIZE of paho
_CONNECT_S, _CLOSE_S, _MOST_S = 5.0, 2.0, 30
_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class MqttTarget:
    """A broker; ``prefix`` begins the topics. User and password are shown nowhere."""

    scheme: str
    host: str
    port: int
    prefix: str
    user: str | None = field(repr=False)
    password: str | None = field(repr=False)

    @property
    def shown(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @classmethod
    def parse(cls, url: str) -> MqttTarget:
        """``mqtt://USER:PASSWORD@HOST:PORT/PREFIX`` or mqtts://. Raises UsageError, without what is secret."""
        try:
            parts = urllib.parse.urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
            parts = urllib.parse.urlsplit("")
        prefix = urllib.parse.unquote(parts.path).strip("/")
        known = parts.scheme in _PORTS and host and port != 0
        if not known or not host or parts.query or "#" in url or re.search(r"[\s+#\0]", prefix):
            raise UsageError(
                "--mqtt takes mqtt://HOST:PORT/TOPIC or mqtts://, or a file that holds it, with a port from 1 to 65535,"
                " without + and #"
            )
        return cls(
            parts.scheme,
            host,
            _PORTS[parts.scheme] if port is None else port,
            prefix if prefix else "seqcls",
            None if parts.username is None else urllib.parse.unquote(parts.username),
            None if parts.password is None else urllib.parse.unquote(parts.password),
        )


def mqtt_target(stated: str | None, environ: Mapping[str, str] = os.environ) -> MqttTarget | None:
    """The broker that ``stated`` is, an address or a file with one on its first line, else that of $SEQCLS_MQTT, else
    None. Raises UsageError, without what is secret."""
    if stated is None:
        lines = secret(MQTT, environ).splitlines()
        if not lines:
            return None
    else:
        lines = stated_lines("--mqtt", stated, "mqtt://host/topic")
    return MqttTarget.parse(lines[0].strip() if lines else "")


class MqttStates:
    """Publishes each change of state, retained, at least once; reconnects by itself, and the run never waits.

    Topics: ``PREFIX/availability`` is online or offline, also when the process dies (last will); ``PREFIX/ORGAN/state``
    holds what ``StateChanges`` passes on. After each connection, what waited is published in order, ``MAX_QUEUED``
    messages at most, then the last state of each organ where the broker does not hold that, and only then online: the
    states of a run that crashed are never taken for those of this one. ``left_out`` counts what there was no room for.
    ``client`` makes paho's client. Raises UsageError where paho-mqtt is not installed.
    """

    def __init__(
        self, target: MqttTarget, *, notify: Notify = nothing, client: Callable[[], Any] | None = None
    ) -> None:
        self._target, self._notify = target, notify
        self.left_out = 0
        self._away = self._closed = False
        # What the broker has not confirmed, by message id, and what it has, by organ; the confirmation may come before
        # paho has said which id the message got. Never held while paho is called: it has locks of its own.
        self._lock = threading.Lock()
        self._waiting: dict[int, tuple[str, str]] = {}
        self._early: set[int] = set()
        self._confirmed: dict[str, str] = {}
        self._may_lack = False
        self._has_states = False  # whether every organ's state of this run is known here: from the first view on
        self._availability = f"{target.prefix}/availability"
        self._changes = StateChanges(self._publish)
        self._client = _paho_client() if client is None else client()
        if target.user is not None:
            self._client.username_pw_set(target.user, target.password)
        if target.scheme == "mqtts":
            self._client.tls_set()
        self._client.will_set(self._availability, "offline", qos=1, retain=True)
        self._client.on_connect, self._client.on_disconnect = self._connected, self._disconnected
        self._client.on_connect_fail, self._client.on_publish = self._failed, self._published
        self._client.connect_timeout = _CONNECT_S
        self._client.max_queued_messages_set(MAX_QUEUED)
        self._client.reconnect_delay_set(1, _MOST_S)
        self._client.connect_async(target.host, target.port)
        self._client.loop_start()

    def begin(self, run: str, emitted: Iterable[Event] = (), pending: Iterable[Event] = ()) -> None:
        """As ``StateChanges.begin``; ``pending`` is of no use here."""
        self._changes.begin(run, emitted)

    def event(self, event: Event) -> None:
        """A change of state that is certain."""
        self._changes.event(event)

    def view(self, view: LiveView) -> None:
        """The run as people are shown it now."""
        self._changes.view(view)
        if not self._has_states:
            self._has_states = True
            self._catch_up()

    def close(self) -> None:
        """Say that nobody watches any more, within some seconds, and end. May be called again."""
        if self._closed:
            return
        self._closed = True
        if self._client.is_connected():
            self._changes.end()
            said = self._client.publish(self._availability, "offline", qos=1, retain=True)
            said.wait_for_publish(_CLOSE_S)
        self._client.disconnect()
        self._client.loop_stop()
        if missing := self.left_out + sum(bool(organ) for organ, _ in self._waiting.values()):
            self._notify(f"MQTT {self._target.shown}: {count_of(missing, 'change')} of state not delivered")

    def _topic(self, organ: str) -> str:
        """No two organs share one."""
        return f"{self._target.prefix}/{re.sub(r'[/+#%]', lambda found: f'%{ord(found[0]):02X}', organ)}/state"

    def _publish(self, organ: str, line: str) -> None:
        self._send(self._topic(organ) if organ else self._availability, organ, line)

    def _send(self, topic: str, organ: str, line: str) -> None:
        sent = self._client.publish(topic, line, qos=1, retain=True)
        if sent.rc == _QUEUE_IS_FULL:
            self._may_lack = True
            self.left_out += bool(organ)
            if self.left_out == 1 and organ:
                self._notify(f"MQTT {self._target.shown} is away for too long: changes are left out")
            return
        with self._lock:
            if sent.mid in self._early:
                self._early.remove(sent.mid)
                self._confirmed[organ] = line
            else:
                self._waiting[sent.mid] = organ, line
        self._catch_up()

    def _published(self, client: Any, userdata: object, mid: int, reason: object, properties: object) -> None:
        with self._lock:
            if mid in self._waiting:
                organ, line = self._waiting.pop(mid)
                self._confirmed[organ] = line
            else:
                self._early.add(mid)
        self._catch_up()

    def _catch_up(self) -> None:
        """What the broker lacks once all that waited is there: it forgot states, or there was no room for the last."""
        with self._lock:
            if not self._may_lack or not self._has_states or self._waiting or self._away:
                return
            self._may_lack = False
            wanted = {**self._changes.latest, "": "online"}
            lacking = [one for one in wanted.items() if self._confirmed.get(one[0]) != one[1]]
        for organ, line in lacking:
            self._publish(organ, line)

    def _connected(self, client: Any, userdata: object, flags: object, reason: Any, properties: object) -> None:
        if reason.is_failure:
            self._say_away(f"refuses the connection ({reason})")
            return
        if self._away:
            self._away = False
            self._notify(f"MQTT {self._target.shown} is there again")
        with self._lock:
            self._confirmed.clear()  # by another broker, perhaps, or by one that forgets when it is stopped
            self._may_lack = True
        if not self._has_states:
            self._publish("", "offline")  # that of a run whose end the broker has not noticed yet may be there
        self._catch_up()

    def _disconnected(self, client: Any, userdata: object, flags: object, reason: Any, properties: object) -> None:
        if not self._closed:
            self._say_away("is away")

    def _failed(self, client: Any, userdata: object) -> None:
        if not self._away:
            untrusted = self._target.scheme == "mqtts" and _why_untrusted(self._target)
            self._say_away(untrusted or "cannot be reached")

    def _say_away(self, why: str) -> None:
        if not self._away:
            self._away = True
            self._notify(f"MQTT {self._target.shown} {why}; tried again, the run goes on")


def _why_untrusted(target: MqttTarget) -> str:
    """What is wrong with the broker's certificate, "" where it is not that: paho does not say why it failed."""
    try:
        with socket.create_connection((target.host, target.port), _CONNECT_S) as plain:
            ssl.create_default_context().wrap_socket(plain, server_hostname=target.host).close()
    except ssl.SSLCertVerificationError as error:
        return (
            f"has a certificate that this computer does not trust ({error.verify_message}): set SSL_CERT_FILE to the"
            " file with that of its authority"
        )
    except OSError:
        pass
    return ""


def _paho_client() -> Any:
    try:
        mqtt = library("paho.mqtt.client")
    except ImportError:
        raise UsageError("--mqtt needs paho-mqtt: pip install 'seqcls[mqtt]'") from None
    # One name for all connections of a run: the broker ends the one before it, and publishes its last will, when the
    # next one comes, and not a minute later over its "online".
    return mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"seqcls-{secrets.token_hex(8)}")
