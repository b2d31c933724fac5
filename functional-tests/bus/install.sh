#!/bin/sh
# Installs the Debian packages that the tests of many nodes need and do not find; whoever may not
# do that is told their names, and the tests say that they are skipped. No daemon is set going.
set -eu
missing=
need() {
    command -v "$1" >/dev/null || missing="$missing $2"
}
need redis-server redis-server
need redis-cli redis-tools
need ip iproute2
need haproxy haproxy
need nginx nginx
[ -e /usr/lib/nginx/modules/ngx_http_js_module.so ] || missing="$missing libnginx-mod-http-js"
/usr/bin/python3 -c 'import libtorrent' 2>/dev/null || missing="$missing python3-libtorrent"
[ -n "$missing" ] || exit 0

policy=/usr/sbin/policy-rc.d
if [ "$(id -u)" -eq 0 ] && [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
# shellcheck disable=SC2086 # one word for each package
sh "$(dirname "$0")/../../scripts/install-packages" $missing || exit 0
