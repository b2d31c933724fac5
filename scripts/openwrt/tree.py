"""The files of a package as they will lie on the router."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass
class File:
    name: str
    mode: int
    content: bytes


@dataclass
class Directory:
    """A directory, named from the root and without slashes at the ends, and its own files."""

    name: str
    files: list[File]


def directories(root: Path) -> list[Directory]:
    """All directories below `root`, itself first, in the order of their names."""
    found = []
    for folder, _, names in os.walk(root):
        name = Path(folder).relative_to(root).as_posix()
        files = []
        for each in sorted(names):
            path = Path(folder, each)
            files.append(File(each, path.stat().st_mode & 0o7777, path.read_bytes()))
        found.append(Directory("" if name == "." else name, files))
    return sorted(found, key=lambda directory: directory.name.encode())


@dataclass
class About:
    """What package managers are told."""

    name: str
    version: str
    architecture: str
    description: str
    licence: str
    provides: list[str]
    conffiles: list[str]
    # Whom to make: `user=id:group=id`.
    user: str
    # When all of it was made, in seconds since 1970.
    epoch: int


# OpenWrt's own functions do the work: make the user, enable the service, start and stop it.
_FUNCTIONS = """\
[ -s ${IPKG_INSTROOT}/lib/functions.sh ] || exit 0
. ${IPKG_INSTROOT}/lib/functions.sh
"""
_UNLESS_FORBIDDEN = '[ "${IPKG_NO_SCRIPT}" = "1" ] && exit 0\n'


def opkg_scripts() -> dict[str, str]:
    return {
        "postinst": f"#!/bin/sh\n{_UNLESS_FORBIDDEN}{_FUNCTIONS}default_postinst $0 $@\n",
        "prerm": f"#!/bin/sh\n{_FUNCTIONS}default_prerm $0 $@\n",
    }


def apk_scripts(name: str) -> dict[str, str]:
    body = f'{_FUNCTIONS}export root="${{IPKG_INSTROOT}}"\nexport pkgname="{name}"\n'
    install = f"{_UNLESS_FORBIDDEN}{body}add_group_and_user\ndefault_postinst\n"
    return {
        "post-install": f"#!/bin/sh\n{install}",
        "pre-deinstall": f"#!/bin/sh\n{body}default_prerm\n",
        "post-upgrade": f"#!/bin/sh\nexport PKG_UPGRADE=1\n{install}",
    }
