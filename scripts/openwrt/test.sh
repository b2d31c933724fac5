#!/bin/sh
# OpenWrt's builders run this after installing the package.
set -eu
case "$1" in
trackerd)
	trackerd --version | grep -F "$PKG_VERSION" >/dev/null
	trackerd -t -p 6969 -P 6969
	;;
esac
