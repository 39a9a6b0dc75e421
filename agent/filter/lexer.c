/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Splits filter expressions into words by the rules of libpcap's scanner (1.10), where the
 * longest match wins: "tcp-syn" is one word, and so is "len-10". A word that a newer libpcap
 * knows and this list does not is refused only where a host may stand; it is never looked up.
 */
#include "filter/lexer.h"

#include <arpa/inet.h>
#include <ctype.h>

static const char *const keywords[] = {
	/* clang-format off: a table reads better by topic */
	"and",
	"or",
	"not",
	"src",
	"dst",
	"host",
	"net",
	"mask",
	"gateway",
	"port",
	"portrange",
	"proto",
	"protochain",
	"link",
	"ether",
	"ppp",
	"slip",
	"fddi",
	"tr",
	"wlan",
	"arp",
	"rarp",
	"ip",
	"ip6",
	"tcp",
	"udp",
	"sctp",
	"icmp",
	"icmp6",
	"igmp",
	"igrp",
	"pim",
	"vrrp",
	"carp",
	"ah",
	"esp",
	"radio",
	"atalk",
	"aarp",
	"decnet",
	"lat",
	"sca",
	"moprc",
	"mopdl",
	"iso",
	"esis",
	"es-is",
	"isis",
	"is-is",
	"l1",
	"l2",
	"iih",
	"lsp",
	"snp",
	"csnp",
	"psnp",
	"clnp",
	"stp",
	"ipx",
	"netbeui",
	"type",
	"subtype",
	"direction",
	"dir",
	"address1",
	"addr1",
	"address2",
	"addr2",
	"address3",
	"addr3",
	"address4",
	"addr4",
	"ra",
	"ta",
	"less",
	"greater",
	"byte",
	"broadcast",
	"multicast",
	"len",
	"length",
	"inbound",
	"outbound",
	"ifindex",
	"vlan",
	"mpls",
	"pppoed",
	"pppoes",
	"geneve",
	"vxlan",
	"lane",
	"llc",
	"metac",
	"bcc",
	"oam",
	"oamf4",
	"oamf4ec",
	"oamf4sc",
	"sc",
	"ilmic",
	"vpi",
	"vci",
	"connectmsg",
	"metaconnect",
	"on",
	"ifname",
	"rset",
	"ruleset",
	"rnr",
	"rulenum",
	"srnr",
	"subrulenum",
	"reason",
	"action",
	"fisu",
	"lssu",
	"lsu",
	"msu",
	"hfisu",
	"hlssu",
	"hmsu",
	"sio",
	"opc",
	"dpc",
	"sls",
	"hsio",
	"hopc",
	"hdpc",
	"hsls",
	"icmptype",
	"icmpcode",
	"icmp-echoreply",
	"icmp-unreach",
	"icmp-sourcequench",
	"icmp-redirect",
	"icmp-echo",
	"icmp-routeradvert",
	"icmp-routersolicit",
	"icmp-timxceed",
	"icmp-paramprob",
	"icmp-tstamp",
	"icmp-tstampreply",
	"icmp-ireq",
	"icmp-ireqreply",
	"icmp-maskreq",
	"icmp-maskreply",
	"icmp6type",
	"icmp6code",
	"icmp6-destinationunreach",
	"icmp6-packettoobig",
	"icmp6-timeexceeded",
	"icmp6-parameterproblem",
	"icmp6-echo",
	"icmp6-echoreply",
	"icmp6-multicastlistenerquery",
	"icmp6-multicastlistenerreportv1",
	"icmp6-multicastlistenerdone",
	"icmp6-routersolicit",
	"icmp6-routeradvert",
	"icmp6-neighborsolicit",
	"icmp6-neighboradvert",
	"icmp6-redirect",
	"icmp6-routerrenum",
	"icmp6-nodeinformationquery",
	"icmp6-nodeinformationresponse",
	"icmp6-ineighbordiscoverysolicit",
	"icmp6-ineighbordiscoveryadvert",
	"icmp6-multicastlistenerreportv2",
	"icmp6-homeagentdiscoveryrequest",
	"icmp6-homeagentdiscoveryreply",
	"icmp6-mobileprefixsolicit",
	"icmp6-mobileprefixadvert",
	"icmp6-certpathsolicit",
	"icmp6-certpathadvert",
	"icmp6-multicastrouteradvert",
	"icmp6-multicastroutersolicit",
	"icmp6-multicastrouterterm",
	"tcpflags",
	"tcp-fin",
	"tcp-syn",
	"tcp-rst",
	"tcp-push",
	"tcp-ack",
	"tcp-urg",
	"tcp-ece",
	"tcp-cwr",
	NULL,
	/* clang-format on */
};

/* After one of these a name is a service, protocol or type: libpcap finds it without DNS. */
static const char *const local_qualifiers[] = {
	"port", "portrange",  "proto",	"protochain", "type",	 "subtype", "direction",
	"dir",	"on",	      "ifname", "rset",	      "ruleset", "rnr",	    "rulenum",
	"srnr", "subrulenum", "reason", "action",     "llc",	 NULL,
};

/* These pass on the qualifier before them: "port http or https". */
static const char *const connectives[] = {"and", "or", "not", NULL};

static bool listed(const char *const *list, const char *s, size_t len)
{
	for (; *list; list++)
		if (strlen(*list) == len && memcmp(*list, s, len) == 0)
			return true;
	return false;
}

static size_t span(const char *s, const char *set)
{
	return strspn(s, set);
}

