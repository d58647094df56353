"""QEMU's qtest protocol, spoken by the side that listens.

Source: QEMU `docs/devel/testing/qtest.rst`. The machine under test connects to our socket; each
command is a line, each answer a line that starts with OK or FAIL, and `IRQ raise N` / `IRQ lower N`
may come between them.
"""

import base64
import os
import socket


# Lines sent ahead of their answers. QEMU stops to read while its answers are not taken: with
# more than both sockets hold, both sides would wait for each other.
IN_FLIGHT = 256


class MachineGone(Exception):
    """The peer closed its socket, or said nothing for the whole time limit."""


class Qtest:
    """One connection. Not safe for several threads."""

    def __init__(self, path, seconds=20.0):
        self.path = path
        self.seconds = seconds
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(path)
        self.listener.listen(1)
        self.listener.settimeout(seconds)
        self.peer = None
        self.pending = b""
        self.levels = {}
        self.edges = []

    def accept(self):
        """Waits for the machine. MachineGone when it does not come."""
        try:
            self.peer, _ = self.listener.accept()
        except socket.timeout:
            raise MachineGone("no connection to " + self.path) from None
        self.peer.settimeout(self.seconds)

    def close(self):
        for end in (self.peer, self.listener):
            if end is not None:
                end.close()
        if os.path.exists(self.path):
            os.unlink(self.path)

    def _line(self):
        while b"\n" not in self.pending:
            try:
                more = self.peer.recv(1 << 20)
            except (socket.timeout, ConnectionError) as error:
                raise MachineGone(f"no answer: {error}") from None
            if not more:
                raise MachineGone("end of the connection")
            self.pending += more
        line, self.pending = self.pending.split(b"\n", 1)
        return line.decode("ascii", "replace").rstrip("\r")

    def _answer(self):
        while True:
            words = self._line().split()
            if words[:1] == ["IRQ"]:
                line, raised = int(words[2]), words[1] == "raise"
                if self.levels.get(line, False) != raised:
                    self.edges.append((line, raised))
                self.levels[line] = raised
            elif words[:1] == ["OK"]:
                return words[1:]
            else:
                raise MachineGone("answer " + " ".join(words))

    def run(self, lines):
        """Sends the lines without waiting between them; the answers' words in the same order."""
        answers = []
        for start in range(0, len(lines), IN_FLIGHT):
            part = lines[start:start + IN_FLIGHT]
            try:
                self.peer.sendall(("\n".join(part) + "\n").encode())
            except OSError as error:
                raise MachineGone(f"does not listen: {error}") from None
            answers += [self._answer() for _ in part]
        return answers

    def ask(self, reads):
        """Sends reads whose values `told` waits for; so two machines work at the same time."""
        try:
            self.peer.sendall("".join(f"in{width} 0x{port:x}\n" for width, port in reads).encode())
        except OSError as error:
            raise MachineGone(f"does not listen: {error}") from None

    def told(self, count):
        return [int(self._answer()[0], 16) for _ in range(count)]

    def take_edges(self):
        """The changes of interrupt lines since the last call, as (line, raised)."""
        edges, self.edges = self.edges, []
        return edges

    def inputs(self, reads):
        """reads: list of (width letter, port); the values."""
        answers = self.run([f"in{width} 0x{port:x}" for width, port in reads])
        return [int(words[0], 16) for words in answers]

    def out(self, width, port, value):
        self.run([f"out{width} 0x{port:x} 0x{value:x}"])

    def read(self, address, size):
        data = b""
        while len(data) < size:
            part = min(size - len(data), 1 << 20)
            words = self.run([f"b64read 0x{address + len(data):x} 0x{part:x}"])[0]
            data += base64.b64decode(words[0])
        return data

    def write(self, address, data):
        for start in range(0, len(data), 1 << 18):
            part = data[start:start + (1 << 18)]
            text = base64.b64encode(part).decode()
            self.run([f"b64write 0x{address + start:x} 0x{len(part):x} {text}"])
