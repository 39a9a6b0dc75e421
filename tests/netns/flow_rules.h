/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The rule sets beside which connections must work, each as its author writes it: kube-proxy's
 * three modes, the portmap plugin, masquerading. A set says in its features what it offers; the
 * reference (flow_model.h) reads these alone.
 *
 * Services: one address for each backend. 10.96.0.1 leads to pod a, .2 to b, .3 to remote, .4 to
 * outside, .5 to b or remote; 10.96.16.0/20 to 10.202.0.9, behind the route with the small MTU.
 */
#ifndef FLOW_RULES_H
#define FLOW_RULES_H

#include <linux/ip_vs.h>
#include <netinet/in.h>
#include "flow_world.h"

enum {
	TCP_PORT = 8080,
	UDP_PORT = 5353,
	BIG_PORT = 8082, /* remote alone listens here, on all addresses */
	CLOSED_PORT = 9,
	SERVICE_TCP = 80,
	SERVICE_UDP = 53,
	NODE_PORT = 30080,
	NODE_PORT_UDP = 30053,
	HOST_PORT = 8888,
	HOST_PORT_UDP = 8853,
};

enum {
	HAS_SERVICES = 1,
	HAS_PORTS = 2,	     /* a service's ports differ from the backend's: 80 and 53 */
	HAS_ANY = 4,	     /* services take every protocol and port: ping, too */
	HAS_NODE_PORT = 8,   /* and hides the client */
	HAS_HOST_PORT = 16,  /* and does not */
	HAS_MASQUERADE = 32, /* of pods towards outside */
	HAS_V6 = 64,	     /* services of IPv6, too */
	HAS_NO_NATIVE = 128, /* remote is not native either; masquerading hides the pods there */
	HAS_BOTH = 256,	     /* the service with two backends */
	HAS_SMALL = 512,     /* the services behind the small MTU */
	HAS_IPVS = 1024,     /* an answer of a backend is the service's, whoever is meant */
};

struct service {
	const char *name;
	const char *address[N_FAMILIES];
	unsigned int backends; /* bits of places */
};

static const struct service services[] = {
	{"service a", {"10.96.0.1", "fd96::1"}, 1 << POD_A},
	{"service b", {"10.96.0.2", "fd96::2"}, 1 << POD_B},
	{"service remote", {"10.96.0.3", "fd96::3"}, 1 << REMOTE},
	{"service outside", {"10.96.0.4", "fd96::4"}, 1 << OUTSIDE},
	{"service b or remote", {"10.96.0.5", "fd96::5"}, 1 << POD_B | 1 << REMOTE},
};
enum { N_SERVICES = sizeof(services) / sizeof(services[0]), SERVICE_BOTH = 4 };

static const char *const pod_net[] = {POD_NET4, POD_NET6};
static const char *const cluster_net[] = {"10.200.0.0/14", "fd42:706c::/32"};
static const char *const small_services[] = {"10.96.16.0/20", "fd96:1::/64"};
static const char *const small_backend[] = {"10.202.0.9", "fd42:706c:1::9"};

struct rules {
	const char *name;
	unsigned int features;
	const char *config; /* of podlaned */
	void (*load)(const struct rules *);
};

static const char config_native[] =
	"{\"native\": [\"10.201.0.0/24\", \"10.202.0.0/16\", \"fd42:706c::/32\"]}";
static const char config_masquerade[] =
	"{\"native\": [\"10.201.0.0/24\", \"10.202.0.0/16\", \"fd42:706c::/32\"],"
	" \"network\": {\"ipMasq\": true}}";
static const char config_local[] = "{\"native\": [\"10.201.0.0/24\", \"fd42:706c::/64\"]}";

struct text {
	FILE *out;
	char *v;
	size_t len;
};

static inline void text_open(struct text *t)
{
	t->v = NULL;
	t->out = open_memstream(&t->v, &t->len);
	assert_non_null(t->out);
}

static inline void text_feed(struct text *t, const char *command)
{
	fclose(t->out);
	feed(command, t->v);
	free(t->v);
}

/* DNAT's destination: IPv6 addresses stand in brackets. */
static inline void print_to(FILE *out, int family, const char *address, int port)
{
	fprintf(out, family == V4 ? "%s:%d" : "[%s]:%d", address, port);
}

