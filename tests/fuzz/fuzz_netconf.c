/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Network configurations from foreign bytes. What is refused must say why; what is accepted must
 * survive to_json() and back unchanged, and IPAM must keep its promises on its ranges.
 */
#include "ipam/ipam.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s does not hold (line %d)\n", #cond, __LINE__);          \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static bool is_reserved(const struct pl_netconf *conf, const struct pl_ip *ip)
{
	for (size_t i = 0; i < conf->n_exclude; i++) {
		if (pl_prefix_contains(&conf->exclude[i], ip))
			return true;
	}
	for (size_t i = 0; i < conf->n_ranges; i++) {
		if (pl_ip_cmp(&conf->ranges[i].gateway, ip) == 0)
			return true;
	}
	return false;
}

static bool is_in_a_range(const struct pl_netconf *conf, const struct pl_ip *ip)
{
	for (size_t i = 0; i < conf->n_ranges; i++) {
		if (pl_ip_cmp(&conf->ranges[i].start, ip) <= 0 &&
		    pl_ip_cmp(&conf->ranges[i].end, ip) >= 0)
			return true;
	}
	return false;
}

static void check_ipam(const struct pl_netconf *conf)
{
	pl_cleanup(pl_ipam_freep) struct pl_ipam *ipam = NULL;

	if (pl_ipam_new(&ipam) < 0)
		return;
	for (int round = 0; round < 8; round++) {
		struct pl_record_addr addrs[PL_RECORD_ADDRS_MAX];
		uint64_t before = pl_ipam_available(ipam, conf);
		struct pl_error err = {0};
		size_t n = 0;
		int r = pl_ipam_allocate(ipam, conf, NULL, 0, addrs, PL_RECORD_ADDRS_MAX, &n, &err);

		CHECK((r == 0) == (before > 0));
		CHECK(r == 0 || *err.text);
		for (size_t i = 0; i < n; i++) {
			const struct pl_ip *ip = &addrs[i].ip.ip;

			CHECK(pl_ipam_in_use(ipam, ip));
			CHECK(is_in_a_range(conf, ip) && !is_reserved(conf, ip));
			if (round % 3 == 0)
				pl_ipam_release(ipam, ip);
		}
	}
}

static void check_same_range(const struct pl_range *a, const struct pl_range *b)
{
	CHECK(a->set == b->set);
	CHECK(memcmp(&a->subnet, &b->subnet, sizeof(a->subnet)) == 0);
	CHECK(pl_ip_cmp(&a->start, &b->start) == 0);
	CHECK(pl_ip_cmp(&a->end, &b->end) == 0);
	CHECK(pl_ip_cmp(&a->gateway, &b->gateway) == 0);
}

static void check_round_trip(const struct pl_netconf *conf)
{
	pl_cleanup(pl_netconf_clear) struct pl_netconf back = {0};
	pl_autojson json_t *j = pl_netconf_to_json(conf);
	pl_autojson json_t *again = NULL;

	CHECK(j);
	CHECK(pl_netconf_parse(j, &back, NULL) == 0);
	CHECK(conf->routes ? json_equal(conf->routes, back.routes) : !back.routes);
	CHECK(conf->dns ? json_equal(conf->dns, back.dns) : !back.dns);
	again = pl_netconf_to_json(&back);
	CHECK(json_equal(j, again));
	CHECK(back.n_ranges == conf->n_ranges && back.n_exclude == conf->n_exclude);
	CHECK(memcmp(back.exclude, conf->exclude, sizeof(back.exclude)) == 0);
	for (size_t i = 0; i < conf->n_ranges; i++)
		check_same_range(&conf->ranges[i], &back.ranges[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	pl_cleanup(pl_netconf_clear) struct pl_netconf conf = {0};
	pl_autojson json_t *j = NULL;
	struct pl_error err = {0};

	if (pl_json_load((const char *)data, size, &j, &err) < 0) {
		CHECK(*err.text);
		return 0;
	}
	if (pl_netconf_parse(j, &conf, &err) < 0) {
		CHECK(*err.text && err.code < 0);
		return 0;
	}
	check_round_trip(&conf);
	check_ipam(&conf);
	return 0;
}
