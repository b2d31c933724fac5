"""Who takes part: where the programs come from, and how each is started and stopped.

Servers are alone on their cores, with one worker, and answer on the loopback only.
"""

import atexit
import contextlib
import functools
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
PEERS_DIR = CACHE / "trackerd-bench"
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
BUILT = TARGET / "bench"
NULL = BUILT / "release" / "bench-null"
LOAD = BUILT / "release" / "bench-load"

SERVER_CORES, LOAD_CORES = {0}, {1}
BOTH_CORES = {0, 1}

# Another build of trackerd may take its place.
programs = {"trackerd": TARGET / "release" / "trackerd"}
running = []


class Unavailable(Exception):
    """A contender that can't take part."""


@functools.cache
def scratch():
    """A directory for files that go away at the end."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="trackerd-bench-"))
    directory.chmod(0o755)
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


def say(text):
    """Tells about the progress."""
    print(text, file=sys.stderr, flush=True)


def build(with_trackerd):
    """Builds what is ours."""
    cargo = ["cargo", "build", "--release", "--quiet"]
    if with_trackerd:
        say("building trackerd")
        subprocess.run(cargo, cwd=ROOT, check=True)
    say("building the load generator and the null responders")
    manifest = ["--locked", "--manifest-path", HERE / "Cargo.toml", "--target-dir", BUILT]
    subprocess.run(cargo + manifest, check=True)


def install(allowed):
    """Gets the peers, if that is allowed; what could not be had, and why."""
    missing = {}
    wanted = [name for name in ["opentracker", "wrk"] if not shutil.which(name)]
    if wanted and allowed and os.geteuid() == 0 and shutil.which("apt-get"):
        command = ["apt-get", "install", "-y", "--no-install-recommends", *wanted]
        subprocess.run(command, stdout=sys.stderr, check=False)
    for name in wanted:
        if not shutil.which(name):
            missing[name] = f"`apt-get install {name}` has to be done by root"
    for crate in ["aquatic_udp", "aquatic_http"]:
        if not (PEERS_DIR / "bin" / crate).exists():
            reason = install_crate(crate) if allowed else "not installed yet"
            if reason:
                missing[crate] = reason
    return missing


def install_crate(crate):
    """Why the crate is not there; None if it is."""
    say(f"building {crate}, which takes some minutes")
    # Without its default features it has no exporter of metrics, which is not used here and whose
    # locked dependencies no longer compile. mimalloc is what it is published with.
    features = ["--no-default-features", "--features", "mimalloc"]
    target = BUILT / "peers"
    command = ["cargo", "install", "--locked", "--quiet", *features, "--root", PEERS_DIR]
    done = subprocess.run(
        [*command, "--target-dir", target, crate], capture_output=True, text=True, check=False
    )
    shutil.rmtree(target, ignore_errors=True)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error")]
    return errors[0] if done.returncode and errors else None


class Server:
    """A running server, alone on its cores."""

    def __init__(self, name, port, command, cwd=None, cores=None, host="127.0.0.1"):
        self.name, self.port, self.host = name, port, host
        self.log = tempfile.TemporaryFile(dir=scratch())
        self.cores = cores = cores or SERVER_CORES
        self.process = subprocess.Popen(
            [str(word) for word in command],
            cwd=cwd or scratch(),
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        running.append(self.process)
        self.await_answer()

    @property
    def address(self):
        """As programs take it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def cpu_secs(self):
        """Time on a core so far, of all threads."""
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def rest_secs(self):
        """Time so far in which its cores did nothing, in their mean."""
        lines = pathlib.Path("/proc/stat").read_text().splitlines()
        cores = [line.split() for line in lines if re.match(r"cpu\d", line)]
        mine = [core for core in cores if int(core[0][3:]) in self.cores]
        ticks = sum(int(core[4]) + int(core[5]) for core in mine)
        return ticks / os.sysconf("SC_CLK_TCK") / len(mine)

    def rss_bytes(self):
        """Its memory that is in use."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024

    def await_answer(self):
        """Waits until it serves."""
        deadline = time.monotonic() + 30
        while not (self.answers_udp() or self.answers_tcp()):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.log.seek(0)
                text = self.log.read().decode(errors="replace").strip()
                self.stop()
                raise Unavailable(f"{self.name} does not start: {text[-200:]}")
            time.sleep(0.05)

    def answers_udp(self):
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.1)
            probe.connect((self.host, self.port))
            try:
                probe.send(struct.pack(">QII", 0x41727101980, 0, 1))
                return len(probe.recv(2048)) >= 16
            except OSError:
                return False

    def answers_tcp(self):
        with contextlib.suppress(OSError):
            socket.create_connection((self.host, self.port), 0.1).close()
            return True
        return False

    def stop(self):
        """Ends it."""
        running.remove(self.process)
        stop(self.process)


def stop(process):
    """Ends a process, by force if need be."""
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def stop_all():
    """Ends what is still running."""
    while running:
        stop(running.pop())


@contextlib.contextmanager
def servers(*starts):
    """Starts what can be started of these, and stops it at the end."""
    started = []
    try:
        for start in starts:
            try:
                started.append(start())
            except Unavailable as reason:
                say(f"  left out: {reason}")
        yield started
    finally:
        for server in started:
            server.stop()


def free_port(host="127.0.0.1"):
    """A port that is free over both protocols."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as tcp, socket.socket(family, socket.SOCK_DGRAM) as udp_socket:
        tcp.bind((host, 0))
        udp_socket.bind((host, tcp.getsockname()[1]))
        return tcp.getsockname()[1]


