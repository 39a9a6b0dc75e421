/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The container's network namespace, as the runtime names it: opened once, and checked to be one
 * that is not the host's own, before anything is made in it.
 */
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "cni/cni.h"

int cni_open_netns(const char *path, struct cni_error *err)
{
	pl_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat pod, own;

	if (fd < 0) {
		cni_fail(err, CNI_BAD_ENV, "CNI_NETNS: open %s: %s", path, strerror(errno));
		return -1;
	}
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET) {
		cni_fail(err, CNI_BAD_ENV, "CNI_NETNS: %s is not a network namespace", path);
		return -1;
	}
	if (fstat(fd, &pod) == 0 && stat("/proc/self/ns/net", &own) == 0 &&
	    pod.st_ino == own.st_ino && pod.st_dev == own.st_dev) {
		cni_fail(err, CNI_BAD_ENV,
			 "CNI_NETNS: %s is the host's own network namespace, not a container's",
			 path);
		return -1;
	}
	return TAKE_FD(fd);
}
