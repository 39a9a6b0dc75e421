/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One object is asked for by name where the kernel can, and rules and elements by a dump that it
 * limits itself: the rulesets of others may be large. The kernel answers inside sendmsg() and
 * recvmsg(): nothing here waits.
 */
#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include "netlink/nft.h"

enum { RECV_BYTES = 32768, REQUEST_BYTES = 512 };

struct pl_nft {
	int fd;
	uint32_t seq;
	_Alignas(struct nlmsghdr) char buf[RECV_BYTES];
};

int pl_nft_open(struct pl_nft **ret, struct pl_error *err)
{
	pl_autoclose int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	struct sockaddr_nl addr = {.nl_family = AF_NETLINK};
	struct pl_nft *nft;

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return pl_fail(err, -errno, "cannot open a netlink socket to nftables: %s",
			       strerror(errno));
	nft = calloc(1, sizeof(*nft));
	if (!nft)
		return pl_fail(err, -ENOMEM, "read nftables: out of memory");
	nft->fd = TAKE_FD(fd);
	*ret = nft;
	return 0;
}

void pl_nft_closep(struct pl_nft **ref)
{
	struct pl_nft *nft = TAKE_PTR(*ref);

	if (!nft)
		return;
	close(nft->fd);
	free(nft);
}

uint64_t pl_nft_hash(uint64_t h, const void *data, size_t len)
{
	const unsigned char *p = data;

	h = h ?: 0xcbf29ce484222325ULL;
	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3ULL;
	return h;
}

/* @names: an attribute and its text, twice at most; 0 is none. */
struct request {
	uint16_t type;
	bool dump;
	uint16_t attr[2];
	const char *text[2];
};

static int exchange(struct pl_nft *nft, const struct request *rq, mnl_cb_t cb, void *arg)
{
	_Alignas(struct nlmsghdr) char buf[REQUEST_BYTES];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg;
	int r = 1;

	nlh->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | rq->type);
	nlh->nlmsg_flags = NLM_F_REQUEST | (rq->dump ? NLM_F_DUMP : NLM_F_ACK);
	nlh->nlmsg_seq = ++nft->seq;
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	*nfg = (struct nfgenmsg){.nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0};
	for (size_t i = 0; i < PL_ARRAY_SIZE(rq->attr); i++)
		if (rq->attr[i] &&
		    !mnl_attr_put_strz_check(nlh, sizeof(buf), rq->attr[i], rq->text[i]))
			return -ENAMETOOLONG;
	if (send(nft->fd, buf, nlh->nlmsg_len, 0) < 0)
		return -errno;
	while (r > 0) {
		ssize_t n = recv(nft->fd, nft->buf, sizeof(nft->buf), MSG_DONTWAIT);

		if (n < 0)
			return errno == EAGAIN ? -EIO : -errno;
		/* What an exchange that failed left behind has another number. */
		if (((struct nlmsghdr *)nft->buf)->nlmsg_seq != nft->seq)
			continue;
		r = mnl_cb_run(nft->buf, (size_t)n, nft->seq, 0, cb, arg);
	}
	return r < 0 ? -errno : 0;
}

static int take_generation(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr;

	mnl_attr_for_each (attr, nlh, sizeof(struct nfgenmsg))
		if (mnl_attr_get_type(attr) == NFTA_GEN_ID)
			*(uint32_t *)arg = ntohl(mnl_attr_get_u32(attr));
	return MNL_CB_OK;
}

int pl_nft_generation(struct pl_nft *nft, uint32_t *ret)
{
	const struct request rq = {.type = NFT_MSG_GETGEN};

	return exchange(nft, &rq, take_generation, ret);
}

/* Those attributes that say what an object is; handles and counts are none of these. */
struct shape {
	const uint16_t *attrs; /* ends with 0 */
	uint64_t hash;
};

