"""What the benchmarks rest on: the measuring venue's loop."""

import os
import socket

from benchmarks.sockets import Loop, Peer

REQUEST = b"GET /time HTTP/1.1\r\n\r\n"


def test_a_command_that_reads_the_sockets_itself_leaves_no_connection_waiting() -> None:
    """A command and a request that come at once: the command's own turns answer what they find, and the connection lives on."""
    asked: list[str] = []

    def answer(peer: Peer, method: str, path: str, body: bytes, stamp_ns: int) -> bytes:
        asked.append(path)
        return b"{}"

    def command() -> None:
        os.read(reading, 1)
        loop.turn(0)

    loop = Loop(answer, lambda peer, payload, stamp_ns: None, lambda peer: None)
    reading, writing = os.pipe()
    loop.watch(reading, command)
    with socket.create_connection(("127.0.0.1", loop.port)) as client:
        loop.turn(1)
        client.sendall(REQUEST)
        os.write(writing, b"!")
        loop.turn(1)
        assert asked == ["/time"]
        assert len(loop.peers) == 1
    os.close(reading)
    os.close(writing)