/* One port of one service, as kube-proxy writes it in iptables mode. */
static inline void print_kube_service(FILE *out, int family, int s, const char *proto, int port,
				      int to)
{
	const struct service *service = &services[s];
	int n = 0, left = __builtin_popcount(service->backends);
	char svc[64];

	snprintf(svc, sizeof(svc), "KUBE-SVC-%d-%s-%d", s, proto, port);
	fprintf(out, ":%s - [0:0]\n", svc);
	fprintf(out, "-A KUBE-SERVICES -d %s -p %s -m %s --dport %d -j %s\n",
		service->address[family], proto, proto, port, svc);
	fprintf(out, "-A %s ! -s %s -d %s -p %s -m %s --dport %d -j KUBE-MARK-MASQ\n", svc,
		cluster_net[family], service->address[family], proto, proto, port);
	for (int p = 0; p < N_PLACES; p++) {
		if (!(service->backends & 1 << p))
			continue;
		fprintf(out, ":KUBE-SEP-%d-%s-%d-%d - [0:0]\n", s, proto, port, n);
		fprintf(out, "-A %s", svc);
		if (left > 1)
			fprintf(out, " -m statistic --mode random --probability %.10f", 1.0 / left);
		fprintf(out, " -j KUBE-SEP-%d-%s-%d-%d\n", s, proto, port, n);
		fprintf(out, "-A KUBE-SEP-%d-%s-%d-%d -s %s -j KUBE-MARK-MASQ\n", s, proto, port, n,
			places[p].address[family]);
		fprintf(out, "-A KUBE-SEP-%d-%s-%d-%d -p %s -m %s -j DNAT --to-destination ", s,
			proto, port, n, proto, proto);
		print_to(out, family, places[p].address[family], to);
		fputc('\n', out);
		n++;
		left--;
	}
}

static inline void print_node_port(FILE *out, int family, const char *proto, int port, int to)
{
	fprintf(out, "-A KUBE-NODEPORTS -p %s -m %s --dport %d -j KUBE-MARK-MASQ\n", proto, proto,
		port);
	fprintf(out, "-A KUBE-NODEPORTS -p %s -m %s --dport %d -j DNAT --to-destination ", proto,
		proto, port);
	print_to(out, family, places[REMOTE].address[family], to);
	fputc('\n', out);
}

static inline void print_kube(FILE *out, int family)
{
	fputs("*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
	      ":POSTROUTING ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n:KUBE-NODEPORTS - [0:0]\n"
	      ":KUBE-POSTROUTING - [0:0]\n:KUBE-MARK-MASQ - [0:0]\n"
	      "-A PREROUTING -j KUBE-SERVICES\n-A OUTPUT -j KUBE-SERVICES\n"
	      "-A POSTROUTING -j KUBE-POSTROUTING\n"
	      "-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000\n"
	      "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN\n"
	      "-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000\n"
	      "-A KUBE-POSTROUTING -j MASQUERADE --random-fully\n",
	      out);
	for (int s = 0; s < N_SERVICES; s++) {
		print_kube_service(out, family, s, "tcp", SERVICE_TCP, TCP_PORT);
		print_kube_service(out, family, s, "tcp", TCP_PORT, TCP_PORT);
		print_kube_service(out, family, s, "tcp", CLOSED_PORT, CLOSED_PORT);
		print_kube_service(out, family, s, "udp", SERVICE_UDP, UDP_PORT);
		print_kube_service(out, family, s, "udp", CLOSED_PORT, CLOSED_PORT);
	}
	fprintf(out, "-A KUBE-SERVICES -d %s -p tcp -m tcp --dport %d -j DNAT --to-destination ",
		small_services[family], BIG_PORT);
	print_to(out, family, small_backend[family], BIG_PORT);
	fputs("\n-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS\n", out);
	print_node_port(out, family, "tcp", NODE_PORT, TCP_PORT);
	print_node_port(out, family, "udp", NODE_PORT_UDP, UDP_PORT);
	fputs("COMMIT\n*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
	      ":KUBE-FORWARD - [0:0]\n-A FORWARD -j KUBE-FORWARD\n"
	      "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP\n"
	      "-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT\n"
	      "-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\nCOMMIT\n",
	      out);
}

static const char *const restore[] = {"iptables-restore", "ip6tables-restore"};

static inline void load_kube(const struct rules *rules)
{
	struct text t;

	for (int f = V4; f <= V6; f++) {
		text_open(&t);
		print_kube(t.out, f);
		text_feed(&t, restore[f]);
	}
}

/* The services of nftables rules take every protocol and port. */
static inline void print_nft_map(FILE *out, int family)
{
	const char *word = family == V4 ? "ip" : "ip6";

	for (int s = 0; s < SERVICE_BOTH; s++)
		for (int p = 0; p < N_PLACES; p++)
			if (services[s].backends & 1 << p)
				fprintf(out, "%s daddr %s dnat %s to %s\n", word,
					services[s].address[family], word,
					places[p].address[family]);
	fprintf(out, "%s daddr %s dnat %s to numgen random mod 2 map { 0 : %s, 1 : %s }\n", word,
		services[SERVICE_BOTH].address[family], word, places[POD_B].address[family],
		places[REMOTE].address[family]);
	fprintf(out, "%s daddr %s dnat %s to %s\n", word, small_services[family], word,
		small_backend[family]);
}

