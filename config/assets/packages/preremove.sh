#!/bin/sh
# Stops and disables the service before its files are removed, but not before an upgrade.
set -e

# deb: "remove" or "upgrade"; rpm: how many packages will remain.
case "$1" in
remove | 0) ;;
*) exit 0 ;;
esac

if [ -d /run/systemd/system ]; then
	systemctl --no-reload disable --now ocigate.service || true
elif command -v systemctl >/dev/null; then
	systemctl --no-reload disable ocigate.service >/dev/null 2>&1 || true
fi
