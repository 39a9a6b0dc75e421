/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Written as nft text and carried out by libnftables: one transaction a change. The context lives
 * for one call, since it holds megabytes that a quiet daemon has no use for.
 */
#include <nftables/libnftables.h>

#include "common/log.h"
#include "host/masq.h"

#define TABLE "inet podlane"

struct pl_masq {
	const struct pl_network_rule *native;
	size_t n_native;
	struct pl_ip *v; /* the addresses that are masqueraded, sorted */
	size_t n, size;
};

static size_t bound(const struct pl_masq *m, const struct pl_ip *ip)
{
	size_t lo = 0, hi = m->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (pl_ip_cmp(&m->v[mid], ip) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool has(const struct pl_masq *m, size_t at, const struct pl_ip *ip)
{
	return at < m->n && !pl_ip_cmp(&m->v[at], ip);
}

static int note_ip(struct pl_masq *m, const struct pl_ip *ip)
{
	size_t at = bound(m, ip);

	if (has(m, at, ip))
		return 0;
	if (m->n == m->size) {
		size_t size = m->size ? m->size * 2 : 32;
		struct pl_ip *v = reallocarray(m->v, size, sizeof(*v));

		if (!v)
			return -ENOMEM;
		m->v = v;
		m->size = size;
	}
	memmove(&m->v[at + 1], &m->v[at], (m->n - at) * sizeof(*ip));
	m->v[at] = *ip;
	m->n++;
	return 0;
}

void pl_masq_forget(struct pl_masq *m, const struct pl_record *rec)
{
	for (size_t i = 0; i < rec->n_addrs; i++) {
		size_t at = bound(m, &rec->addrs[i].ip.ip);

		if (!has(m, at, &rec->addrs[i].ip.ip))
			continue;
		m->n--;
		memmove(&m->v[at], &m->v[at + 1], (m->n - at) * sizeof(*m->v));
	}
}

int pl_masq_note(struct pl_masq *m, const struct pl_record *rec)
{
	int r = 0;

	for (size_t i = 0; rec->ip_masq && i < rec->n_addrs && !r; i++)
		r = note_ip(m, &rec->addrs[i].ip.ip);
	return r;
}

static int run(const char *commands, struct pl_error *err)
{
	struct nft_ctx *ctx = nft_ctx_new(NFT_CTX_DEFAULT);
	const char *said;
	int r = 0;

	if (!ctx)
		return pl_fail(err, -ENOMEM, "start libnftables: out of memory");
	nft_ctx_buffer_error(ctx);
	nft_ctx_buffer_output(ctx);
	if (nft_run_cmd_from_buffer(ctx, commands)) {
		said = nft_ctx_get_error_buffer(ctx);
		r = pl_fail(err, -EIO, "nftables refused the masquerade rules: %.*s",
			    (int)strcspn(said ? said : "", "\n"), said ? said : "");
	}
	nft_ctx_free(ctx);
	return r;
}

static void print_element(FILE *out, const struct pl_ip *ip, const char *verb)
{
	char text[PL_IP_STRLEN];

	fprintf(out, "%s element " TABLE " masq%c { %s }\n", verb,
		ip->family == AF_INET ? '4' : '6', pl_ip_format(ip, text));
}

/* Destinations that see the pod's own address: native networks, and multicast. */
static void print_direct(FILE *out, uint8_t family, const struct pl_prefixes *native)
{
	char prefix[PL_PREFIX_STRLEN];

	fprintf(out, " elements = { %s", family == AF_INET ? "224.0.0.0/4" : "ff00::/8");
	for (size_t i = 0; i < native->n; i++)
		if (native->v[i].ip.family == family)
			fprintf(out, ", %s", pl_prefix_format(&native->v[i], prefix));
	fprintf(out, " }\n");
}

/* "add" before "delete" makes the deletion of what may not exist valid, in one transaction. */
static void print_table(FILE *out, const struct pl_masq *m, const struct pl_prefixes *native)
{
	fprintf(out, "add table " TABLE "\ndelete table " TABLE "\ntable " TABLE " {\n"
		     "set masq4 { type ipv4_addr; }\nset masq6 { type ipv6_addr; }\n"
		     "set direct4 { type ipv4_addr; flags interval; auto-merge;");
	print_direct(out, AF_INET, native);
	fprintf(out, "}\nset direct6 { type ipv6_addr; flags interval; auto-merge;");
	print_direct(out, AF_INET6, native);
	fprintf(out, "}\nchain postrouting { type nat hook postrouting priority srcnat;\n"
		     "oifname \"pl*\" return\n"
		     "ip saddr @masq4 ip daddr != @masq4 ip daddr != @direct4 masquerade\n"
		     "ip6 saddr @masq6 ip6 daddr != @masq6 ip6 daddr != @direct6 masquerade\n"
		     "}\n}\n");
	for (size_t i = 0; i < m->n; i++)
		print_element(out, &m->v[i], "add");
}

static void print_some(FILE *out, const struct pl_record *const *recs, size_t n, const char *verb)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; recs[i]->ip_masq && k < recs[i]->n_addrs; k++)
			print_element(out, &recs[i]->addrs[k].ip.ip, verb);
}

