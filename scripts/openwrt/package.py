#!/usr/bin/env python3
"""Makes packages of trackerd for OpenWrt, without its SDK: .ipk for opkg (up to 24.10) and .apk
for apk (from 25.12 on), for every architecture of OpenWrt that runs the program.

usage: scripts/openwrt/package.py --target TARGET [--binary FILE] [--out DIRECTORY]

The same program and SOURCE_DATE_EPOCH give the same bytes.
"""

import argparse
import os
import shutil
import tempfile
import tomllib
from pathlib import Path

from apk import apk
from ipk import ipk
from tree import About, directories

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "scripts" / "openwrt" / "files"

# Target of scripts/cross: what OpenWrt calls the processors that run the program.
ARCHITECTURES = {
    "mipsel": ["mipsel_24kc", "mipsel_24kc_24kf", "mipsel_74kc"],
    "mips": ["mips_24kc"],
    "armv7": ["arm_cortex-a5_vfpv4", "arm_cortex-a7_neon-vfpv4", "arm_cortex-a7_vfpv4",
              "arm_cortex-a8_vfpv3", "arm_cortex-a9_neon", "arm_cortex-a9_vfpv3-d16",
              "arm_cortex-a15_neon-vfpv4"],
    # Those that name no floating point unit have none, whatever their core.
    "armv6": ["arm_arm1176jzf-s_vfp", "arm_cortex-a7", "arm_cortex-a9"],
    "armv5": ["arm_arm926ej-s"],
    "aarch64": ["aarch64_generic", "aarch64_cortex-a53", "aarch64_cortex-a72",
                "aarch64_cortex-a76"],
    "riscv64": ["riscv64_generic"],
    "i686": ["i386_pentium4"],
    "x86_64": ["x86_64"],
}

# Where files lie on the router, and with which mode.
LAYOUT = {
    "etc/init.d/trackerd": ("trackerd.init", 0o755),
    "etc/config/trackerd": ("trackerd.config", 0o600),
    "etc/capabilities/trackerd.json": ("trackerd.capabilities", 0o644),
}


def main() -> None:
    options = _options()
    binary = options.binary or ROOT / f"target/cross/{options.target}-router/trackerd"
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as root:
        lay_out(Path(root), binary)
        tree = directories(Path(root))
    for architecture in ARCHITECTURES[options.target]:
        about = _about(architecture)
        stem = f"{about.name}_{about.version}_{architecture}"
        for ending, package in ((".ipk", ipk), (".apk", apk)):
            path = options.out / (stem + ending)
            path.write_bytes(package(tree, about))
            print(path, path.stat().st_size)


def lay_out(root: Path, binary: Path) -> None:
    """Puts everything into `root` as it will lie on the router."""
    sources = {name: (FILES / source, mode) for name, (source, mode) in LAYOUT.items()}
    sources["usr/bin/trackerd"] = (binary, 0o755)
    for name, (source, mode) in sources.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, path)
        path.chmod(mode)


def _about(architecture: str) -> About:
    with open(ROOT / "Cargo.toml", "rb") as file:
        package = tomllib.load(file)["package"]
    return About(
        name=package["name"],
        # A hyphen would begin the release: 1.2.3-rc1 is 1.2.3_rc1 here.
        version=package["version"].replace("-", "_") + "-r1",
        architecture=architecture,
        description=package["description"],
        licence=package["license"],
        provides=["opentracker", "opentracker6"],
        conffiles=["/etc/config/trackerd", "/etc/opentracker.conf", "/etc/trackerd/"],
        user="trackerd=6969:trackerd=6969",
        epoch=int(os.environ.get("SOURCE_DATE_EPOCH", "0")),
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--target", choices=ARCHITECTURES, required=True)
    parser.add_argument("--binary", type=Path, metavar="FILE",
                        help="the program (default: target/cross/TARGET-router/trackerd)")
    parser.add_argument("--out", type=Path, metavar="DIRECTORY", default=ROOT / "target/package")
    return parser.parse_args()


if __name__ == "__main__":
    main()
