#!/bin/bash
# First process of a test node, inside its own namespaces: name, hosts file, then reap orphans until it is killed.
# Usage: node_init.sh NAME HOSTS_FILE BOOTED_FILE
hostname "$1"
mount --make-rprivate /
mount --bind "$2" /etc/hosts
# A node's sockets are its own; the rest of /tmp plays the shared file system.
mkdir -p -m 700 "/tmp/jlab-mcp-$(id -u)"
mount -t tmpfs -o mode=700 tmpfs "/tmp/jlab-mcp-$(id -u)"
trap 'exit 0' TERM
: >"$3"
while :; do
  sleep 3600 &
  wait $!
done
