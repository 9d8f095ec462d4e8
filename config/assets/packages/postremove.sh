#!/bin/sh
# The journal in /var/lib/ocigate is never removed: it is the record of all writes. The
# user stays, too, since it owns these files.
set -e

# deb: "remove" or "purge", besides those of upgrades; rpm: how many packages remain.
case "$1" in
remove | purge | 0) ;;
*) exit 0 ;;
esac

if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
fi
# deb only: files that were put beside the configuration, such as the platform's password.
if [ "$1" = purge ]; then
	rm -rf /etc/ocigate
	rmdir /var/lib/ocigate/journal /var/lib/ocigate 2>/dev/null ||
		! [ -d /var/lib/ocigate ] ||
		echo "/var/lib/ocigate is kept: it has the journal of all writes" >&2
fi