def trackerd(*settings, name="trackerd", workers=1, cores=None, host="127.0.0.1"):
    """Ours."""

    def start():
        port = free_port(host)
        user = ["-u", "root"] if os.geteuid() == 0 else []
        command = [programs["trackerd"], "-i", host, "-p", port, "-P", port, *user]
        command += ["--workers", workers, "--http.connections_max", 10_000, *settings]
        return Server(name, port, command, cores=cores, host=host)

    return start


def opentracker(torrents, host="127.0.0.1"):
    """Debian's, with the population of so many torrents on its list."""

    def start():
        if not shutil.which("opentracker"):
            raise Unavailable("opentracker is not installed")
        # Debian's is closed to all torrents but those listed; as root it enters the directory.
        directory = pathlib.Path(tempfile.mkdtemp(dir=scratch()))
        directory.chmod(0o755)
        write_hashes(directory / "whitelist", torrents)
        port = free_port(host)
        command = ["opentracker", "-i", host, "-p", port, "-P", port, "-u", "nobody"]
        command += ["-d", directory, "-w", "whitelist"]
        return Server("opentracker", port, command, cwd=directory, host=host)

    return start


def write_hashes(path, torrents):
    """Writes the info-hashes of a population, one a line."""
    with open(path, "w", encoding="ascii") as file:
        command = [LOAD, "hashes", "--torrents", str(torrents)]
        subprocess.run(command, stdout=file, check=True)


def aquatic(crate, port, text):
    program = PEERS_DIR / "bin" / crate
    if not program.exists():
        raise Unavailable(f"{crate} is not installed")
    config = scratch() / f"{crate}-{port}.toml"
    config.write_text(text)
    return [program, "-c", config]


def aquatic_udp(host="127.0.0.1", peer_age=86_400, cleaning=86_400):
    """The published crate; it forgets nothing during the run, unless told to."""

    def start():
        port = free_port(host)
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        text = f"""
            socket_workers = 1
            [network]
            address = "{address}"
            only_ipv6 = {"true" if ":" in host else "false"}
            [cleaning]
            torrent_cleaning_interval = {cleaning}
            max_peer_age = {peer_age}
        """
        return Server("aquatic_udp", port, aquatic("aquatic_udp", port, text), host=host)

    return start


def aquatic_http(keep_alive):
    """The published crate, one thread for sockets and one for swarms, on one core."""

    def start():
        port = free_port()
        text = f"""
            socket_workers = 1
            swarm_workers = 1
            [network]
            address = "127.0.0.1:{port}"
            keep_alive = {"true" if keep_alive else "false"}
            [cleaning]
            torrent_cleaning_interval = 86400
            max_peer_age = 86400
            connection_cleaning_interval = 86400
        """
        return Server("aquatic_http", port, aquatic("aquatic_http", port, text))

    return start


def null(kind, *arguments, cores=None):
    """The floor."""

    def start():
        port = free_port()
        command = [NULL, kind, f"127.0.0.1:{port}", *arguments]
        return Server("null responder", port, command, cores=cores)

    return start