static int hash_attrs(const struct nlmsghdr *nlh, void *arg)
{
	struct shape *s = arg;
	const struct nlattr *attr;

	for (const uint16_t *want = s->attrs; *want; want++)
		mnl_attr_for_each (attr, nlh, sizeof(struct nfgenmsg))
			if (mnl_attr_get_type(attr) == *want)
				s->hash = pl_nft_hash(s->hash, attr, attr->nla_len);
	return MNL_CB_OK;
}

static int hash_object(struct pl_nft *nft, const struct request *rq, const uint16_t *attrs,
		       uint64_t *hash)
{
	struct shape s = {attrs, *hash};
	int r = exchange(nft, rq, hash_attrs, &s);

	*hash = s.hash;
	return r;
}

int pl_nft_shape(struct pl_nft *nft, const struct pl_nft_table *t, uint64_t *ret,
		 const char **ret_lost)
{
	static const uint16_t of_table[] = {NFTA_TABLE_FLAGS, 0};
	static const uint16_t of_chain[] = {NFTA_CHAIN_HOOK, NFTA_CHAIN_POLICY, NFTA_CHAIN_TYPE, 0};
	static const uint16_t of_rule[] = {NFTA_RULE_EXPRESSIONS, 0};
	static const uint16_t of_set[] = {NFTA_SET_FLAGS, NFTA_SET_KEY_TYPE, NFTA_SET_KEY_LEN,
					  NFTA_SET_TIMEOUT, 0};
	const struct request table = {NFT_MSG_GETTABLE, false, {NFTA_TABLE_NAME}, {t->table}};
	const struct request chain = {
		NFT_MSG_GETCHAIN, false, {NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME}, {t->table, t->chain}};
	const struct request rules = {
		NFT_MSG_GETRULE, true, {NFTA_RULE_TABLE, NFTA_RULE_CHAIN}, {t->table, t->chain}};
	uint64_t hash = 0;
	int r;

	*ret_lost = t->table;
	r = hash_object(nft, &table, of_table, &hash);
	if (!r) {
		*ret_lost = t->chain;
		r = hash_object(nft, &chain, of_chain, &hash);
	}
	if (!r)
		r = hash_object(nft, &rules, of_rule, &hash);
	for (const char *const *name = t->sets; *name && !r; name++) {
		const struct request set = {
			NFT_MSG_GETSET, false, {NFTA_SET_TABLE, NFTA_SET_NAME}, {t->table, *name}};

		*ret_lost = *name;
		r = hash_object(nft, &set, of_set, &hash);
	}
	if (!r)
		*ret = hash;
	return r;
}

struct walk {
	pl_nft_element_fn *fn;
	void *arg;
};

static void take_element(const struct nlattr *element, const struct walk *w)
{
	const struct nlattr *attr, *data, *key = NULL;
	uint32_t flags = 0;

	mnl_attr_for_each_nested (attr, element) {
		if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_FLAGS)
			flags = ntohl(mnl_attr_get_u32(attr));
		if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_KEY)
			mnl_attr_for_each_nested (data, attr)
				if (mnl_attr_get_type(data) == NFTA_DATA_VALUE)
					key = data;
	}
	if (key)
		w->fn(mnl_attr_get_payload(key), mnl_attr_get_payload_len(key), flags, w->arg);
}

static int take_elements(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr, *element;

	mnl_attr_for_each (attr, nlh, sizeof(struct nfgenmsg))
		if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_LIST_ELEMENTS)
			mnl_attr_for_each_nested (element, attr)
				take_element(element, arg);
	return MNL_CB_OK;
}

int pl_nft_elements(struct pl_nft *nft, const char *table, const char *set, pl_nft_element_fn *fn,
		    void *arg)
{
	const struct request rq = {NFT_MSG_GETSETELEM,
				   true,
				   {NFTA_SET_ELEM_LIST_TABLE, NFTA_SET_ELEM_LIST_SET},
				   {table, set}};
	struct walk walk = {fn, arg};

	return exchange(nft, &rq, take_elements, &walk);
}