/* Six groups of one or two hex digits between @sep, or three of four between dots. */
static bool is_mac(const char *s, size_t len)
{
	size_t groups = 0, digits = 0, longest = 0, shortest = len;
	char sep = 0;

	for (size_t i = 0; i <= len; i++) {
		if (i < len && isxdigit((unsigned char)s[i])) {
			digits++;
			continue;
		}
		if (i < len && sep && s[i] != sep)
			return false;
		if (i < len)
			sep = s[i];
		groups++;
		longest = digits > longest ? digits : longest;
		shortest = digits < shortest ? digits : shortest;
		digits = 0;
	}
	if (shortest == 0)
		return false;
	if (groups == 6)
		return longest <= 2 && (sep == ':' || sep == '-' || sep == '.');
	if (groups == 3)
		return longest == 4 && shortest == 4 && sep == '.';
	return groups == 1 && len == 12;
}

static bool is_ip6(const char *s, size_t len)
{
	char buf[INET6_ADDRSTRLEN];
	struct in6_addr ip;

	if (len >= sizeof(buf))
		return false;
	memcpy(buf, s, len);
	buf[len] = '\0';
	return inet_pton(AF_INET6, buf, &ip) == 1;
}

/* Two to four decimal groups between dots: an IPv4 address or the start of one. */
static bool is_ip4(const char *s, size_t len)
{
	size_t groups = 1;

	for (size_t i = 0; i < len; i++) {
		if (s[i] == '.') {
			if (i == 0 || i + 1 == len || s[i + 1] == '.')
				return false;
			groups++;
		} else if (!isdigit((unsigned char)s[i])) {
			return false;
		}
	}
	return groups >= 2 && groups <= 4;
}

static bool is_number(const char *s, size_t len)
{
	size_t i = 0;

	if (len > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
		for (i = 2; i < len && isxdigit((unsigned char)s[i]); i++)
			;
	} else {
		for (; i < len && isdigit((unsigned char)s[i]); i++)
			;
	}
	return i == len;
}

/* One word at @s, which is not a space. */
static struct pl_word word_at(const char *s)
{
	static const char hex_colon[] = "0123456789abcdefABCDEF:.";
	static const char id[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	size_t len;

	if (*s == '\\') {
		len = 1 + strcspn(s + 1, " !()\n\t");
		return (struct pl_word){.len = len, .kind = len > 1 ? PL_WORD_NAME : PL_WORD_SIGN};
	}
	len = span(s, hex_colon);
	if (memchr(s, ':', len) && (is_ip6(s, len) || is_mac(s, len)))
		return (struct pl_word){.len = len, .kind = PL_WORD_ADDRESS};

	len = isalnum((unsigned char)*s) ? span(s, id) : 0;
	while (len > 1 && (s[len - 1] == '-' || s[len - 1] == '_'))
		len--;
	if (len == 0)
		return (struct pl_word){.len = 1, .kind = PL_WORD_SIGN};
	if (is_mac(s, len) || is_ip4(s, len))
		return (struct pl_word){.len = len, .kind = PL_WORD_ADDRESS};
	if (is_number(s, len))
		return (struct pl_word){.len = len, .kind = PL_WORD_NUMBER};
	if (listed(keywords, s, len))
		return (struct pl_word){.len = len, .kind = PL_WORD_KEYWORD};
	return (struct pl_word){.len = len, .kind = PL_WORD_NAME};
}

int pl_words_split(const char *expr, struct pl_word **ret, size_t *ret_n)
{
	pl_autofree struct pl_word *words = calloc(strlen(expr) + 1, sizeof(*words));
	size_t n = 0;

	if (!words)
		return -ENOMEM;
	for (size_t i = strspn(expr, " \r\n\t"); expr[i]; i += strspn(expr + i, " \r\n\t")) {
		words[n] = word_at(expr + i);
		words[n].start = i;
		i += words[n++].len;
	}
	*ret = TAKE_PTR(words);
	*ret_n = n;
	return 0;
}

size_t pl_words_find_host(const char *expr, const struct pl_word *words, size_t n)
{
	bool local = false;

	for (size_t i = 0; i < n; i++) {
		const char *s = expr + words[i].start;

		if (words[i].kind == PL_WORD_NAME && !local)
			return i;
		if (words[i].kind == PL_WORD_KEYWORD && !listed(connectives, s, words[i].len))
			local = listed(local_qualifiers, s, words[i].len);
	}
	return n;
}

const char *pl_words_nearest(const char *expr, const struct pl_word *word)
{
	char buf[64];

	if (word->len >= sizeof(buf))
		return NULL;
	memcpy(buf, expr + word->start, word->len);
	buf[word->len] = '\0';
	return pl_nearest(buf, keywords);
}

int pl_words_fail(struct pl_error *err, const char *expr, const struct pl_word *word,
		  const char *problem)
{
	enum { WIDTH = 68, BEFORE = 40 };
	size_t len = strlen(expr), at = word ? word->start : len;
	size_t from = at > BEFORE ? at - BEFORE : 0;
	size_t n = len - from > WIDTH ? WIDTH : len - from;
	const char *head = from ? "..." : "", *tail = from + n < len ? "..." : "";
	char line[WIDTH + 1];

	for (size_t i = 0; i < n; i++)
		line[i] = isprint((unsigned char)expr[from + i])   ? expr[from + i]
			  : isspace((unsigned char)expr[from + i]) ? ' '
								   : '?';
	line[n] = '\0';
	return pl_fail(err, -EINVAL, "filter: %s\n  %s%s%s\n  %*s^", problem, head, line, tail,
		       (int)(strlen(head) + at - from), "");
}
