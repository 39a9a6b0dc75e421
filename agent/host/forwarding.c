/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * IP forwarding of the host. Without it the fast path still joins the pods of this node, but what
 * the stack would have to forward is lost without a word.
 */
#include <fcntl.h>
#include <jansson.h>
#include <unistd.h>

#include "common/log.h"
#include "host/host.h"

static const struct protocol {
	uint8_t family;
	const char *name;
	const char *sysctl;
	const char *path;
} protocols[] = {
	{AF_INET, "IPv4", "net.ipv4.ip_forward", "/proc/sys/net/ipv4/ip_forward"},
	{AF_INET6, "IPv6", "net.ipv6.conf.all.forwarding",
	 "/proc/sys/net/ipv6/conf/all/forwarding"},
};

/* 1, 0 or -errno. */
static int is_on(const struct protocol *p)
{
	pl_autoclose int fd = open(p->path, O_RDONLY | O_CLOEXEC);
	char now;
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, &now, 1);
	if (n != 1)
		return n < 0 ? -errno : -EIO;
	return now != '0';
}

static int write_one(const struct protocol *p)
{
	pl_autoclose int fd = open(p->path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && pwrite(fd, "1\n", 2, 0) == 2 ? 0 : -errno;
}

static void switch_on(const struct protocol *p)
{
	int r = is_on(p);

	if (r == 0)
		r = write_one(p);
	if (r < 0 && r != -ENOENT) /* a kernel without IPv6 */
		pl_warn("forwarding not switched on path=%s error=\"%s\"", p->path, strerror(-r));
}

void pl_host_enable_forwarding(void)
{
	for (size_t i = 0; i < PL_ARRAY_SIZE(protocols); i++)
		switch_on(&protocols[i]);
}

int pl_host_forwarding(uint8_t family)
{
	for (size_t i = 0; i < PL_ARRAY_SIZE(protocols); i++)
		if (protocols[i].family == family)
			return is_on(&protocols[i]);
	return -EAFNOSUPPORT;
}

json_t *pl_host_forwarding_warnings(void)
{
	json_t *list = json_array();

	for (size_t i = 0; i < PL_ARRAY_SIZE(protocols); i++)
		if (is_on(&protocols[i]) == 0)
			json_array_append_new(
				list,
				json_sprintf(
					"%s forwarding is off: pods reach nothing but each other "
					"and this host; set %s=1, or \"forwarding\": true in "
					"podlaned.json",
					protocols[i].name, protocols[i].sysctl));
	return list;
}

void pl_host_warn_forwarding(void)
{
	pl_autojson json_t *list = pl_host_forwarding_warnings();
	const json_t *sentence;
	size_t i;

	json_array_foreach (list, i, sentence)
		pl_warn("%s", json_string_value(sentence));
}