static inline void print_nft_services(FILE *out)
{
	fputs("table inet services {\nchain services {\n", out);
	for (int f = V4; f <= V6; f++)
		print_nft_map(out, f);
	fputs("}\nchain prerouting { type nat hook prerouting priority dstnat; jump services\n}\n"
	      "chain output { type nat hook output priority -100; jump services\n}\n"
	      "chain postrouting {\ntype nat hook postrouting priority srcnat;\n",
	      out);
	for (int f = V4; f <= V6; f++)
		for (int p = POD_A; p <= POD_C; p++)
			fprintf(out, "%s saddr %s %s daddr %s masquerade\n", f ? "ip6" : "ip",
				places[p].address[f], f ? "ip6" : "ip", places[p].address[f]);
	/* What the node itself sent to a service bears the service's address where it is local. */
	fputs("fib saddr type local ct status dnat masquerade\n}\n"
	      "chain forward {\ntype filter hook forward priority filter;\n"
	      "ct state invalid drop\n}\n}\n",
	      out);
}

static inline void load_nft(const struct rules *rules)
{
	struct text t;

	text_open(&t);
	print_nft_services(t.out);
	text_feed(&t, "nft -f -");
}

/* Every service's address is one of the node's, as kube-proxy has it on kube-ipvs0. */
static inline void add_service_device(void)
{
	run("ip link add kube-ipvs0 type veth peer name kube-ipvs1");
	run("ip link set kube-ipvs0 up");
	for (int s = 0; s < N_SERVICES; s++) {
		run("ip addr add %s/32 dev kube-ipvs0", services[s].address[V4]);
		run("ip addr add %s/128 dev kube-ipvs0 nodad", services[s].address[V6]);
	}
}

static inline void load_host_address(const struct rules *rules)
{
	add_service_device();
	load_nft(rules);
}

/* The kernel's own structures of the socket interface; IPv4 alone has one. */
static inline bool ipvs_add(int fd, int proto, const char *address, int port, const char *backend,
			    int to)
{
	struct {
		struct ip_vs_service_user service;
		struct ip_vs_dest_user backend;
	} add = {
		.service = {.protocol = (uint16_t)proto,
			    .port = htons((uint16_t)port),
			    .sched_name = "rr",
			    .netmask = 0xffffffff},
		.backend = {.port = htons((uint16_t)to),
			    .conn_flags = IP_VS_CONN_F_MASQ,
			    .weight = 1},
	};

	inet_pton(AF_INET, address, &add.service.addr);
	inet_pton(AF_INET, backend, &add.backend.addr);
	return (!setsockopt(fd, IPPROTO_IP, IP_VS_SO_SET_ADD, &add.service, sizeof(add.service)) ||
		errno == EEXIST) &&
	       !setsockopt(fd, IPPROTO_IP, IP_VS_SO_SET_ADDDEST, &add, sizeof(add));
}

static inline bool has_ipvs(void)
{
	int fd, r;

	try_run("modprobe -qa ip_vs ip_vs_rr 2>/dev/null");
	fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	r = setsockopt(fd, IPPROTO_IP, IP_VS_SO_SET_FLUSH, NULL, 0);
	close(fd);
	return !r;
}

static inline void load_ipvs(const struct rules *rules)
{
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);

	add_service_device();
	set("ipv4/vs/conntrack", "1");
	for (int s = 0; s < N_SERVICES; s++) {
		for (int p = 0; p < N_PLACES; p++) {
			const char *at = services[s].address[V4], *to = places[p].address[V4];

			if (services[s].backends & 1 << p)
				assert_true(
					ipvs_add(fd, IPPROTO_TCP, at, SERVICE_TCP, to, TCP_PORT) &&
					ipvs_add(fd, IPPROTO_UDP, at, SERVICE_UDP, to, UDP_PORT) &&
					ipvs_add(fd, IPPROTO_TCP, at, TCP_PORT, to, TCP_PORT));
		}
	}
	close(fd);
	feed("nft -f -", "table ip kube {\nchain postrouting {\n"
			 "type nat hook postrouting priority srcnat;\n"
			 "ip saddr 10.201.0.11 ip daddr 10.201.0.11 masquerade\n"
			 "ip saddr 10.201.0.12 ip daddr 10.201.0.12 masquerade\n"
			 "ip saddr 10.96.0.0/16 masquerade\nmeta mark 0x4000 masquerade\n}\n"
			 "chain services {\n"
			 "type nat hook output priority -100;\n"
			 "ip saddr != 10.200.0.0/14 ip daddr 10.96.0.0/16 meta mark set 0x4000\n}\n"
			 "chain forward {\ntype filter hook forward priority filter;\n"
			 "ct state invalid drop\n}\n}\n");
}

