"""A router as far as a machine that is none can be one: its files in a directory, its shell
(busybox), its init script, and the functions of OpenWrt that the script calls.
"""

import os
import shutil
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent

# How long things that should happen at once may take on a machine that is busy.
PATIENCE_SECS = 30.0
POLL_SECS = 0.05

_APPLETS = "sh cat cmp grep kill logger ls md5sum mkdir mv rm sed sleep sort start-stop-daemon " \
    "tar touch".split()


class Failed(Exception):
    """What was expected and did not happen."""


class Router:
    def __init__(self, root: Path, busybox: str):
        self.root = root
        for name in ("bin", "dev", "etc", "proc", "tmp", "usr/bin", "var", "sbin"):
            (root / name).mkdir(parents=True)
        root.chmod(0o755)
        shutil.copy(busybox, root / "bin/busybox")
        for applet in _APPLETS:
            (root / "bin" / applet).symlink_to("busybox")
        os.mknod(root / "dev/null", 0o020666, os.makedev(1, 3))
        (root / "dev/null").chmod(0o666)
        shutil.copy(HERE / "rc.common", root / "etc/rc.common")
        # Its presence makes the script describe a jail.
        (root / "sbin/ujail").touch(0o755)
        (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
        (root / "etc/group").write_text("root:x:0:\n")

    def shell(self, *argv: str) -> str:
        """What a command says; one that fails is a failure."""
        done = self.attempt(*argv)
        if done.returncode != 0:
            raise Failed(f"{' '.join(argv)}: exit code {done.returncode}: {done.stdout}")
        return done.stdout

    def attempt(self, *argv: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["chroot", str(self.root), *argv], text=True, timeout=PATIENCE_SECS,
            env={"PATH": "/usr/bin:/bin:/sbin"}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)

    def install(self, package: Path) -> None:
        """What opkg does: unpack the files, and make the user that the package asks for."""
        shutil.copy(package, self.root / "tmp/package.ipk")
        self.shell("sh", "-ec", """
            cd /tmp
            tar -xzf package.ipk
            tar -xzf data.tar.gz -C /
            mkdir control && tar -xzf control.tar.gz -C control
            rm package.ipk data.tar.gz control.tar.gz""")
        for line in (self.root / "tmp/control/control").read_text().splitlines():
            if line.startswith("Require-User: "):
                user, group = line.removeprefix("Require-User: ").split(":")
                self._add(*user.split("="), *group.split("="))

    def _add(self, user: str, uid: str, group: str, gid: str) -> None:
        with open(self.root / "etc/passwd", "a", encoding="utf-8") as file:
            file.write(f"{user}:x:{uid}:{gid}:{user}:/var/run/{user}:/bin/false\n")
        with open(self.root / "etc/group", "a", encoding="utf-8") as file:
            file.write(f"{group}:x:{gid}:\n")

    def service(self, action: str) -> str:
        return self.shell("sh", "/etc/rc.common", "/etc/init.d/trackerd", action)

    def write(self, name: str, text: str) -> None:
        """Puts another file in the place of one, in one step, as editors do."""
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        new = path.with_suffix(".new")
        new.write_text(text)
        new.rename(path)

    def read(self, name: str) -> str:
        return (self.root / name).read_text()

    def pid(self) -> int:
        return int(self.read("var/run/procd/main/pid"))

    def log(self) -> str:
        try:
            return self.read("var/log/messages")
        except FileNotFoundError:
            return ""

    def until_logged(self, text: str, times: int = 1) -> None:
        until(lambda: self.log().count(text) >= times, f"never in the log: {text}\n{self.log()}")


def until(condition, complaint: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECS
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(complaint)
        time.sleep(POLL_SECS)
