"""An OpenIGTLink server as other programs meet it: several at once, late ones, slow ones."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from live.test_state_changes import VIEW
from support.feeds import until

from seqcls.errors import UsageError
from seqcls.live.igtl_server import IMAGE_DEVICE, IgtlServer
from seqcls.types import Event

PRESENT = Event("liver", "present", 5.5, 165, 6.75)
SHOWN = replace(VIEW, organs=(replace(VIEW.organs[0], state="present", since_s=5.5),))
IMAGE = np.arange(12, dtype=np.uint8).reshape(3, 4)


def test_clients_get_states_and_the_image_as_pyigtl_reads_them() -> None:
    pyigtl = pytest.importorskip("pyigtl")
    with closing(IgtlServer(0, image=True)) as server:
        clients = [pyigtl.OpenIGTLinkClient(host="127.0.0.1", port=server.port) for _ in range(2)]
        until(lambda: len(server._clients) == 2)
        server.view(VIEW)
        server.event(PRESENT)
        server.view(SHOWN)
        for client in clients:
            message = client.wait_for_message("liver", timeout=20)  # it keeps the latest alone
            while json.loads(message.string)["state"] != "present":
                message = client.wait_for_message("liver", timeout=20)
            assert message.message_type == "STRING" and json.loads(message.string)["start_s"] == 5.5
        late = pyigtl.OpenIGTLinkClient(host="127.0.0.1", port=server.port)
        message = late.wait_for_message("liver", timeout=20)
        assert json.loads(message.string)["state"] == "present" and abs(message.timestamp - time.time()) < 300
        server.view(replace(VIEW, organs=(), image=IMAGE))
        for client in (*clients, late):
            image = client.wait_for_message(IMAGE_DEVICE, timeout=20)
            assert image.image.tolist() == IMAGE[None].tolist()
            client.stop()


def test_a_client_that_takes_nothing_is_dropped_with_one_line() -> None:
    now_s, said = [0.0], list[str]()
    with closing(IgtlServer(0, image=True, notify=said.append, clock=lambda: now_s[0])) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as slow:
            until(lambda: server._clients)
            large = replace(VIEW, organs=(), image=np.zeros((3000, 3000), np.uint8))
            server.view(large)
            until(lambda: server._clients and server._clients[0].waiting)

            def passed(seconds: float) -> None:
                """That it was, and that the server has looked after that."""
                looks, look = threading.Event(), server._looked
                server._looked = lambda: (looks.set(), look())[1]  # type: ignore[method-assign, func-returns-value]
                now_s[0] += seconds
                server._wake()
                assert looks.wait(20)
                server._wake()
                server._looked = look  # type: ignore[method-assign]

            for _ in range(3):
                passed(60.0)  # this computer stood still
            assert server._clients and not said

            def is_dropped() -> bool:
                passed(0.4)  # the system's own buffers may have taken some more
                return not server._clients

            until(is_dropped)
            assert said == ["OpenIGTLink: a client is too slow and is dropped; the run goes on"]
            assert slow.recv(1)
        with socket.create_connection(("127.0.0.1", server.port)):
            until(lambda: len(server._clients) == 1)
        until(lambda: not server._clients)  # gone by itself: nobody needs to know
    assert len(said) == 1


def test_a_port_in_use_is_refused() -> None:
    with closing(IgtlServer(0)) as server, pytest.raises(UsageError, match=rf"port {server.port} is not available"):
        IgtlServer(server.port)
