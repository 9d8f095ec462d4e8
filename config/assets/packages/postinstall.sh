#!/bin/sh
# The service is neither enabled nor started: the configuration needs an endpoint and an
# account first. After an upgrade, a service that runs is restarted: it finishes the
# requests in flight before it stops.
set -e

# deb: "configure", and the earlier version of an upgrade; rpm: how many are installed then.
case "$1" in
configure) [ -n "$2" ] && upgrade=yes || upgrade= ;;
[0-9]*) [ "$1" -gt 1 ] && upgrade=yes || upgrade= ;;
*) exit 0 ;;
esac

if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
	if [ -n "$upgrade" ]; then
		systemctl try-restart ocigate.service ||
			echo "ocigate.service could not be restarted: see journalctl -u ocigate" >&2
	fi
fi
if [ -z "$upgrade" ]; then
	echo "Set the platform and its account in /etc/ocigate/ocigate.yaml. To check it, and to start the service:"
	echo "  runuser -u ocigate -- ocigate doctor -c /etc/ocigate/ocigate.yaml"
	echo "  systemctl enable --now ocigate"
fi
