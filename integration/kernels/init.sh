#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# First process of the guest: mounts what the tests expect, runs /job, says its exit code on the
# third serial port (the second carries the job's output) and powers off.
export PATH=/bin:/usr/bin:/sbin HOME=/root
/bin/busybox --install -s /bin

if [ ! -e /in-tmpfs ]; then
	# pivot_root refuses the initial root file system: everything moves to a tmpfs.
	mkdir /new
	mount -t tmpfs -o mode=755 root /new
	for entry in /*; do
		[ "$entry" = /new ] || cp -a "$entry" /new/
	done
	: >/new/in-tmpfs
	exec switch_root /new /init
fi

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm /dev/pts
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t tmpfs run /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
mount -t securityfs securityfs /sys/kernel/security 2>/dev/null
for module in /modules/*.ko; do
	[ ! -e "$module" ] || insmod "$module" || echo "<3>guest: insmod $module failed" >/dev/kmsg
done
ln -s /proc/self/fd /dev/fd
ip link set lo up
hostname guest
for port in ttyS1 ttyS2; do
	stty -F /dev/$port raw -echo
done

cd /job.d || poweroff -f
sh /job </dev/null >/dev/ttyS1 2>&1
code=$?
sync
echo "code=$code" >/dev/ttyS2
poweroff -f
