/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A peer on the control socket that sends foreign bytes, to the daemon as a request and to a
 * client as a reply: an object or an error with a sentence, never more. The texts that requests
 * carry (addresses, prefixes, MACs, names) are read out of the same bytes.
 */
#include <sys/socket.h>

#include "common/addr.h"
#include "common/netconf.h"
#include "common/proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s does not hold (line %d)\n", #cond, __LINE__);          \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static void as_request(int to, int from, const uint8_t *data, size_t size)
{
	pl_autojson json_t *j = NULL;
	int fd = -1, r;

	CHECK(send(to, data, size, 0) == (ssize_t)size);
	r = pl_proto_recv(from, &j, &fd);
	CHECK(r == 0 ? json_is_object(j) : !j);
	CHECK(fd == -1);
	/* What was received can be sent on. */
	if (r == 0 && pl_proto_send(to, j, -1) == 0) {
		pl_autojson json_t *again = NULL;

		CHECK(pl_proto_recv(from, &again, &fd) == 0);
		CHECK(json_equal(j, again));
	}
}

static void as_reply(int to, int from, const uint8_t *data, size_t size)
{
	pl_autojson json_t *j = NULL;
	struct pl_error err = {0};
	int r;

	CHECK(send(to, data, size, 0) == (ssize_t)size);
	r = pl_client_next(from, &j, &err);
	CHECK(r <= 0);
	CHECK(r == 0 ? json_is_true(json_object_get(j, "ok")) : !j && err.code == r);
}

static void as_texts(const char *text)
{
	char buf[PL_PREFIX_STRLEN], mac_buf[PL_MAC_STRLEN];
	struct pl_prefix p, p2;
	struct pl_mac mac, mac2;
	uint64_t n;

	if (pl_prefix_parse(text, &p) == 0) {
		CHECK(pl_prefix_parse(pl_prefix_format(&p, buf), &p2) == 0);
		CHECK(pl_ip_cmp(&p.ip, &p2.ip) == 0 && p.len == p2.len);
		CHECK(pl_prefix_contains(&p, &p.ip));
	}
	if (pl_mac_parse(text, &mac) == 0) {
		CHECK(pl_mac_parse(pl_mac_format(&mac, mac_buf), &mac2) == 0);
		CHECK(memcmp(&mac, &mac2, sizeof(mac)) == 0);
	}
	if (pl_name_valid(text))
		CHECK(strlen(text) <= PL_NAME_MAX && !strchr(text, '/'));
	if (pl_ifname_valid(text))
		CHECK(strlen(text) < 16 && !strchr(text, '/'));
	pl_parse_u64(text, 0, UINT64_MAX, &n);
	CHECK(pl_errno_from_name(text) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int pair[2] = {-1, -1};
	pl_autofree char *text = NULL;

	if (size > PL_PROTO_MAX)
		return 0;
	if (pair[0] < 0)
		CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	as_request(pair[0], pair[1], data, size);
	as_reply(pair[0], pair[1], data, size);
	text = strndup((const char *)data, size);
	if (text)
		as_texts(text);
	return 0;
}
