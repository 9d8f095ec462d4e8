#!/bin/sh
# Makes the user of the service, before the files that belong to it are unpacked, and no
# users of other packages. A user of that name that exists stays as it is.
set -e

if command -v systemd-sysusers >/dev/null; then
	systemd-sysusers - <<'USERS'
u ocigate - "ocigate gateway" /var/lib/ocigate
USERS
elif ! getent passwd ocigate >/dev/null; then
	getent group ocigate >/dev/null || groupadd --system ocigate
	useradd --system --gid ocigate --home-dir /var/lib/ocigate --no-create-home --shell /usr/sbin/nologin --comment "ocigate gateway" ocigate
fi
