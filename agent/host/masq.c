/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Written as nft text and carried out by libnftables: one transaction a change. The context lives
 * for one call, since it holds megabytes that a quiet daemon has no use for.
 */
#include <nftables/libnftables.h>

#include "common/log.h"
#include "host/masq.h"

#define TABLE "inet podlane"

static bool uses_masq(const struct pl_endpoint *pod)
{
	return pod && pod->rec.ip_masq && !pod->leaving;
}

static size_t count_users(const struct pl_daemon *d)
{
	size_t n = 0;

	for (uint32_t id = 1; id < d->max_pods; id++)
		n += uses_masq(d->pods[id]);
	return n;
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

static void print_elements(FILE *out, const struct pl_record *rec, const char *verb)
{
	char ip[PL_IP_STRLEN];

	for (size_t i = 0; i < rec->n_addrs; i++)
		fprintf(out, "%s element " TABLE " masq%c { %s }\n", verb,
			rec->addrs[i].ip.ip.family == AF_INET ? '4' : '6',
			pl_ip_format(&rec->addrs[i].ip.ip, ip));
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
static void print_table(FILE *out, const struct pl_daemon *d, const struct pl_prefixes *native)
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
	for (uint32_t id = 1; id < d->max_pods; id++)
		if (uses_masq(d->pods[id]))
			print_elements(out, &d->pods[id]->rec, "add");
}

static void print_some(FILE *out, struct pl_endpoint *const *pods, size_t n, const char *verb)
{
	for (size_t i = 0; i < n; i++)
		if (pods[i]->rec.ip_masq)
			print_elements(out, &pods[i]->rec, verb);
}

/* Sets of nftables hold no exceptions: what is left is written out. */
static int native_prefixes(const struct pl_daemon *d, struct pl_prefixes *ret)
{
	int r = pl_prefixes_add_rules(ret, AF_INET, d->settings.native, d->settings.n_native);

	return r ? r
		 : pl_prefixes_add_rules(ret, AF_INET6, d->settings.native, d->settings.n_native);
}

/* The elements of @pods, or the whole table where it is NULL. */
static int run_printed(struct pl_daemon *d, struct pl_endpoint *const *pods, size_t n,
		       const char *verb, struct pl_error *err)
{
	pl_cleanup(pl_prefixes_clear) struct pl_prefixes native = {0};
	pl_autofree char *text = NULL;
	size_t len;
	FILE *out;

	if (!pods && native_prefixes(d, &native) < 0)
		return pl_fail(err, -ENOMEM, "write the masquerade rules: out of memory");
	out = open_memstream(&text, &len);
	if (!out)
		return pl_fail(err, -ENOMEM, "write the masquerade rules: out of memory");
	if (pods)
		print_some(out, pods, n, verb);
	else
		print_table(out, d, &native);
	if (fclose(out))
		return pl_fail(err, -ENOMEM, "write the masquerade rules: out of memory");
	return run(text, err);
}

int pl_masq_add(struct pl_daemon *d, struct pl_endpoint *pod, struct pl_error *err)
{
	if (!pod->rec.ip_masq)
		return 0;
	/* Somebody may have flushed the ruleset: the whole table then brings the rest back. */
	if (count_users(d) > 1 && !run_printed(d, &pod, 1, "add", NULL))
		return 0;
	return run_printed(d, NULL, 0, NULL, err);
}

void pl_masq_del(struct pl_daemon *d, struct pl_endpoint *const *pods, size_t n)
{
	struct pl_error err = {0};
	size_t used = 0;
	int r;

	for (size_t i = 0; i < n; i++)
		used += pods[i]->rec.ip_masq;
	if (!used)
		return;
	if (!count_users(d))
		r = run("add table " TABLE "\ndelete table " TABLE "\n", &err);
	else if (run_printed(d, pods, n, "delete", NULL))
		r = run_printed(d, NULL, 0, NULL, &err);
	else
		r = 0;
	if (r < 0)
		pl_warn("masquerade rules not removed pods=%zu error=\"%s\"", used, err.text);
}

void pl_masq_resync(struct pl_daemon *d)
{
	struct pl_error err = {0};

	if (!count_users(d)) {
		/* A table of an earlier run may be left; a kernel without nftables has none. */
		(void)run("add table " TABLE "\ndelete table " TABLE "\n", NULL);
		return;
	}
	if (run_printed(d, NULL, 0, NULL, &err) < 0)
		pl_error_log("masquerade rules not made error=\"%s\"", err.text);
}