/* As the portmap plugin writes it, and a firewall that drops what is invalid. */
static inline void load_portmap(const struct rules *rules)
{
	static const int ports[2][2] = {{HOST_PORT, TCP_PORT}, {HOST_PORT_UDP, UDP_PORT}};
	struct text t;

	for (int f = V4; f <= V6; f++) {
		text_open(&t);
		fputs("*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
		      ":POSTROUTING ACCEPT [0:0]\n:CNI-DN-b - [0:0]\n"
		      ":CNI-HOSTPORT-DNAT - [0:0]\n:CNI-HOSTPORT-MASQ - [0:0]\n"
		      ":CNI-HOSTPORT-SETMARK - [0:0]\n"
		      "-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT\n"
		      "-A OUTPUT -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT\n"
		      "-A POSTROUTING -j CNI-HOSTPORT-MASQ\n"
		      "-A CNI-HOSTPORT-MASQ -m mark --mark 0x2000/0x2000 -j MASQUERADE\n"
		      "-A CNI-HOSTPORT-SETMARK -j MARK --set-xmark 0x2000/0x2000\n",
		      t.out);
		for (int i = 0; i < 2; i++) {
			const char *proto = i ? "udp" : "tcp";
			const char *b = places[POD_B].address[f];
			int from = ports[i][0], to = ports[i][1];

			fprintf(t.out,
				"-A CNI-HOSTPORT-DNAT -p %s -m multiport --dports %d "
				"-j CNI-DN-b\n"
				"-A CNI-DN-b -s %s -p %s -m %s --dport %d "
				"-j CNI-HOSTPORT-SETMARK\n"
				"-A CNI-DN-b -s %s -p %s -m %s --dport %d "
				"-j CNI-HOSTPORT-SETMARK\n"
				"-A CNI-DN-b -p %s -m %s --dport %d "
				"-j DNAT --to-destination ",
				proto, from, b, proto, proto, from, f ? "::1" : "127.0.0.1", proto,
				proto, from, proto, proto, from);
			print_to(t.out, f, b, to);
			fputc('\n', t.out);
		}
		fputs("COMMIT\n*filter\n:FORWARD ACCEPT [0:0]\n"
		      "-A FORWARD -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n",
		      t.out);
		text_feed(&t, restore[f]);
	}
}

/* An administrator's own rules: no network knows the way back to the pods. */
static inline void load_masquerade(const struct rules *rules)
{
	struct text t;

	load_kube(rules);
	for (int f = V4; f <= V6; f++) {
		text_open(&t);
		fprintf(t.out, "*nat\n-A POSTROUTING -s %s ! -d %s -o up0 -j MASQUERADE\nCOMMIT\n",
			pod_net[f], pod_net[f]);
		text_feed(&t, f ? "ip6tables-restore -n" : "iptables-restore -n");
	}
}

static inline void load_invalid(const struct rules *rules)
{
	feed("nft -f -",
	     "table inet firewall {\nchain forward {\n"
	     "type filter hook forward priority filter;\nct state invalid drop\n}\n}\n");
}

enum {
	KUBE = HAS_SERVICES | HAS_PORTS | HAS_NODE_PORT | HAS_V6 | HAS_BOTH | HAS_SMALL,
	NFT = HAS_SERVICES | HAS_ANY | HAS_V6 | HAS_BOTH | HAS_SMALL,
};

static const struct rules rules_iptables = {"iptables", KUBE, config_native, load_kube};
static const struct rules rules_iptables_masquerade = {"iptables_masquerade", KUBE | HAS_MASQUERADE,
						       config_masquerade, load_kube};
static const struct rules rules_nftables = {"nftables", NFT, config_native, load_nft};
static const struct rules rules_nftables_masquerade = {"nftables_masquerade", NFT | HAS_MASQUERADE,
						       config_masquerade, load_nft};
static const struct rules rules_host_address = {"host_address", NFT & ~HAS_SMALL, config_native,
						load_host_address};
static const struct rules rules_ipvs = {"ipvs", HAS_SERVICES | HAS_PORTS | HAS_BOTH | HAS_IPVS,
					config_native, load_ipvs};
static const struct rules rules_portmap = {"portmap", HAS_HOST_PORT | HAS_MASQUERADE | HAS_V6,
					   config_masquerade, load_portmap};
static const struct rules rules_masquerade = {"masquerade", KUBE | HAS_MASQUERADE | HAS_NO_NATIVE,
					      config_local, load_masquerade};
static const struct rules rules_invalid = {"invalid", HAS_V6, config_native, load_invalid};

#endif