/* Sets of nftables hold no exceptions: what is left is written out. */
static int native_prefixes(const struct pl_masq *m, struct pl_prefixes *ret)
{
	int r = pl_prefixes_add_rules(ret, AF_INET, m->native, m->n_native);

	return r ? r : pl_prefixes_add_rules(ret, AF_INET6, m->native, m->n_native);
}

/* The elements of @recs, or the whole table where it is NULL. */
static int run_printed(const struct pl_masq *m, const struct pl_record *const *recs, size_t n,
		       const char *verb, struct pl_error *err)
{
	pl_cleanup(pl_prefixes_clear) struct pl_prefixes native = {0};
	pl_autofree char *text = NULL;
	size_t len;
	FILE *out;

	if (!recs && native_prefixes(m, &native) < 0)
		return pl_fail(err, -ENOMEM, "write the masquerade rules: out of memory");
	out = open_memstream(&text, &len);
	if (!out)
		return pl_fail(err, -ENOMEM, "write the masquerade rules: out of memory");
	if (recs)
		print_some(out, recs, n, verb);
	else
		print_table(out, m, &native);
	if (fclose(out))
		return pl_fail(err, -ENOMEM, "write the masquerade rules: out of memory");
	return run(text, err);
}

int pl_masq_add(struct pl_masq *m, const struct pl_record *rec, struct pl_error *err)
{
	bool first = !m->n;
	int r;

	if (!rec->ip_masq)
		return 0;
	r = pl_masq_note(m, rec);
	if (r < 0) {
		pl_fail(err, r, "write the masquerade rules: out of memory");
	} else {
		/* Somebody may have flushed the ruleset: the whole table then brings the rest back.
		 */
		if (!first && !run_printed(m, &rec, 1, "add", NULL))
			return 0;
		r = run_printed(m, NULL, 0, NULL, err);
	}
	return r;
}

void pl_masq_del(struct pl_masq *m, const struct pl_record *const *recs, size_t n)
{
	struct pl_error err = {0};
	size_t used = 0;
	int r;

	for (size_t i = 0; i < n; i++) {
		if (!recs[i]->ip_masq)
			continue;
		used++;
		pl_masq_forget(m, recs[i]);
	}
	if (!used)
		return;
	if (!m->n)
		r = run("add table " TABLE "\ndelete table " TABLE "\n", &err);
	else if (run_printed(m, recs, n, "delete", NULL))
		r = run_printed(m, NULL, 0, NULL, &err);
	else
		r = 0;
	if (r < 0)
		pl_warn("masquerade rules not removed pods=%zu error=\"%s\"", used, err.text);
}

void pl_masq_resync(struct pl_masq *m)
{
	struct pl_error err = {0};

	if (!m->n) {
		/* A table of an earlier run may be left; a kernel without nftables has none. */
		(void)run("add table " TABLE "\ndelete table " TABLE "\n", NULL);
		return;
	}
	if (run_printed(m, NULL, 0, NULL, &err) < 0)
		pl_error_log("masquerade rules not made error=\"%s\"", err.text);
}

int pl_masq_new(const struct pl_network_rule *native, size_t n_native, struct pl_masq **ret,
		struct pl_error *err)
{
	struct pl_masq *m = calloc(1, sizeof(*m));

	if (!m)
		return pl_fail(err, -ENOMEM, "masquerade rules: out of memory");
	m->native = native;
	m->n_native = n_native;
	*ret = m;
	return 0;
}

void pl_masq_freep(struct pl_masq **ref)
{
	struct pl_masq *m = TAKE_PTR(*ref);

	if (!m)
		return;
	free(m->v);
	free(m);
}
