/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Written as nft text and carried out by libnftables: one transaction a change. The context lives
 * for one call, since it holds megabytes that a quiet daemon has no use for.
 *
 * Anybody may flush the ruleset. The kernel numbers the ruleset's states: where the number is
 * another one than after our last change, our own table is compared with what it must be, and made
 * anew where it differs. That costs some microseconds a look, and a comparison a look at most,
 * however often others change theirs.
 */
#include <nftables/libnftables.h>

#include "common/log.h"
#include "host/masq.h"
#include "netlink/nft.h"

#define TABLE_NAME "podlane"
#define TABLE	   "inet " TABLE_NAME

enum {
	LOOK_SHARE = 100,	  /* a comparison takes one part in so many of the time */
	REPAIR_PAUSE = 500000000, /* nanoseconds */
	TRIES = 5,
};

static const char *const sets[] = {"masq4", "masq6", "direct4", "direct6", NULL};
static const struct pl_nft_table ours = {TABLE_NAME, "postrouting", sets};

struct pl_masq {
	const struct pl_network_rule *native;
	size_t n_native;
	struct pl_ip *v; /* the addresses that are masqueraded, sorted */
	size_t n, size;
	struct pl_nft *nft;
	uint64_t shape, direct; /* of the table as it was made; 0: not known */
	uint32_t generation;	/* in which it was found right, or which we made ourselves */
	bool is_right;		/* in that generation */
	bool due;		/* to be made anew, whatever is there */
	uint8_t tries;		/* to learn the shape while others change the ruleset, too */
	uint64_t next_look_ns, next_repair_ns;
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

/* 0: it cannot be told, which no generation is. */
static uint32_t generation_now(const struct pl_masq *m)
{
	uint32_t n = 0;

	return m->nft && !pl_nft_generation(m->nft, &n) ? n : 0;
}

static int run_nft(const char *commands, struct pl_error *err)
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

/* What was right before, and was changed by nobody else, is right after it. */
static int run(struct pl_masq *m, const char *commands, struct pl_error *err)
{
	uint32_t before = generation_now(m), after;
	int r = run_nft(commands, err);

	after = generation_now(m);
	if (!r && m->is_right && before == m->generation && after == before + 1)
		m->generation = after;
	else
		m->is_right = false;
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
static int run_printed(struct pl_masq *m, const struct pl_record *const *recs, size_t n,
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
	return run(m, text, err);
}

/* ---- what the kernel holds ---- */

struct tally {
	const struct pl_masq *m;
	uint8_t family;
	size_t held;	 /* elements that are wanted */
	bool other;	 /* or one that is not */
	uint64_t direct; /* whatever the order */
};

static void tally_masqueraded(const void *key, size_t len, uint32_t flags, void *arg)
{
	struct tally *t = arg;
	struct pl_ip ip = {.family = t->family};

	if (len > sizeof(ip.bytes))
		return;
	memcpy(ip.bytes, key, len);
	if (has(t->m, bound(t->m, &ip), &ip))
		t->held++;
	else
		t->other = true;
}

static void tally_direct(const void *key, size_t len, uint32_t flags, void *arg)
{
	struct tally *t = arg;

	t->direct += pl_nft_hash(pl_nft_hash(0, key, len), &flags, sizeof(flags));
}

static int read_sets(const struct pl_masq *m, struct tally *t, const char **ret_lost)
{
	int r;

	for (size_t i = 0; i < 2; i++) {
		*ret_lost = sets[i];
		t->family = i ? AF_INET6 : AF_INET;
		r = pl_nft_elements(m->nft, TABLE_NAME, sets[i], tally_masqueraded, t);
		if (r < 0)
			return r;
	}
	for (size_t i = 2; i < 4; i++) {
		*ret_lost = sets[i];
		r = pl_nft_elements(m->nft, TABLE_NAME, sets[i], tally_direct, t);
		if (r < 0)
			return r;
	}
	return 0;
}

/* True: the table is as it was made. Where it is not, *ret_lost says what; NULL: not to be told. */
static bool holds(const struct pl_masq *m, const char **ret_lost)
{
	struct tally t = {.m = m};
	uint64_t shape = 0;
	int r = pl_nft_shape(m->nft, &ours, &shape, ret_lost);

	if (!r)
		r = read_sets(m, &t, ret_lost);
	if (r < 0 && r != -ENOENT)
		*ret_lost = NULL;
	if (r < 0)
		return false;
	*ret_lost = shape != m->shape		? "rules"
		    : t.other || t.held != m->n ? "addresses"
		    : t.direct != m->direct	? "native networks"
						: NULL;
	return !*ret_lost;
}

/* After the table was made in the step from @before: what it is to be from now on. */
static void learn(struct pl_masq *m, uint32_t before)
{
	struct tally t = {.m = m};
	const char *lost;
	uint32_t after = generation_now(m);
	bool alone = before && after == before + 1;
	int r;

	m->due = false;
	if (!m->nft)
		return;
	r = pl_nft_shape(m->nft, &ours, &m->shape, &lost);
	if (!r)
		r = read_sets(m, &t, &lost);
	m->direct = t.direct;
	/* Others may have changed it in the moment between: it is made once more. */
	m->due = r < 0 || (!alone && ++m->tries < TRIES);
	m->is_right = !m->due && alone && generation_now(m) == after;
	m->generation = after;
	if (!m->due)
		m->tries = 0;
}

static int make_table(struct pl_masq *m, struct pl_error *err)
{
	uint32_t before = generation_now(m);
	int r = run_printed(m, NULL, 0, NULL, err);

	if (r < 0)
		m->due = true;
	else
		learn(m, before);
	return r;
}

static int remove_table(struct pl_masq *m, struct pl_error *err)
{
	m->due = false;
	return run(m, "add table " TABLE "\ndelete table " TABLE "\n", err);
}

static void repair(struct pl_masq *m, const char *lost, uint64_t now)
{
	struct pl_error err = {0};

	m->next_repair_ns = now + REPAIR_PAUSE;
	if (make_table(m, &err) < 0)
		pl_error_log("masquerade rules not made, trying again addresses=%zu error=\"%s\"",
			     m->n, err.text);
	else if (lost)
		pl_warn("datapath repaired object=masquerade lost=\"%s\" addresses=%zu", lost,
			m->n);
}

void pl_masq_look(struct pl_masq *m)
{
	uint64_t now = pl_now_ns();
	const char *lost = NULL;
	uint32_t generation;

	if (!m->n || !m->nft || now < m->next_look_ns || now < m->next_repair_ns)
		return;
	generation = generation_now(m);
	if (!m->due) {
		if (!generation || (m->is_right && generation == m->generation))
			return;
		m->is_right = holds(m, &lost);
		m->generation = generation;
		m->next_look_ns = now + (pl_now_ns() - now) * LOOK_SHARE;
		if (!lost)
			return;
	}
	repair(m, lost, now);
}

size_t pl_masq_count(const struct pl_masq *m)
{
	return m->n;
}

int pl_masq_check(struct pl_masq *m, struct pl_error *err)
{
	const char *lost = NULL;
	uint32_t generation = generation_now(m);

	if (!generation)
		return pl_fail(err, -ENETDOWN,
			       "nftables cannot be read: pods that need masquerading reach nothing "
			       "outside");
	if (!m->n || (!m->due && m->is_right && generation == m->generation))
		return 0;
	if (m->due)
		return pl_fail(err, -ENETDOWN,
			       "the masquerade rules could not be made, see the log of podlaned");
	if (holds(m, &lost) || !lost)
		return 0;
	return pl_fail(err, -ENETDOWN,
		       "somebody has changed the masquerade rules in nftables (table " TABLE
		       ": %s); podlaned puts them back",
		       lost);
}

/* ---- what pods need ---- */

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
		r = make_table(m, err);
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
		r = remove_table(m, &err);
	else if (run_printed(m, recs, n, "delete", NULL))
		r = make_table(m, &err);
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
		(void)remove_table(m, NULL);
		return;
	}
	if (make_table(m, &err) < 0)
		pl_error_log("masquerade rules not made error=\"%s\"", err.text);
}

int pl_masq_set_native(struct pl_masq *m, const struct pl_network_rule *native, size_t n_native,
		       struct pl_error *err)
{
	m->native = native;
	m->n_native = n_native;
	return m->n ? make_table(m, err) : 0;
}

int pl_masq_new(const struct pl_network_rule *native, size_t n_native, struct pl_masq **ret,
		struct pl_error *err)
{
	struct pl_masq *m = calloc(1, sizeof(*m));
	struct pl_error why = {0};

	if (!m)
		return pl_fail(err, -ENOMEM, "masquerade rules: out of memory");
	/* A kernel without nftables serves pods that need no masquerading. */
	if (pl_nft_open(&m->nft, &why) < 0)
		pl_debug("nftables cannot be read error=\"%s\"", why.text);
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
	pl_nft_closep(&m->nft);
	free(m->v);
	free(m);
}
