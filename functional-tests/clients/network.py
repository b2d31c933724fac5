"""A network, process tree and disk of the tests' own, gone without a trace when they end.

`run_apart` starts a program in new network, mount and process namespaces; `furnish` is what that
program calls first. When the first process of a process namespace ends, the kernel ends all the
others in it, however it came to its end itself; the files live in memory that only the mount
namespace knows.

The program's own network namespace is the tracker's host: it has several addresses and routes
between the clients' hosts, as a home router does. Every client has a host, a network namespace,
to itself, with one cable to the router and with addresses of the families it is to use.
"""

import contextlib
import ctypes
import ipaddress
import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

package = "iproute2"

# Hosts are numbered; these are the numbers of the tracker's.
ROUTER_HOSTS = range(1, 10)
# The networks on either side of the router. WAN has addresses as anybody may have them; they are
# ours in here, from where nothing can leave.
LAN = {4: "10.77.0.0", 6: "fd77::"}
WAN = {4: "45.77.0.0", 6: "2a77::"}
PR_SET_PDEATHSIG = 1


class NoNamespace(Exception):
    """This machine does not let us have a network of our own."""


def installed() -> bool:
    return shutil.which("ip") is not None


def address(number: int, family: int, side: dict = LAN) -> str:
    """The address of a numbered host."""
    return str(ipaddress.ip_address(side[family]) + number)


def run_apart(argv: list[str]) -> int:
    """Runs `argv` where it can call `furnish`; its exit code."""
    unshare = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0:
        unshare += ["--user", "--map-current-user", "--keep-caps"]
    _try_cable(unshare)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _frame: sys.exit(128 + number))
    child = subprocess.Popen([*unshare, *argv], start_new_session=True, preexec_fn=_end_with_us)
    try:
        return child.wait()
    finally:
        child.kill()
        child.wait()


def furnish(sides: tuple = (LAN,)) -> Path:
    """Makes this network namespace the router; an empty directory for whatever comes up."""
    # `ip` keeps the names of namespaces in /run, which thus has to be our own anyway.
    place = Path("/run")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", place], check=True)
    commands = ["link set lo up"]
    for side, number in itertools.product(sides, ROUTER_HOSTS):
        commands.append(f"address add {address(number, 4, side)}/32 dev lo")
        commands.append(f"address add {address(number, 6, side)}/128 dev lo nodad")
    _ip(commands)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("1")
    directory = place / "clients"
    directory.mkdir()
    return directory


class Host:
    """A client's host, with one address of each of the given families. On its side of the router
    it is talked to from the router's first address there."""

    _numbers = itertools.count(ROUTER_HOSTS.stop)

    def __init__(self, families: list[int], side: dict = LAN):
        number = next(self._numbers)
        self.name = f"host{number}"
        self.addresses = {family: address(number, family, side) for family in families}
        self.router = {family: address(ROUTER_HOSTS.start, family, side) for family in families}
        outside = [
            f"netns add {self.name}",
            f"link add {self.name} type veth peer name eth0 netns {self.name}",
            f"link set {self.name} up"]
        inside = ["link set lo up", "link set eth0 up"]
        if 4 in families:
            outside += [f"route add {self.addresses[4]}/32 dev {self.name} src {self.router[4]}"]
            inside += [
                f"address add {self.addresses[4]}/32 dev eth0",
                f"route add default via {self.router[4]} dev eth0 onlink"]
        if 6 in families:
            outside += [
                f"address add fe80::1/64 dev {self.name} nodad",
                f"route add {self.addresses[6]}/128 dev {self.name} src {self.router[6]}"]
            inside += [
                f"address add {self.addresses[6]}/128 dev eth0 nodad",
                "route add default via fe80::1 dev eth0"]
        _ip(outside)
        _ip(inside, "-netns", self.name)

    def take(self, addresses: list[str]) -> None:
        """Has the host go by these IPv4 addresses as well."""
        _ip([f"route add {taken}/32 dev {self.name} src {self.router[4]}" for taken in addresses])
        _ip([f"address add {taken}/32 dev eth0" for taken in addresses], "-netns", self.name)

    def command(self, argv: list[str]) -> list[str]:
        """The command that runs `argv` on this host."""
        return ["nsenter", f"--net=/run/netns/{self.name}", *argv]

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """What this thread opens meanwhile is on this host."""
        with open("/proc/thread-self/ns/net", encoding="ascii") as here:
            with open(f"/run/netns/{self.name}", encoding="ascii") as there:
                _set_network(there.fileno())
            try:
                yield
            finally:
                _set_network(here.fileno())

    def remove(self) -> None:
        _ip([f"netns delete {self.name}"])


def _set_network(namespace: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(namespace, 0) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _ip(commands: list[str], *options: str) -> None:
    subprocess.run(
        ["ip", *options, "-batch", "-"], input="\n".join(commands), text=True, check=True)


def _try_cable(unshare: list[str]) -> None:
    trial = subprocess.run(
        [*unshare, "ip", "link", "add", "trial", "type", "veth"],
        capture_output=True, text=True, check=False)
    if trial.returncode != 0:
        raise NoNamespace(trial.stderr.strip() or f"exit code {trial.returncode}")


def _end_with_us() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
