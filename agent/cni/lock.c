/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One ADD or DEL of an endpoint at a time, where a delegated IPAM plugin keeps its addresses: two
 * ADDs of one name would give back each other's lease. Each name has a byte of one file, so that
 * nothing is left to tidy up. The lock is the open file's, and the IPAM plugin inherits it: where
 * podlane was killed, the DEL or GC that follows waits for what its IPAM plugin still does.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>

#include "cni/cni.h"
#include "common/record.h"

static void on_alarm(int sig)
{
}

/* Blocks. The alarm is repeated: one that comes before the wait begins must not be the only one. */
static int wait_for(int fd, struct flock *lock, unsigned int ms)
{
	const struct sigaction action = {.sa_handler = on_alarm}; /* no SA_RESTART */
	const struct itimerval timer = {
		.it_interval = {.tv_usec = 100000},
		.it_value = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000},
	};
	int code;

	if (sigaction(SIGALRM, &action, NULL) < 0 || setitimer(ITIMER_REAL, &timer, NULL) < 0)
		return -errno;
	code = fcntl(fd, F_OFD_SETLKW, lock) < 0 ? -errno : 0;
	setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
	signal(SIGALRM, SIG_DFL);
	return code == -EINTR ? -ETIMEDOUT : code;
}

int cni_lock(const struct cni_env *env, bool all, unsigned int ms)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET}; /* to the end: all */
	pl_autoclose int fd = -1;
	char path[4096];
	int code;

	if (!all) {
		lock.l_start = (off_t)(pl_endpoint_hash(env->container_id, env->ifname) >> 2);
		lock.l_len = 1;
	}
	snprintf(path, sizeof(path), "%s/ipam.lock", cni_run_dir(env));
	/* Inherited by the IPAM plugin, hence no O_CLOEXEC. */
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return TAKE_FD(fd);
	if (errno != EAGAIN && errno != EACCES)
		return -errno;
	code = wait_for(fd, &lock, ms);
	return code < 0 ? code : TAKE_FD(fd);
}
