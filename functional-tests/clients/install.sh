#!/bin/sh
# Installs the Debian packages that the client tests need and do not find. Whoever may not do
# that is told their names; the tests that need them then say that they are skipped.
set -eu

here=$(dirname "$0")
python=/usr/bin/python3

if [ ! -x "$python" ]; then
    # The client libraries belong to Debian's Python, which has to be there to name the others.
    missing="python3 python3-libtorrent transmission-daemon aria2 rtorrent iproute2"
else
    missing=$("$python" "$here/run.py" --need)
fi
# To compare with, and to be asked by the meta-tracker; certificates for others it asks.
for program in opentracker openssl; do
    if ! command -v "$program" >/dev/null; then
        missing="$missing $program"
    fi
done
# What operators see it with.
for program in prometheus chromium chromedriver; do
    if ! command -v "$program" >/dev/null; then
        case $program in
        chromedriver) missing="$missing chromium-driver" ;;
        *) missing="$missing $program" ;;
        esac
    fi
done
if [ -z "$missing" ]; then
    exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "The client tests need these Debian packages: $missing"
    exit 0
fi

# Installing a daemon must not set it going, now or at the next boot.
policy=/usr/sbin/policy-rc.d
policy_is_ours=
remove_policy() {
    if [ -n "$policy_is_ours" ]; then
        rm -f "$policy"
    fi
}
trap remove_policy EXIT
trap 'exit 1' HUP INT TERM
if [ ! -e "$policy" ]; then
    policy_is_ours=yes
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

install_missing() {
    # shellcheck disable=SC2086 # one word for each package
    DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --quiet --no-install-recommends $missing
}
if ! install_missing; then
    apt-get update --quiet
    install_missing
fi

for daemon in transmission-daemon opentracker prometheus; do
    case " $missing " in
    *" $daemon "*)
        # Tells systemd as well, where there is one.
        update-rc.d "$daemon" disable || true
        ;;
    esac
done
