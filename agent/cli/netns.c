// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Opens a network namespace by name, path or process, and makes sure that it is one: the daemon
 * would refuse anything else, but cannot say which word was wrong.
 */
#include "cli/netns.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>

#define NETNS_DIR "/run/netns"

static int path_of(const char *what, struct cli_netns *ns, struct pl_error *err)
{
	const char *slash = strrchr(what, '/');
	uint64_t pid;
	int n;

	if (!strncmp(what, "pid:", 4)) {
		if (pl_parse_u64(what + 4, 1, INT_MAX, &pid))
			return pl_fail(err, -EINVAL, "'%s' is not a valid process id", what + 4);
		snprintf(ns->path, sizeof(ns->path), "/proc/%" PRIu64 "/ns/net", pid);
		snprintf(ns->id, sizeof(ns->id), "pid-%" PRIu64, pid);
		return 0;
	}
	if (slash && slash[1])
		n = snprintf(ns->path, sizeof(ns->path), "%s", what);
	else
		n = snprintf(ns->path, sizeof(ns->path), NETNS_DIR "/%s", what);
	if (n < 0 || (size_t)n >= sizeof(ns->path))
		return pl_fail(err, -ENAMETOOLONG, "netns path is longer than %zu bytes",
			       sizeof(ns->path) - 1);
	snprintf(ns->id, sizeof(ns->id), "%.255s", slash ? slash + 1 : what);
	if (!pl_name_valid(ns->id))
		ns->id[0] = '\0';
	return 0;
}

static int make_absolute(struct cli_netns *ns, struct pl_error *err)
{
	char *absolute;
	size_t len;

	if (ns->path[0] == '/')
		return 0;
	absolute = realpath(ns->path, NULL);
	if (!absolute)
		return pl_fail(err, -errno, "netns %s: %s", ns->path, strerror(errno));
	len = strlen(absolute);
	if (len < sizeof(ns->path))
		memcpy(ns->path, absolute, len + 1);
	free(absolute);
	return len < sizeof(ns->path) ? 0 : pl_fail(err, -ENAMETOOLONG, "netns path is too long");
}

static int fail_open(const char *what, const struct cli_netns *ns, struct pl_error *err)
{
	int code = -errno;

	if (code == -ENOENT && !strncmp(what, "pid:", 4))
		return pl_fail(err, code, "there is no process %s", what + 4);
	if (code == -ENOENT)
		return pl_fail(err, code,
			       "there is no network namespace %s: make it with 'ip netns "
			       "add NAME', or give a path or pid:N",
			       ns->path);
	return pl_fail(err, code, "open network namespace %s: %s", ns->path, strerror(-code));
}

int cli_netns_open(const char *what, struct cli_netns *ret, struct pl_error *err)
{
	struct cli_netns ns = {.fd = -1};
	pl_autoclose int fd = -1;
	int rc = path_of(what, &ns, err);

	if (!rc)
		rc = make_absolute(&ns, err);
	if (rc)
		return rc;
	/* Not blocking: the path may be a FIFO. */
	fd = open(ns.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return fail_open(what, &ns, err);
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		return pl_fail(
			err, -EINVAL,
			"%s is not a network namespace (a leftover of 'ip netns'? nothing is "
			"mounted there)",
			ns.path);
	ns.fd = TAKE_FD(fd);
	*ret = ns;
	return 0;
}
