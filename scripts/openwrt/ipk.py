"""Packages for opkg, of OpenWrt up to 24.10: a gzipped tar of two more and a version."""

import gzip
import io
import tarfile

from tree import About, Directory, File, opkg_scripts


def ipk(directories: list[Directory], about: About) -> bytes:
    data = _tar(directories, about.epoch)
    control = [File("control", 0o644, _control(about, len(data)).encode())]
    if about.conffiles:
        conffiles = "".join(f"{name}\n" for name in sorted(about.conffiles))
        control.insert(0, File("conffiles", 0o644, conffiles.encode()))
    for name, script in opkg_scripts().items():
        control.append(File(name, 0o755, script.encode()))
    members = [
        File("debian-binary", 0o644, b"2.0\n"),
        File("data.tar.gz", 0o644, _zip(data)),
        File("control.tar.gz", 0o644, _zip(_tar([Directory("", control)], about.epoch))),
    ]
    return _zip(_tar([Directory("", members)], about.epoch, with_directories=False))


def _control(about: About, installed_size: int) -> str:
    fields = {
        "Package": about.name,
        "Version": about.version,
        "Provides": ", ".join(about.provides),
        "License": about.licence,
        "Section": "net",
        "Require-User": about.user,
        "Architecture": about.architecture,
        "Installed-Size": str(installed_size),
        "Description": f" {about.description}",
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items() if value)


def _tar(directories: list[Directory], epoch: int, with_directories: bool = True) -> bytes:
    """Everything is root's, and as old as everything else."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for directory in directories:
            prefix = f"./{directory.name}/" if directory.name else "./"
            if with_directories:
                info = tarfile.TarInfo(prefix if prefix == "./" else prefix.rstrip("/"))
                info.type, info.mode, info.mtime = tarfile.DIRTYPE, 0o755, epoch
                tar.addfile(info)
            for file in directory.files:
                info = tarfile.TarInfo(prefix + file.name)
                info.size, info.mode, info.mtime = len(file.content), file.mode, epoch
                tar.addfile(info, io.BytesIO(file.content))
    return out.getvalue()


def _zip(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)
